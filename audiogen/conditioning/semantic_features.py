"""The speech features that MaskGCT's semantic codec quantises: w2v-BERT 2.0, 17 layers deep, normalised.

Papers: Wang et al. 2025, arXiv:2409.00750, "Speech Semantic Representation Codec"; Barrault et al. 2023,
arXiv:2312.05187 (w2v-BERT 2.0).
Shapes: B batch, S samples at 16 kHz, T frames at 50 Hz, D width.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from audiogen.errors import InputError

if TYPE_CHECKING:
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertModel

LAYERS = 17
"""The features are the output of this layer; the rest of w2v-BERT is not loaded."""
WINDOW, HOP = 400, 160
"""Samples of a filter-bank frame and between two; two frames make one feature vector."""


def num_feature_frames(num_samples: int) -> int:
    """Feature vectors of so many samples at 16 kHz: ⌈(⌊(n − 400) / 160⌋ + 1) / 2⌉."""
    filterbank_frames = max(0, (num_samples - WINDOW) // HOP + 1)
    return (filterbank_frames + 1) // 2


class SemanticFeatures(nn.Module):
    """16 kHz speech -> normalised features, one vector every 20 ms."""

    sample_rate = 16000
    frame_rate = 50.0
    mean: Tensor
    std: Tensor

    def __init__(
        self, extractor: "SeamlessM4TFeatureExtractor", encoder: "Wav2Vec2BertModel", mean: Tensor, variance: Tensor
    ):
        """`mean` and `variance` [D] are the fixed statistics that the semantic codec was trained with."""
        super().__init__()
        width = encoder.config.hidden_size
        if mean.shape != (width,) or variance.shape != (width,):
            raise InputError(
                f"SemanticFeatures: expected statistics of {width} numbers, got {list(mean.shape)} and "
                f"{list(variance.shape)}. Use the statistics that belong to this encoder."
            )
        self.extractor = extractor
        self.encoder = encoder.eval()
        self.register_buffer("mean", mean)
        self.register_buffer("std", variance.sqrt())

    def inputs(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """[B, S] -> stacked filter banks [B, T, 160] and their mask [B, T], 1 on whole vectors.

        An odd number of filter-bank frames leaves a last vector that is half padding; it is masked, and still counted.
        """
        batch = self.extractor(
            list(audio.cpu().numpy()), sampling_rate=self.sample_rate, return_tensors="pt", pad_to_multiple_of=2
        )
        return batch["input_features"].to(audio.device), batch["attention_mask"].to(audio.device)

    def hidden(self, audio: Tensor) -> Tensor:
        """[B, S] -> output of layer 17, [B, T, D], before the normalisation."""
        features, mask = self.inputs(audio)
        return self.encoder(input_features=features, attention_mask=mask).last_hidden_state

    def normalize(self, hidden: Tensor) -> Tensor:
        """[B, T, D] -> the same with each channel's mean taken off and its deviation divided out."""
        return (hidden - self.mean) / self.std

    @torch.no_grad()
    def forward(self, audio: Tensor) -> Tensor:
        """Speech [B, 1, S] at 16 kHz, all items of one length -> features [B, D, T], the semantic codec's signal.

        Raises:
            InputError: not mono, or shorter than one vector.
        """
        if audio.dim() != 3 or audio.shape[1] != 1 or audio.shape[-1] < WINDOW + HOP:
            raise InputError(
                f"SemanticFeatures: expected mono speech [B, 1, S] of at least {WINDOW + HOP} samples at 16 kHz, "
                f"got {list(audio.shape)}. Mix down to mono, resample, and give a longer recording."
            )
        return self.normalize(self.hidden(audio[:, 0])).transpose(1, 2)
