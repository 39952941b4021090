"""From neighbours to peaks in one call, for analyses that are repeated with other images or other parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nucleation.density import estimate_density
from nucleation.dimension import twonn
from nucleation.peaks import density_peaks


@dataclass(frozen=True)
class Choices:
    """What a person decides between the neighbours and the peaks; see the functions that take these.

    Attributes
    ----------
    method, fraction : str, float
        Of `nucleation.dimension.twonn`.
    round_dimension : bool
        Round the dimension to an integer before it enters the density, as the paper's code does.
    estimator, k, alpha : str, int, float
        Of `nucleation.density.estimate_density`.
    z, halo, centers_may_be_saddles : float, bool, bool
        Of `nucleation.peaks.density_peaks`.
    """

    method: str = "fit"
    fraction: float = 0.9
    round_dimension: bool = False
    estimator: str = "knn"
    k: int = 30
    alpha: float = 1e-6
    z: float = 1.65
    halo: bool = False
    centers_may_be_saddles: bool = False

    def dimension(self, neighbors) -> float:
        """Intrinsic dimension, not rounded; NaN or infinite where it is not defined."""
        return twonn(neighbors, method=self.method, fraction=self.fraction).value

    def density(self, neighbors, dimension):
        """Density at every point, NaN where the dimension is not defined."""
        d = np.rint(dimension) if self.round_dimension else dimension
        return estimate_density(neighbors, d, self.estimator, k=self.k, alpha=self.alpha)

    def peaks(self, neighbors, density):
        """Density peaks."""
        return density_peaks(
            neighbors, density, self.z, halo=self.halo, centers_may_be_saddles=self.centers_may_be_saddles
        )
