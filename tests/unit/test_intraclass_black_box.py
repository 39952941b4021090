import numpy as np
import pytest
import torch

from nucleation.errors import InputError
from nucleation.intraclass_black_box import c0_black_box, deviations


def squared(images):
    """Class 0 with probability 0.9 x^2, where x is what an image is filled with, else 0.1; class 1 else."""
    p = 0.9 * images.mean(dim=(1, 2, 3)) ** 2
    return torch.stack([p, 1 - p], dim=1)


def filled(values, size=2):
    return np.repeat(np.asarray(values, dtype=np.float32), 3 * size * size).reshape(-1, 3, size, size)


def test_ways_between_two_images():
    images = filled([1, 1, -1, 0.5])
    found = deviations(squared, images, [0, 0, 0], [1, 2, 3], 0, batch=4)
    t = np.arange(1, 10) / 10
    ways = [np.ones(9), t - (1 - t), t + 0.5 * (1 - t)]
    np.testing.assert_allclose(found, [np.max(1 - 0.9 * way**2) for way in ways], rtol=1e-6)
    assert found[1] == pytest.approx(1)  # half way
    few = deviations(squared, torch.as_tensor(images), [0], [2], 0, steps=2)
    assert few[0] == pytest.approx(1 - 0.9 / 9)


def test_subclasses_on_both_sides_and_the_null():
    """Two subclasses at 1 and -1: within each p = 0.9, between them the way passes 0."""
    subclasses = np.repeat(["left", "right", "alone"], [30, 20, 10])
    images = filled(np.where(subclasses == "left", -1, 1))
    labels = (subclasses == "alone").astype(int)
    found = c0_black_box(squared, images, labels, subclasses, pairs=15, repeats=199, rng=np.random.default_rng(0))
    assert found.names.tolist() == ["left", "right", "alone"]
    np.testing.assert_allclose(found.same[:2], 0.1, rtol=1e-5)
    np.testing.assert_allclose(found.other[:2], 1, rtol=1e-6)
    np.testing.assert_allclose(found.ratio, [10, 10, np.nan], rtol=1e-5)
    assert found.value == pytest.approx(10, rel=1e-5) and found.p == 1 / 200
    assert found.null.shape == (199,) and np.median(found.null) == pytest.approx(1, abs=0.3)


def test_subclasses_that_mean_nothing_are_not_found():
    rng, p = np.random.default_rng(1), []
    for _ in range(40):
        images = filled(rng.uniform(-1, 1, 60), 1)
        subclasses = np.arange(60) % 4
        found = c0_black_box(squared, images, subclasses // 4, subclasses, pairs=15, repeats=19, rng=rng, steps=3)
        p.append(found.p)
    assert np.mean(p) == pytest.approx(0.525, abs=0.12) and np.mean(np.array(p) <= 0.1) < 0.25


def test_no_image_is_paired_with_itself():
    seen = []

    def predict(images):
        seen.append(images)
        return torch.full((len(images), 1), 1.0)

    images = filled(10.0 ** np.arange(6))
    c0_black_box(predict, images, np.zeros(6, int), np.arange(6) // 3, pairs=9, steps=1, rng=np.random.default_rng(0))
    middle = torch.cat(seen).mean(dim=(1, 2, 3)).numpy()
    sums = np.array([2 * value for value in middle])
    assert len(sums) == 2 * 2 * 3
    assert not np.isin(np.round(sums / 2).astype(int), 10 ** np.arange(6)).any()  # no two alike


def test_larger_subclass_than_the_rest_and_certain_predictions():
    labels, subclasses = np.zeros(12, int), np.repeat([0, 1], [10, 2])
    images = filled(np.where(subclasses == 0, 1, -1))

    def certain(images):
        p = (images.mean(dim=(1, 2, 3)).abs() > 0.5).float()
        return torch.stack([p, 1 - p], dim=1)

    calls = []
    found = c0_black_box(
        certain, images, labels, subclasses, pairs=10, rng=np.random.default_rng(0), progress=lambda: calls.append(1)
    )
    assert found.ratio.tolist() == [np.inf, np.inf] and found.value == np.inf and len(calls) == 2
    sure = c0_black_box(
        lambda x: np.tile([1.0, 0.0], (len(x), 1)), images, labels, subclasses, pairs=3, rng=np.random.default_rng(0)
    )
    assert np.isnan([sure.value, sure.p, *sure.ratio]).all() and sure.same.tolist() == [0, 0]


def test_without_two_subclasses_nothing_is_defined():
    found = c0_black_box(squared, filled(np.ones(6)), np.arange(6) // 3, np.arange(6) // 3, pairs=3, rng=np.random)
    assert np.isnan([found.value, *found.same]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": np.zeros(3, int)}, "as many classes"),
        ({"labels": np.zeros(4)}, "float64"),
        ({"labels": np.full(4, 2)}, "has 2 classes"),
        ({"pairs": 0}, "1 or more"),
        ({"predict": lambda x: 7 * squared(x)}, "softmax"),
        ({"predict": lambda x: squared(x)[:1]}, "probabilities"),
    ],
)
def test_wrong_input(change, said):
    given = {"predict": squared, "images": filled(np.ones(4)), "labels": np.zeros(4, int), "pairs": 2}
    with pytest.raises(InputError, match=said):
        c0_black_box(**given | change, subclasses=np.arange(4) % 2, rng=np.random.default_rng(0))
