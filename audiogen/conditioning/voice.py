"""The voice that generated speech continues: a recording as codes, with what is said in it.

Shapes: K acoustic levels, Ps semantic frames, Pa acoustic frames (they may differ by one), P phones.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from audiogen.errors import InputError
from audiogen.files import atomic_write

FORMAT = "audiogen-voice-1"
"""Stands in the metadata of every voice file."""
NAMES = ("semantic_codes", "acoustic_codes", "phone_ids")


@dataclass(frozen=True, kw_only=True, eq=False)
class VoicePrompt:
    """Made by a pipeline's `voice()` from a recording and its text, or read from a file.

    Raises:
        InputError: shapes or types differ from those below.
    """

    semantic_codes: Tensor
    """[1, Ps] int64."""
    acoustic_codes: Tensor
    """[K, Pa] int64."""
    phone_ids: Tensor
    """[P] int64, what is said, in the phones of the model it was made for."""
    duration: float
    """Seconds of the recording."""
    text: str = ""
    """What is said, for people."""

    def __post_init__(self) -> None:
        shapes = [tensor.dim() for tensor in self._tensors().values()]
        types = {tensor.dtype for tensor in self._tensors().values()}
        empty = any(tensor.numel() == 0 for tensor in self._tensors().values())
        if shapes != [2, 2, 1] or len(self.semantic_codes) != 1 or types != {torch.int64} or empty:
            found = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in self._tensors().items())
            raise InputError(
                "VoicePrompt: expected int64 semantic_codes [1, Ps], acoustic_codes [K, Pa] and phone_ids [P], "
                f"got {found}. Make the voice again from a recording and its text."
            )
        if not (math.isfinite(self.duration) and self.duration > 0):
            raise InputError(f"VoicePrompt: expected a duration above 0 seconds, got {self.duration}. Make it again.")

    def save(self, path: str | Path) -> Path:
        """Write a .safetensors file, which `load` reads; `path` appears only when it is complete."""
        from safetensors.torch import save_file

        path = Path(path)
        if path.suffix != ".safetensors":
            raise InputError(f"expected a name that ends in .safetensors for a voice, got {path}. Change the suffix.")
        tensors = {name: tensor.to("cpu", torch.int32).contiguous() for name, tensor in self._tensors().items()}
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, {"format": FORMAT, "text": self.text, "duration": repr(self.duration)})
        return path

    @classmethod
    def load(cls, path: str | Path) -> "VoicePrompt":
        """Read what `save` wrote.

        Raises:
            InputError: no such file, damaged, or no voice.
        """
        from audiogen.checkpoints.weights import read_metadata, read_safetensors

        tensors, metadata = read_safetensors(path), read_metadata(path)
        if metadata.get("format") != FORMAT or set(tensors) != set(NAMES):
            raise InputError(
                f"expected a voice ({FORMAT}) in {path}, got {metadata.get('format', 'another file')} with "
                f"{', '.join(sorted(tensors)) or 'no tensors'}. Make one from a recording and its text."
            )
        try:
            duration = float(metadata["duration"])
        except (KeyError, ValueError) as error:
            raise InputError(f"expected the duration of the voice in {path}, got {error!r}. Make it again.") from error
        codes = {name: tensor.long() for name, tensor in tensors.items()}
        return cls(**codes, duration=duration, text=metadata.get("text", ""))

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in NAMES}
