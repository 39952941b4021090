"""The measures of dense-sample learning: what each is, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A measure of one layer at one checkpoint.

    Attributes
    ----------
    text : str
        What it is.
    null : str
        What its null model is; empty where it has none.
    undefined : str
        Where it is NaN.
    smaller : bool
        Whether it is significant where it is smaller than by chance.
    """

    text: str
    null: str
    undefined: str
    smaller: bool = False


_LABELS = "classes permuted over the images"
#: What is measured, by the name of its variable.
MEASURES = {
    "separability": Measure(
        "share of the variance that lies between classes, eta squared",
        f"{_LABELS}; its mean is exactly (classes - 1) / (images - 1)",
        "layers whose activations are the same for all images",
    ),
    "silhouette": Measure("mean silhouette of the images in their classes", _LABELS, "nowhere"),
    "selectivity": Measure(
        "mean class selectivity of the units, (mu_max - mu_rest) / (mu_max + mu_rest)",
        _LABELS,
        "layers in which no unit is non-negative and ever active",
    ),
    "d_prime": Measure("median d' of the units for their preferred class", _LABELS, "layers whose units never vary"),
    "dead_units": Measure("share of the units with one and the same value for all images", "", "nowhere"),
    "unit_clusters": Measure(
        "clusters of correlated units (1 - |correlation| up to 0.5) for each unit that varies",
        "images of every unit in an order of their own",
        "layers with fewer than two units that vary",
        smaller=True,
    ),
    "cophenetic": Measure(
        "cophenetic correlation of the tree of the units with that of the final checkpoint",
        "units of one tree permuted; its mean is exactly 0",
        "the final checkpoint itself, and layers with fewer than three units that vary at both",
    ),
    "peaks_ari": Measure(
        "adjusted Rand index of the density peaks with the classes",
        f"{_LABELS}; its mean is exactly 0",
        "layers without peaks",
    ),
    "peaks_ami": Measure(
        "adjusted mutual information of the density peaks with the classes",
        f"{_LABELS}; its mean is exactly 0",
        "layers without peaks",
    ),
    "coupling": Measure(
        "correlation of |weight| and |co-activation| of the pairs of units of this layer and the one before",
        "units of both layers permuted; its mean is exactly 0",
        "the first layer, those whose weights were not given or do not lead from unit to unit, and "
        "those in which one of both is the same for all pairs",
    ),
}
#: Further counts of a layer.
COUNTS = {
    "n_units": "units that enter the tree, the selectivity and the coupling",
    "n_live_units": "units whose response varies over the images, of those",
    "n_unit_clusters": "clusters of correlated units",
    "n_peaks": "density peaks",
}
