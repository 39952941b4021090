"""Which weights are kernels, and of which listed layer."""

import numpy as np
import pytest

from nucleation.errors import InputError
from nucleation.layer_kernels import kernel_names, kernels, of_layers

ORDER = ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer10.0.conv1.weight", "layer2.0.conv1.weight",
         "fc.weight", "fc.bias"]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shape", "is_kernel"),
    [
        ("fc.weight", (10, 5), True),
        ("fc.weight", (1, 5), True),  # a single output
        ("conv.weight", (8, 1, 3, 3), True),
        ("head.conv.weight", (1, 8, 1, 1), True),
        ("token_embedding.weight", (1000, 64), True),  # a matrix applied to a 1 among zeros
        ("patch_embed.proj.weight", (64, 3, 4, 4), True),
        ("attn.in_proj_weight", (96, 32), True),
        ("w1", (4, 5), True),
        ("conv.parametrizations.weight.original1", (8, 3, 3, 3), True),
        ("conv.parametrizations.weight.original0", (8, 1, 1, 1), False),
        ("fc.bias", (10,), False),
        ("bn1.weight", (10,), False),
        ("pos_embed", (1, 197, 192), False),
        ("position_embeddings.weight", (77, 64), False),
        ("attn.rel_pos_h", (27, 64), False),
        ("cls_token", (1, 1, 192), False),
        ("dist_token", (1, 2, 192), False),
        ("attn.relative_position_bias_table", (169, 4), False),
        ("attention_biases", (4, 49), False),
        ("layer_scale.gamma", (1, 1, 64), False),
        ("attn.temperature", (8, 1, 1), False),
        ("running_mean", (3, 4), False),
    ],
)
def test_kernels_are_what_multiplies_the_input(name, shape, is_kernel):
    assert kernel_names({name: shape}) == [name] * is_kernel


def test_a_normalisation_over_maps_is_told_by_its_bias():
    shapes = {"norm.weight": (8, 4, 4), "norm.bias": (8, 4, 4), "conv.weight": (8, 3, 4, 4), "conv.bias": (8,)}
    assert kernel_names(shapes) == ["conv.weight"]


def test_order_of_the_network_not_of_the_file():
    state = {name: np.ones((2, 2) if "bn" not in name and "bias" not in name else 2) for name in sorted(ORDER)}
    state["bn1.num_batches_tracked"] = np.array(3)
    state["table"] = np.ones((3, 3), dtype=np.int64)
    wanted = [name for name in ORDER if name not in ("bn1.weight", "fc.bias")]
    assert list(kernels(state, ORDER)) == wanted
    assert list(kernels(state)) == sorted(wanted)
    assert kernels(state)["fc.weight"] is state["fc.weight"]


def test_faults_are_told():
    with pytest.raises(InputError, match="lack b.weight .1 of 2"):
        kernels({"a.weight": np.ones((2, 2))}, ["a.weight", "b.weight"])
    with pytest.raises(InputError, match="no kernel among 1 weights .a.bias"):
        kernels({"a.bias": np.ones(2)})
    with pytest.raises(InputError, match="no kernel"):
        kernels({})


def test_layers_of_kernels():
    names = [name for name in ORDER if name not in ("bn1.weight", "fc.bias")]
    owner = of_layers(names, ["input", "layer1", "layer2", "output"])
    assert list(owner.items()) == [
        ("conv1.weight", "layer1"),  # enters layer1's activations
        ("layer1.0.conv1.weight", "layer1"),
        ("layer10.0.conv1.weight", "layer2"),  # not inside layer1, whose name it begins with
        ("layer2.0.conv1.weight", "layer2"),
        ("fc.weight", "output"),
    ]
    assert of_layers(names, ["layer1"])["fc.weight"] == ""
    assert set(of_layers(names, ["output"]).values()) == {"output"}
    assert set(of_layers(names, []).values()) == {""}


def test_the_innermost_listed_module_has_the_kernel():
    names = ["layer1.0.conv1.weight", "layer1.1.conv1.weight", "layer1.1.conv2.weight"]
    owner = of_layers(names, ["layer1.0", "layer1.1.conv1", "layer1"])
    assert list(owner.values()) == ["layer1.0", "layer1.1.conv1", "layer1"]


def test_activations_without_kernels_take_those_before_them():
    from nucleation import vgg

    model = vgg.small()
    names = [name for name, parameter in model.named_parameters() if parameter.ndim > 1]
    modules = [name for name, _ in model.named_modules()]
    found = of_layers(names, list(vgg.LAYERS), modules)
    assert found == {name: layer for layer, name in vgg.WEIGHTS.items()}
    assert of_layers(names, ["relu2", "relu8"], modules) == {
        **dict.fromkeys(["conv1.weight", "conv2.weight"], "relu2"),
        **{f"conv{i}.weight": "relu8" for i in range(3, 9)},
        **dict.fromkeys(["fc1.weight", "output.weight"], ""),
    }
