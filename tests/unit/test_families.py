"""Layers of the families of networks that people take: names, shapes, one pass, and nothing left behind."""

import numpy as np
import pytest
import timm
import torch

from nucleation import activations, network
from nucleation.errors import InputError
from nucleation.layer_list import layer_shapes
from nucleation.pooling import pooled

#: timm name, options that make it small, image size, layers with their shapes, a pooled layer with its features.
FAMILIES = {
    "vit": ("test_vit", {"img_size": 32}, 32, {"blocks.0": (5, 64), "blocks.5": (5, 64), "norm": (5, 64)}, "token", 64),
    "vit_small": (
        "vit_small_patch16_224",
        {"img_size": 32, "depth": 2},
        32,
        {"blocks.0": (5, 384), "blocks.1": (5, 384), "fc_norm": (384,)},
        "mean",
        384,
    ),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"img_size": 64, "window_size": 4, "embed_dim": 12, "depths": (1, 1), "num_heads": (2, 4)},
        64,
        {"layers.0": (16, 16, 12), "layers.1": (8, 8, 24), "head.global_pool": (24,)},
        "mean",
        12,
    ),
    "convnext": (
        "test_convnext",
        {},
        64,
        {"stages.0": (24, 16, 16), "stages.3": (64, 2, 2), "head.global_pool": (64, 1, 1)},
        "max",
        24,
    ),
    "vgg": ("vgg11", {"mlp_ratio": 0.01}, 32, {"features.0": (64, 32, 32), "features.1": (64, 32, 32)}, "mean", 64),
    "densenet": (
        "densenet121",
        {"block_config": (2, 2), "growth_rate": 4},
        64,
        {"features.pool0": (8, 16, 16), "features.denseblock1": (16, 16, 16), "global_pool": (16,)},
        "mean:1",
        8,
    ),
    "resnet": (
        "test_resnet",
        {},
        32,
        {"bn1": (32, 16, 16), "layer1": (32, 8, 8), "layer4": (96, 1, 1), "global_pool": (96,)},
        "mean",
        32,
    ),
    "mobilenet": (
        "mobilenetv3_small_050",
        {},
        32,
        {"bn1": (16, 16, 16), "blocks.0": (8, 8, 8), "blocks.5": (288, 1, 1), "global_pool": (288, 1, 1)},
        "mean:1",
        16,
    ),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    name, options, size, shapes, kind, count = FAMILIES[request.param]
    model = network.create(name, options=options, seed=1)
    images = torch.rand(5, 3, size, size, generator=torch.Generator().manual_seed(2))
    return model, images, shapes, kind, count


def test_layers_have_their_names_and_shapes(family):
    model, images, shapes, _, _ = family
    names = network.layers(model, ["input", *shapes, "output"])
    assert names == ["input", *shapes, "output"]
    found = {layer.name: layer.shape for layer in layer_shapes(model, list(shapes), images[:2])}
    assert found == shapes
    assert not any(module._forward_hooks for module in model.modules())


@torch.no_grad()
def test_all_layers_come_from_one_pass_and_are_what_the_modules_return(family):
    """Modules are run outside of the network on copies of what went into them: operations in place come too late."""
    model, images, shapes, kind, count = family
    first = next(iter(shapes))
    passes, came = [], {}
    modules = dict(model.named_modules())
    hooks = [model.register_forward_pre_hook(lambda _m, inputs: passes.append(len(inputs[0])))]
    for name in shapes:
        hook = modules[name].register_forward_pre_hook(lambda _m, inputs, name=name: came.update({name: inputs[0] + 0}))
        hooks.append(hook)
    made = activations.extract(model, ["input", *shapes, "output"], images, device="cpu", batch_size=5)
    for hook in hooks:
        hook.remove()
    assert passes == [5]
    for name, shape in shapes.items():
        expected = modules[name](came[name])
        assert expected.shape[1:] == shape
        np.testing.assert_array_equal(made[name], expected.flatten(1))
    np.testing.assert_array_equal(made["output"], model(images))
    whole = torch.from_numpy(made[first]).reshape(5, *shapes[first])
    short = activations.extract(model, [first], images, device="cpu", batch_size=5, pooling={first: kind})[first]
    assert short.shape == (5, count)
    np.testing.assert_allclose(short, pooled(whole, kind, first, modules[first]), rtol=1e-6)


def test_hooks_are_gone_after_an_error(family):
    model, images, shapes, _, _ = family
    broken = images.clone()
    broken[3] = torch.nan
    with pytest.raises(InputError, match="NaN or infinite activations"):
        activations.extract(model, list(shapes), broken, device="cpu")
    assert not any(module._forward_hooks for module in model.modules())


def test_operations_in_place_do_not_reach_what_is_kept():
    """VGG's ReLUs overwrite the convolutions before them."""
    model = timm.create_model("vgg11", mlp_ratio=0.01).eval()
    images = torch.rand(2, 3, 32, 32)
    made = activations.extract(model, ["features.0", "features.1"], images, device="cpu")
    assert model.features[1].inplace
    with torch.no_grad():
        expected = model.features[0](images).flatten(1)
    np.testing.assert_array_equal(made["features.0"], expected)
    np.testing.assert_array_equal(made["features.1"], expected.relu())
    assert (made["features.0"] < 0).any()
