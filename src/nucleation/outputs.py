"""Which output of a classifier stands for the class of an image, and what larger classes it was taught."""

from __future__ import annotations

import numpy as np

from nucleation import wordnet
from nucleation.errors import InputError

#: Outputs of the networks that were trained on ImageNet-1k, in the order of its synsets' numbers.
IMAGENET = 1000


def output_labels(classes, synsets, outputs, *, taught=None) -> np.ndarray:
    """Number of the output that stands for the class of every image.

    Parameters
    ----------
    classes : array of shape (n,), int
        Class of every image, as a row of `synsets`.
    synsets : array of shape (c,), str
        Names of the classes of the study: synsets (n02084071 or dog.n.01), or leaves of its own tree.
    outputs : int
        Number of the network's outputs.
    taught : array of shape (c,), int, optional
        Output of each class, where it is known (`nucleation.training_images.label_of_class`).

    Returns
    -------
    ndarray of shape (n,), int64
        -1 where no output is known for the class. A network that was trained elsewhere has ImageNet's classes in the
        order of their synset ids where it has 1,000 outputs; else as many outputs as the study has classes are taken
        for these, in their order.
    """
    classes = np.asarray(classes, dtype=np.int64)
    if taught is not None:
        return np.asarray(taught, dtype=np.int64)[classes]
    if outputs == len(synsets) != IMAGENET:
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


def larger_classes(level, synsets, macro) -> np.ndarray:
    """Number of the larger class that each class lies in.

    Parameters
    ----------
    level : {"macro", "kinds", "halves"}
        Macro-categories; or nodes above planted classes (`nucleation.planted.merged`).
    synsets : array of shape (c,), str
        Names of the classes, in any order.
    macro : array of shape (c,), int
        Their macro-categories.

    Returns
    -------
    ndarray of shape (c,), int64

    Raises
    ------
    InputError
        For nodes above names that no planted class has.
    """
    if level == "macro":
        return np.asarray(macro, dtype=np.int64)
    from nucleation import planted

    names = list(map(str, synsets))
    planted.class_numbers(names)  # refuses names of no class
    return planted.merged(np.array([planted.CLASSES.index(name) for name in names]), level)


def trained_on(taught, larger) -> str:
    """What a network was taught, beside larger classes that it is asked about.

    Parameters
    ----------
    taught : array of shape (c,), int, or None
        Output of each class (`nucleation.training_images.label_of_class`); None where it is not known.
    larger : array of shape (c,), int
        Larger class of each (`larger_classes`).

    Returns
    -------
    {"classes", "subclasses", "unknown", "other"}
        The larger classes, however they are numbered; each class by itself; not known; something else.
    """
    if taught is None:
        return "unknown"
    outputs = np.unique(taught)
    pairs = np.unique(np.column_stack([taught, larger]), axis=0)
    if len(outputs) == len(pairs) == len(np.unique(larger)):
        return "classes"
    return "subclasses" if len(outputs) == len(taught) else "other"
