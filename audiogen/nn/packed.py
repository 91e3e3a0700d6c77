"""Linear layers whose bfloat16 weights lie in memory as the CPU's matrix products read them.

oneDNN, which computes these products, lays weights out anew in every call; done once, the same results come sooner,
most of all for a single frame.
"""

import torch
from torch import Tensor, nn


def packable(weight: Tensor) -> bool:
    """Whether a weight can be packed here: bfloat16, on a CPU that computes with it."""
    if weight.dtype != torch.bfloat16 or weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    # The operators are those that torch.compile uses; they have no public name.
    return hasattr(torch.ops.mkldnn, "_linear_pointwise") and torch.ops.mkldnn._is_mkldnn_bf16_supported()


class PackedLinear(nn.Module):
    """A linear layer without bias, for generation only: its weight is no parameter, and is not saved."""

    weight: Tensor

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., in] -> [..., out], bit for bit as `nn.Linear`."""
        return torch.ops.mkldnn._linear_pointwise(hidden, self.weight, None, "none", [], "")
