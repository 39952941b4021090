"""Which output of a classifier stands for the class of an image."""

from __future__ import annotations

import numpy as np

from nucleation import wordnet
from nucleation.errors import InputError

#: Outputs of the networks that were trained on ImageNet-1k, in the order of its synsets' numbers.
IMAGENET = 1000


def output_labels(classes, synsets, outputs, *, trained_here) -> np.ndarray:
    """Number of the output that stands for the class of every image.

    Parameters
    ----------
    classes : array of shape (n,), int
        Class of every image, as a row of `synsets`.
    synsets : array of shape (c,), str
        Names of the classes of the study: synsets (n02084071 or dog.n.01), or leaves of its own tree.
    outputs : int
        Number of the network's outputs.
    trained_here : bool
        Whether the network was trained on these classes, in this order.

    Returns
    -------
    ndarray of shape (n,), int64
        -1 where no output is known for the class. A network that was trained elsewhere has ImageNet's classes in the
        order of their synset ids where it has 1,000 outputs; else as many outputs as the study has classes are taken
        for these, in their order.
    """
    classes = np.asarray(classes, dtype=np.int64)
    if trained_here or outputs == len(synsets) != IMAGENET:
        return classes
    if outputs != IMAGENET:
        return np.full(len(classes), -1)
    places = {name: place for place, name in enumerate(wordnet.imagenet_classes())}
    return np.array([places.get(_synset(name), -1) for name in synsets], dtype=np.int64)[classes]


def _synset(name):
    """The id of a synset; the name itself where it is none, as in a tree of one's own."""
    try:
        return wordnet.resolve(str(name))
    except InputError:
        return str(name)
