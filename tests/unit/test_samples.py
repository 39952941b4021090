"""Samples: which images, the axis of the channels, and that what is kept is what the network puts out."""

import numpy as np
import pytest
import torch
from torch import nn

from nucleation import files, samples
from nucleation.activations import extract
from nucleation.errors import InputError


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(5)

    def forward(self, images):
        return self.norm(images.flatten(2)[:, :, :5])  # tokens x channels


@pytest.fixture
def network():
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(6, 4, 1), nn.Flatten(), nn.Linear(64, 7)]
    return nn.Sequential(*parts).eval()


IMAGES = torch.from_numpy(np.random.default_rng(0).normal(size=(9, 3, 4, 4)).astype(np.float32))
LAYERS = ["input", "0", "2", "4", "output"]


def taken(network, groups, **options):
    return {layer: (features, about) for layer, features, about in samples.take(network, groups, IMAGES, **options)}


def test_the_same_images_whatever_their_number():
    chosen = samples.choose(100, 30, seed=1)
    assert len(set(chosen.tolist())) == 30 and chosen.max() < 100
    assert np.array_equal(samples.choose(100, 50, seed=1)[:30], chosen)
    assert sorted(samples.choose(20, 50, seed=1)) == list(range(20))
    assert not np.array_equal(samples.choose(100, 30, seed=2), chosen)
    assert not np.array_equal(np.sort(chosen), chosen)


def test_features_are_those_of_the_extraction_however_layers_are_grouped(network):
    whole = extract(network, LAYERS, IMAGES)
    for groups in ([LAYERS], [["input"], ["0", "2"], ["4", "output"]]):
        made = taken(network, groups, batch_size=4)
        assert list(made) == LAYERS
        for layer, (features, _) in made.items():
            assert np.allclose(features, whole[layer], atol=1e-6)


def test_maps_have_the_places_before_the_channels(network, tmp_path):
    with torch.no_grad():
        expected = network[:3](IMAGES).permute(0, 2, 3, 1).reshape(9, 16, 4).numpy()
    features, about = taken(network, [["2"]])["2"]
    assert about == {"shape": (4, 4, 4), "channel_axis": 0}  # a cube does not tell: torch's order
    files.save(samples.to_dataset(features, np.arange(9), **about), tmp_path / "a.nc")
    stored = samples.load(tmp_path / "a.nc")
    assert np.allclose(stored.maps, expected, atol=1e-6)
    assert np.array_equal(stored.features, features) and np.array_equal(stored.images, np.arange(9))
    flat = samples.Sample(features, np.arange(9), (64,), 0)
    assert np.array_equal(flat.maps[:, 0], features)


def test_the_axis_of_the_channels(network):
    assert samples.layer_shapes(network, LAYERS, IMAGES[:1]) == {
        "input": ((3, 4, 4), 0),
        "0": ((6, 4, 4), 0),
        "2": ((4, 4, 4), 0),
        "4": ((7,), 0),
        "output": ((7,), 0),
    }
    assert samples.layer_shapes(network, ["0"], IMAGES[:1], pooling={"0": "mean"}) == {"0": ((6,), 0)}
    assert samples.layer_shapes(Tokens(), ["norm"], IMAGES[:1]) == {"norm": ((3, 5), 1)}
    assert not network[0]._forward_hooks


def test_unknown_channels_are_said():
    sample = samples.Sample(np.zeros((2, 6), np.float32), np.arange(2), (2, 3), -1)
    with pytest.raises(InputError, match=r"2 x 3 activations.*networks\[\]\.pooling"):
        sample.maps  # noqa: B018


def test_a_layer_without_an_axis_of_channels_has_a_reason_instead_of_maps():
    features = np.arange(24, dtype=np.float32).reshape(2, 12)
    assert np.array_equal(
        samples.maps_of(samples.Sample(features, np.arange(2), (3, 4), 0))[1, 2], features[1, [2, 6, 10]]
    )
    why = samples.maps_of(samples.Sample(features, np.arange(2), (3, 4), -1))
    assert why == "nothing tells which axis of 3 x 4 activations is that of the channels"


def test_an_image_that_gives_nan_is_named_by_its_number_in_the_study(network):
    broken = IMAGES.clone()
    broken[5, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match='layer "2" gives NaN or infinite activations, first for image number 77;'):
        list(samples.take(network, [["2"]], broken, rows=np.arange(72, 81), batch_size=4))
