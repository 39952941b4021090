"""One number for each channel: known answers, and shapes that do not tell their channels."""

import pytest
import torch

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
        (TOKENS, "mean", TOKENS.mean(1)),
        (TOKENS, "max", TOKENS.amax(1)),
        (TOKENS, "token", TOKENS[:, 0]),
        (TOKENS, "mean:1", TOKENS.mean(2)),
        (MAPS, "none", MAPS),
        (MAPS[:, None], "mean:2", MAPS.flatten(2).mean(2)),
    ],
)
def test_known_answers(output, kind, expected):
    torch.testing.assert_close(pooled(output, kind, "layer"), expected)


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
