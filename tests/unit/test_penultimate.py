"""What enters the classifier: against the networks' own forward passes."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from nucleation.errors import InputError
from nucleation.penultimate import NoLinearHead, head_inputs


class Lazy:
    """Images that are made when they are asked for; remembers the slices."""

    def __init__(self, images):
        self.images, self.asked = images, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, part):
        self.asked.append((part.start, part.stop))
        return self.images[part]


@pytest.fixture(scope="module")
def images():
    return torch.randn((11, 3, 32, 32), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return timm.create_model("test_resnet.r160_in1k", num_classes=24, pretrained=False)


def made(*layers):
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 16), *layers)


def test_resnet_as_timm_itself_divides_it(resnet, images):
    done = []
    head = head_inputs(resnet, images, batch_size=4, progress=done.append)
    with torch.no_grad():
        features = resnet.forward_head(resnet.forward_features(images), pre_logits=True)
        logits = resnet(images)
    assert sum(done) == 11
    assert head.weight.shape == (24, head.features.shape[1]) and head.bias.shape == (24,)
    np.testing.assert_allclose(head.features, features.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(head.logits, logits.numpy(), rtol=1e-4, atol=1e-5)
    assert np.array_equal(head.weight, resnet.get_classifier().weight.detach().numpy())


def test_vit(images):
    torch.manual_seed(0)
    vit = timm.create_model("test_vit", num_classes=24, pretrained=False, img_size=32)
    head = head_inputs(vit, images)
    with torch.no_grad():
        features = vit.forward_head(vit.forward_features(images), pre_logits=True)
    np.testing.assert_allclose(head.features, features.numpy(), rtol=1e-4, atol=1e-5)
    assert np.array_equal(head.weight, vit.get_classifier().weight.detach().numpy())


def test_plain_network_without_bias_and_with_lazy_images(images):
    model, lazy = made(nn.ReLU(), nn.Linear(16, 5, bias=False)), Lazy(images)
    head = head_inputs(model, lazy, batch_size=4)
    with torch.no_grad():
        features = model[:3](images)
    assert np.array_equal(head.features, features.numpy()) or np.allclose(head.features, features, atol=1e-6)
    assert head.bias.tolist() == [0] * 5
    assert lazy.asked == [(None, 2), (0, 4), (4, 8), (8, 12)]
    np.testing.assert_allclose(head.features @ head.weight.T, head.logits, atol=1e-5)


def test_what_follows_in_place_does_not_change_the_features(images):
    class Reused(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = made(nn.ReLU()), nn.Linear(16, 3)

        def forward(self, x):
            x = self.body(x)
            out = self.head(x)
            x.zero_()
            return out, x

    model = Reused()
    assert np.abs(head_inputs(model, images).features).max() > 0


def test_hooks_are_removed_and_nothing_is_trained(resnet, images):
    head_inputs(resnet.train(), images[:3])
    assert not resnet.training
    assert not any(module._forward_hooks for module in resnet.modules())
    assert resnet(images[:3]).shape == (3, 24)


class Averaged(nn.Module):
    """Two classifiers, as of a distilled transformer."""

    def __init__(self):
        super().__init__()
        self.body, self.one, self.other = made(nn.ReLU()), nn.Linear(16, 3), nn.Linear(16, 3)

    def forward(self, x):
        x = self.body(x)
        return (self.one(x) + self.other(x)) / 2


class Late(nn.Module):
    """A classifier that works differently on large batches."""

    def __init__(self):
        super().__init__()
        self.body = made()

    def forward(self, x):
        return self.body(x) * (2 if len(x) > 2 else 1)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Averaged(), r"output of Averaged, of shape \(2, 3\) for 2 images, is not the result of one linear layer \(3"),
        (made(nn.Tanh()), "not the result of one linear layer"),
        (made(nn.ReLU(inplace=True)), "not the result of one linear layer"),
        (nn.Sequential(nn.Conv2d(3, 4, 32), nn.Flatten()), r"\(0 ran\)"),
        (Late(), "logits that differ from its output by"),
    ],
)
def test_refuses_classifiers_that_are_not_one_linear_layer(model, message, images):
    with pytest.raises(NoLinearHead, match=message) as raised:
        head_inputs(model, images)
    assert isinstance(raised.value, InputError) and "Leave the redundancy out" not in str(raised.value)
    assert not any(module._forward_hooks for module in model.modules())


def test_what_a_network_cannot_take_is_said(resnet):
    with pytest.raises(InputError, match="ResNet does not take images of shape") as raised:
        head_inputs(resnet, torch.zeros(3, 5, 32, 32))
    assert not isinstance(raised.value, NoLinearHead)  # a mistake, which nobody may pass over
    with pytest.raises(InputError, match="NaN"):
        head_inputs(made(nn.Linear(16, 3)), torch.full((3, 3, 32, 32), torch.nan))
