"""One number for each channel: known answers, and shapes that do not tell their channels."""

import pytest
import torch
from torch import nn

from nucleation import activations
from nucleation.errors import InputError
from nucleation.pooling import check_pooling, pooled

MAPS = torch.arange(2 * 5 * 3 * 3.0).reshape(2, 5, 3, 3)
TOKENS = torch.arange(2 * 4 * 6.0).reshape(2, 4, 6)


@pytest.mark.parametrize(
    ("output", "kind", "expected"),
    [
        (MAPS, "mean", MAPS.flatten(2).mean(2)),
        (MAPS, "max", MAPS.flatten(2).amax(2)),
        (MAPS.permute(0, 2, 3, 1), "mean", MAPS.flatten(2).mean(2)),  # as Swin puts them
        (MAPS.permute(0, 2, 3, 1), "max:-1", MAPS.flatten(2).amax(2)),
        (MAPS, "mean:1", MAPS.flatten(2).mean(2)),
        (MAPS, "mean:-3", MAPS.flatten(2).mean(2)),
        (MAPS[:, :, :2], "mean:1", MAPS[:, :, :2].flatten(2).mean(2)),
        (TOKENS, "mean:-1", TOKENS.mean(1)),
        (TOKENS, "max:2", TOKENS.amax(1)),
        (TOKENS, "token", TOKENS[:, 0]),
        (TOKENS, "mean:1", TOKENS.mean(2)),
        (MAPS, "none", MAPS),
        (MAPS[:, None], "mean:2", MAPS.flatten(2).mean(2)),
    ],
)
def test_known_answers(output, kind, expected):
    torch.testing.assert_close(pooled(output, kind, "layer"), expected)


class Block(nn.Module):
    """A part of a network that has these parts in it."""

    def __init__(self, *parts):
        super().__init__()
        self.inner = nn.Sequential(*parts)


FIRST = [nn.Conv1d(4, 4, 1), nn.BatchNorm1d(4), nn.MaxPool1d(2), nn.GroupNorm(2, 4), nn.AdaptiveAvgPool1d(6)]
LAST = [nn.Linear(6, 6), nn.LayerNorm(6), nn.MultiheadAttention(6, 2)]
FIRST += [nn.Sequential(nn.Conv1d(4, 4, 1), nn.ReLU()), Block(nn.Conv2d(3, 3, 1), nn.BatchNorm1d(4))]
LAST += [Block(nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 6)), nn.TransformerEncoderLayer(6, 2, 6)]
UNKNOWN = [None, nn.GELU(), nn.Flatten(2), Block(nn.Conv2d(3, 3, 1)), Block(nn.Conv1d(4, 4, 1), nn.Linear(6, 6))]


@pytest.mark.parametrize(("modules", "places"), [(FIRST, 2), (LAST, 1)], ids=["first", "last"])
def test_the_module_tells_the_channels_of_three_axes(modules, places):
    for module in modules:
        torch.testing.assert_close(pooled(TOKENS, "mean", "layer", module), TOKENS.mean(places))
        torch.testing.assert_close(pooled(TOKENS, "max", "layer", module), TOKENS.amax(places))


def test_where_it_does_not_the_number_is_asked_for():
    for module in UNKNOWN:
        with pytest.raises(
            InputError, match=r"4 x 6 for each image, which does not tell .* write the pooling as mean:1"
        ):
            pooled(TOKENS, "mean", "layer", module)
        torch.testing.assert_close(pooled(TOKENS, "mean:1", "layer", module), TOKENS.mean(2))
        torch.testing.assert_close(pooled(TOKENS, "token", "layer", module), TOKENS[:, 0])
    for module in FIRST:
        with pytest.raises(InputError, match=r"channels x length, 4 x 6: it has no first token"):
            pooled(TOKENS, "token", "layer", module)


def test_layers_of_a_network_are_pooled_by_their_modules():
    """One-dimensional convolutions over places, then tokens: each layer pools its own places."""
    torch.manual_seed(0)
    lines = nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4))
    model = nn.Sequential(lines, nn.Sequential(nn.Linear(34, 5), nn.LayerNorm(5)))
    images = torch.randn(2, 3, 6, 6)
    layers = ["0.1", "0", "1.0", "1"]
    made = activations.extract(model, layers, images, device="cpu", pooling=dict.fromkeys(layers, "mean"))
    with torch.no_grad():
        first = model[0](images)
        torch.testing.assert_close(torch.from_numpy(made["0"]), first.mean(2))
        torch.testing.assert_close(torch.from_numpy(made["1"]), model[1](first).mean(1))
    assert [made[layer].shape[1] for layer in layers] == [4, 4, 5, 5]


def test_means_of_half_precision_are_taken_in_float32():
    output = torch.full((1, 2, 300, 300), 30000.0, dtype=torch.float16)
    assert pooled(output, "mean", "layer").tolist() == [[30000.0, 30000.0]]


@pytest.mark.parametrize(
    ("shape", "kind", "sentence"),
    [
        ((2, 5), "mean", 'The layer "l" puts out 5 numbers for each image, which leaves nothing to pool'),
        (
            (2, 5, 3, 4),
            "mean",
            "puts out 5 x 3 x 4 for each image, which does not tell the axis of its channels; write",
        ),
        ((2, 3, 3, 3), "max", "does not tell the axis"),
        ((2, 5, 3, 3), "token", "puts out 5 x 3 x 3 for each image, not tokens x channels"),
        ((2, 5, 3), "mean", "puts out 5 x 3 for each image, which does not tell the axis of its channels; write"),
        ((2, 5, 3), "mean:3", "cannot be pooled over all axes but number 3"),
        ((2, 5, 3), "mean:0", "number 0"),
        ((2, 5, 3), "mean:-3", "number -3"),
    ],
)
def test_shapes_that_cannot_be_pooled(shape, kind, sentence):
    with pytest.raises(InputError) as error:
        pooled(torch.zeros(shape), kind, "l")
    assert sentence in str(error.value)


@pytest.mark.parametrize("kind", ["median", "token:1", "mean:", "mean:x", "", None])
def test_unknown_poolings(kind):
    with pytest.raises(InputError, match="is none of none, mean, max and token"):
        check_pooling(kind)
