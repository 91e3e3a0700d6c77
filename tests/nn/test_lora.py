"""Adapters: fresh ones change nothing, folded ones nothing more, and what does not fit is refused."""

import pytest
import torch
from torch import nn

from audiogen.errors import InputError
from audiogen.nn.lora import LoRALinear, adapters, attach_lora, fold_lora, set_adapters

VECTORS = torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    """Two layers with adapters of rank 4 that do something, and one that never has any."""
    torch.manual_seed(1)
    network = nn.Sequential(LoRALinear(12, 8, 4), nn.Linear(8, 8), LoRALinear(8, 6, 4))
    for name, parameter in network.named_parameters():
        if name.endswith("lora_B"):
            nn.init.normal_(parameter)
    return network


def test_the_weight_is_the_base_and_the_product_by_rank(network):
    layer = network[0]
    weight = layer.weight + layer.lora_B @ layer.lora_A / 4
    torch.testing.assert_close(layer(VECTORS), VECTORS @ weight.T, atol=1e-5, rtol=0)


def test_folding_keeps_the_result_and_drops_the_adapter(network):
    before = network(VECTORS)
    assert list(adapters(network)) == ["0.lora_A", "0.lora_B", "2.lora_A", "2.lora_B"]
    fold_lora(network)
    torch.testing.assert_close(network(VECTORS), before, atol=1e-5, rtol=0)
    assert adapters(network) == {}
    assert [name for name, _ in network.named_parameters()] == ["0.weight", "1.weight", "1.bias", "2.weight"]
    fold_lora(network)
    torch.testing.assert_close(network(VECTORS), before, atol=1e-5, rtol=0)


def test_a_fresh_adapter_changes_nothing_and_learns():
    torch.manual_seed(2)
    network = nn.Sequential(LoRALinear(12, 8, 0), nn.Linear(8, 2))
    before = network(VECTORS)
    assert network[0].rank == 0
    attach_lora(network, 3)
    assert network[0].rank == 3
    assert torch.equal(network(VECTORS), before)
    network(VECTORS).sum().backward()
    assert network[0].lora_B.grad.abs().sum() > 0


def test_adapters_move_between_networks(network):
    torch.manual_seed(3)
    other = nn.Sequential(LoRALinear(12, 8, 0), nn.Linear(8, 8), LoRALinear(8, 6, 2))
    other.load_state_dict({name: x for name, x in network.state_dict().items() if "lora_" not in name}, strict=False)
    set_adapters(other, adapters(network), "memory")
    assert torch.equal(other(VECTORS), network(VECTORS))


def test_layers_without_a_new_adapter_stay_as_they_are(network):
    only_last = {name: torch.zeros_like(x) for name, x in adapters(network).items() if name.startswith("2.")}
    first = network[0](VECTORS)
    set_adapters(network, only_last, "memory")
    assert torch.equal(network[0](VECTORS), first)
    assert network[2].lora_B.abs().sum() == 0


def test_folding_bfloat16_rounds_once(network):
    exact = network[0].weight + network[0].lora_B @ network[0].lora_A / 4
    network.to(torch.bfloat16)
    folded = network[0].weight.float() + network[0].lora_B.float() @ network[0].lora_A.float() / 4
    fold_lora(network)
    assert torch.equal(network[0].weight, folded.to(torch.bfloat16))
    torch.testing.assert_close(network[0].weight.float(), exact, atol=0.05, rtol=0)


def test_what_does_not_fit_is_refused(network):
    good = adapters(network)
    wrong = {
        "got none": {},
        r"got 1 that do not fit \(first: 0.lora_B\)": {k: x for k, x in good.items() if k != "0.lora_B"},
        r"do not fit \(first: 1\)": {**good, "1.lora_A": torch.zeros(4, 8), "1.lora_B": torch.zeros(8, 4)},
        r"do not fit \(first: 0.bias\)": {**good, "0.bias": torch.zeros(8)},
        r"adapter of 0 in memory to be \[R, 12\] and \[8, R\]": {**good, "0.lora_A": torch.zeros(4, 11)},
        r"got \[3, 12\] and \[8, 4\]": {**good, "0.lora_A": torch.zeros(3, 12)},
    }
    for message, tensors in wrong.items():
        with pytest.raises(InputError, match=message):
            set_adapters(network, tensors, "memory")
    assert all(torch.equal(x, good[name]) for name, x in adapters(network).items()), "nothing is half changed"
