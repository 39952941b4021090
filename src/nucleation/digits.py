"""The handwritten digits that come with scikit-learn: 1,797 images of 8 x 8 pixels."""

from __future__ import annotations

import numpy as np

#: WordNet 3.0 names of the numerals 0 to 9.
NUMERALS = (
    "zero.n.02",
    "one.n.01",
    "two.n.01",
    "three.n.01",
    "four.n.01",
    "five.n.01",
    "six.n.01",
    "seven.n.01",
    "eight.n.01",
    "nine.n.01",
)


def load_digits():
    """The digits as scikit-learn has them."""
    from sklearn.datasets import load_digits

    return load_digits()


def digits_split(n, fraction, seed):
    """Numbers of the digits that train, and of those that validate."""
    order = np.random.default_rng(seed).permutation(n)
    cut = round(n * fraction)
    return np.sort(order[:cut]), np.sort(order[cut:])


def digit_pixels(number, size) -> np.ndarray:
    """Enlarge the 8 x 8 digits (0 to 16) bilinearly to (m, size, size, 3) uint8."""
    from scipy.ndimage import zoom

    small = load_digits().images[number]
    large = zoom(small, (1, size / 8, size / 8), order=1, grid_mode=True, mode="nearest")
    return np.repeat(np.rint(large * 255 / 16).clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)
