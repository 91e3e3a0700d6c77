"""Reading token archives (Lhotse Shar, written by `recipes.tokens`): what the voice's models learn from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from audiogen.training.alignment import phone_frames


@dataclass(frozen=True)
class TokenizedUtterance:
    """All that the voice's models learn of one utterance."""

    utt_id: str
    codes: Tensor
    """[K, T]."""
    semantic_codes: Tensor
    """[T]."""
    phones: Tensor
    """[P] ids, silence at the ends included."""
    durations: Tensor
    """[P] frames; their sum is T."""

    @property
    def frame_phones(self) -> Tensor:
        """[T]: which phone each frame belongs to."""
        return self.phones.repeat_interleave(self.durations)


def read_tokens(folder: Path) -> Iterator[TokenizedUtterance]:
    """The utterances of a token archive, with the phone alignment that their cuts carry."""
    from lhotse import CutSet

    for cut in CutSet.from_shar(in_dir=str(folder)):
        codes = torch.from_numpy(cut.load_codes()).long()
        semantic_codes = torch.from_numpy(cut.load_semantic_codes()).long()[0]
        yield TokenizedUtterance(cut.id, codes, semantic_codes, *phone_frames(cut, codes.shape[-1]))
