"""The Vocos backbone and its inverse-STFT head, shared by every codec of this project.

Paper: Siuzdak 2023, arXiv:2306.00814. Parameter names follow MaskGCT's checkpoints (golden SPEC 7.2 and 7.5).
Shapes: B batch, C channels, T frames, D width, S samples.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-6


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over frames, then a pointwise MLP, scaled per channel and added: [B, D, T] -> [B, D, T].

    `layer_scale` is the initial value of the per-channel scale.
    """

    def __init__(self, dim: int, intermediate_dim: int, layer_scale: float):
        super().__init__()
        self.dwconv = nn.Conv1d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.pwconv1 = nn.Linear(dim, intermediate_dim)
        self.pwconv2 = nn.Linear(intermediate_dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), layer_scale))

    def forward(self, hidden: Tensor) -> Tensor:
        branch = self.norm(self.dwconv(hidden).transpose(1, 2))
        branch = self.gamma * self.pwconv2(F.gelu(self.pwconv1(branch)))
        return hidden + branch.transpose(1, 2)


class VocosBackbone(nn.Module):
    """Convolution, `num_layers` ConvNeXt blocks, layer norm: [B, C, T] -> [B, T, D].

    `layer_scale` defaults to 1 / num_layers, the paper's choice.
    """

    def __init__(
        self, in_channels: int, dim: int, intermediate_dim: int, num_layers: int, layer_scale: float | None = None
    ):
        super().__init__()
        self.embed = nn.Conv1d(in_channels, dim, kernel_size=7, padding=3)
        self.norm = nn.LayerNorm(dim, eps=EPS)
        scale = 1 / num_layers if layer_scale is None else layer_scale
        self.convnext = nn.ModuleList(ConvNeXtBlock(dim, intermediate_dim, scale) for _ in range(num_layers))
        self.final_layer_norm = nn.LayerNorm(dim, eps=EPS)
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d | nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    @property
    def context(self) -> int:
        """Frames on each side that one output frame depends on: 3 for every convolution of width 7."""
        return 3 * (1 + len(self.convnext))

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.norm(self.embed(features).transpose(1, 2)).transpose(1, 2)
        for block in self.convnext:
            hidden = block(hidden)
        return self.final_layer_norm(hidden.transpose(1, 2))


class ISTFT(nn.Module):
    """Spectra to samples with "same" padding: [B, n_fft / 2 + 1, T] complex -> [B, T * hop_length].

    Frame i is centred on sample (i + 1/2) * hop_length, so T frames give exactly T hops and chunks line up.
    """

    window: Tensor

    def __init__(self, n_fft: int, hop_length: int):
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        # cloned: a periodic window is a view of a longer buffer, which safetensors refuses to store
        self.register_buffer("window", torch.hann_window(n_fft).clone())

    def forward(self, spectra: Tensor) -> Tensor:
        frames = torch.fft.irfft(spectra, self.n_fft, dim=1) * self.window[:, None]
        squared = self.window.square()[None, :, None].expand(1, -1, frames.shape[-1])
        return self._overlap_add(frames) / self._overlap_add(squared)

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """[B, n_fft, T] -> [B, T * hop_length], the half-covered edges cut off."""
        length = (frames.shape[-1] - 1) * self.hop_length + self.n_fft
        added = F.fold(frames, (1, length), kernel_size=(1, self.n_fft), stride=(1, self.hop_length))[:, 0, 0]
        edge = (self.n_fft - self.hop_length) // 2
        return added[:, edge : length - edge]


class ISTFTHead(nn.Module):
    """Backbone states to samples through log-magnitude and phase: [B, T, D] -> [B, T * hop_length]."""

    MAX_MAGNITUDE = 100.0

    def __init__(self, dim: int, n_fft: int, hop_length: int):
        super().__init__()
        self.out = nn.Linear(dim, n_fft + 2)
        self.istft = ISTFT(n_fft, hop_length)

    @property
    def context(self) -> int:
        """Frames on each side whose windows reach into one frame's samples."""
        return -(-(self.istft.n_fft - self.istft.hop_length) // (2 * self.istft.hop_length))

    def forward(self, hidden: Tensor) -> Tensor:
        log_magnitude, phase = self.out(hidden).transpose(1, 2).chunk(2, dim=1)
        magnitude = log_magnitude.exp().clamp(max=self.MAX_MAGNITUDE)
        # cos and sin apart: torch.polar has no half-precision kernel
        return self.istft(torch.complex(magnitude * phase.cos(), magnitude * phase.sin()))
