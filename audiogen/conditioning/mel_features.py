"""Log-mel features at the rate of the codes: what the bundled semantic tokenizer reads in the place of w2v-BERT."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MelFeatures(nn.Module):
    """Speech [B, 1, S] -> [B, D, T]: two log-mel frames stacked per code frame, T = ceil(S / hop_length).

    Scaled by constants to about zero mean and unit variance, so that a stream needs no statistics of its future.
    """

    N_FFT = 1024
    MELS = 80
    feature_dim = 2 * MELS
    filters: Tensor
    window: Tensor

    def __init__(self, sample_rate: int = 24000, hop_length: int = 480):
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        self.sample_rate = sample_rate
        self.hop_length = hop_length
        filters = melscale_fbanks(self.N_FFT // 2 + 1, 40.0, 8000.0, self.MELS, sample_rate, norm="slaney")
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(self.N_FFT), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        mono = F.pad(audio[:, 0], (0, -audio.shape[-1] % self.hop_length))
        hop = self.hop_length // 2
        edge = (self.N_FFT - hop) // 2
        frames = F.pad(mono, (edge, edge)).unfold(-1, self.N_FFT, hop) * self.window
        mel = (torch.fft.rfft(frames).abs() @ self.filters).clamp(min=1e-4).log()
        return ((mel + 4.5) / 2.5).unflatten(1, (-1, 2)).flatten(2).transpose(1, 2)
