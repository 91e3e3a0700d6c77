"""Token archives: codes, semantic codes and phones of every utterance, as Lhotse Shar."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.codecs.base import Codec
from audiogen.codecs.semantic import SemanticCodec
from audiogen.conditioning.mel_features import MelFeatures
from audiogen.training.alignment import phone_frames

logger = logging.getLogger(__name__)

FIELDS = ("codes", "semantic_codes", "phones", "durations")


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


@torch.inference_mode()
def tokenize(cut: Any, codec: Codec, tokenizer: SemanticCodec) -> TokenizedUtterance:
    """One aligned cut through both tokenizers."""
    audio = Audio.read(cut.recording.sources[0].source).mono().resample(codec.sample_rate)
    features = MelFeatures(codec.sample_rate, codec.hop_length)(audio.samples[None])
    phones, durations = phone_frames(cut)
    codes = codec.encode(audio.samples[None])[0]
    return TokenizedUtterance(cut.id, codes, tokenizer.encode(features)[0, 0], phones, durations)


def write_tokens(cuts: Path, codec: Codec, tokenizer: SemanticCodec, out: Path, shard_size: int = 500) -> None:
    """Tokenize an aligned manifest into the folder `out`."""
    from lhotse import CutSet
    from lhotse.shar import SharWriter

    with SharWriter(str(out), fields=dict.fromkeys(FIELDS, "numpy"), shard_size=shard_size) as writer:
        for cut in CutSet.from_file(cuts):
            utterance = tokenize(cut, codec, tokenizer)
            bare = cut.drop_recording() if hasattr(cut, "drop_recording") else cut
            for name in FIELDS:
                bare = bare.attach_tensor(name, getattr(utterance, name).numpy().astype("int32"))
            writer.write(bare)


def read_tokens(folder: Path) -> Iterator[TokenizedUtterance]:
    """The utterances of a token archive."""
    from lhotse import CutSet

    for cut in CutSet.from_shar(in_dir=str(folder)):
        fields = {name: torch.from_numpy(getattr(cut, f"load_{name}")()).long() for name in FIELDS}
        yield TokenizedUtterance(cut.id, **fields)
