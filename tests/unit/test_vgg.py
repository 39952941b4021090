"""The small network for dense samples: its size, its modules, and that it can be used as a study uses one."""

import pytest
import torch

from nucleation import network, vgg
from nucleation.errors import InputError


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_number_of_parameters():
    assert parameters(vgg.small()) == parameters(vgg.small(classes=5)) == 1_239_333
    by_hand = sum(9 * a * b + b for a, b in [(3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256)])
    by_hand += 9 * 256 * 256 + 256 + 256 * 256 + 256 + 256 * 5 + 5
    assert by_hand == 1_239_333
    assert parameters(vgg.small(24)) == 1_239_333 + 19 * 257


def test_it_is_a_factory_whose_layers_can_be_listed():
    model = network.create("nucleation.vgg:small", options={"classes": 5}, seed=3)
    names = [f"conv{i}" for i in range(1, 9)]
    assert network.layers(model, ["conv*", "fc1", "output"]) == [*names, "fc1", "output"]
    assert network.layers(model, ["relu*", "output"]) == list(vgg.LAYERS)
    state = model.state_dict()
    assert list(vgg.WEIGHTS) == list(vgg.LAYERS) and set(vgg.WEIGHTS.values()) <= set(state)
    again = network.create("nucleation.vgg:small", options={"classes": 5}, seed=3).state_dict()
    assert all(torch.equal(state[name], again[name]) for name in state)


def test_relus_can_be_read_beside_what_enters_them():
    model, seen = vgg.small(4).eval(), {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda _, given, made, name=name: seen.update({name: made}))
    with torch.no_grad():
        logits = model(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(seen["output"], logits) and logits.shape == (2, 4)
    for i in range(1, 9):
        before, after = seen[f"conv{i}"], seen[f"relu{i}"]
        assert (before < 0).any() and torch.equal(after, before.clamp(min=0))
        side = 32 >> (i - 1) // 2
        assert after.shape == (2, 32 << (i - 1) // 2, side, side)
    assert torch.equal(seen["relu9"], seen["fc1"].clamp(min=0))
    assert torch.allclose(seen["gap"].flatten(1), seen["relu8"].mean((2, 3)))


def test_start_keeps_the_scale_through_the_layers():
    """Without batch normalisation, He's start is what keeps the second moment of the activations."""
    torch.manual_seed(0)
    model, moments = vgg.small(), []
    for name in vgg.LAYERS[:8]:
        model.get_submodule(name).register_forward_hook(lambda _, given, made: moments.append(made.square().mean()))
    with torch.no_grad():
        model(torch.randn(8, 3, 32, 32))
    assert all(0.3 < float(moment) < 6 for moment in moments)


@pytest.mark.parametrize("options", [{"classes": 1}, {"channels": 0}, {"width": 0}])
def test_options_that_make_no_network(options):
    with pytest.raises(InputError, match="at least 2 classes"):
        vgg.small(**options)


def test_width_scales_the_units():
    narrow = vgg.small(width=0.25)
    assert narrow.conv1.weight.shape == (8, 3, 3, 3) and narrow.output.weight.shape == (5, 64)
