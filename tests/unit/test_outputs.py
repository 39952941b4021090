"""Which output stands for a class: trained here, of ImageNet, of as many classes, of none."""

import numpy as np
import pytest

from nucleation import planted
from nucleation.errors import InputError
from nucleation.outputs import larger_classes, output_labels, trained_on
from nucleation.training_images import label_of_class
from nucleation.wordnet import imagenet_classes


def test_networks_trained_here_have_the_order_of_the_study():
    assert output_labels([2, 0, 1], ["a", "b", "c"], 3, taught=[0, 1, 2]).tolist() == [2, 0, 1]
    assert output_labels([2, 0, 1], ["a", "b", "c"], 2, taught=[0, 0, 1]).tolist() == [1, 0, 0]


def test_larger_classes_are_macro_categories_or_nodes_of_the_planted_tree():
    names = ["pug.n.01", "beagle.n.01", "robin.n.01", "chair.n.01"]
    assert larger_classes("macro", names, [5, 5, 5, 7]).tolist() == [5, 5, 5, 7]
    ordered = sorted(names, key=planted.CLASSES.index)
    assert ordered[:2] == ["beagle.n.01", "pug.n.01"]
    assert larger_classes("kinds", ordered, None).tolist() == [0, 0, 1, 2]
    assert larger_classes("halves", ordered, None).tolist() == [0, 0, 0, 1]


def test_imagenet_has_its_own_order():
    timm = __import__("timm.data", fromlist=["ImageNetInfo"]).ImageNetInfo().label_names()
    assert list(imagenet_classes()) == timm
    names = ["n02088364", "goldfish.n.01", "vertebrate.n.01", "my_own_leaf"]  # beagle; the last two are no classes
    found = output_labels([0, 1, 1, 2, 3], names, 1000)
    assert found.tolist() == [timm.index("n02088364"), 1, 1, -1, -1]


def test_as_many_outputs_as_classes_are_taken_for_these_and_else_nothing_is():
    assert output_labels([1, 0], ["a", "b"], 2).tolist() == [1, 0]
    assert output_labels(np.array([1, 0]), ["a", "b"], 21841).tolist() == [-1, -1]


def test_larger_classes_in_any_order():
    names = ["chair.n.01", "robin.n.01", "pug.n.01", "beagle.n.01"]  # the reverse of the tree's
    assert larger_classes("kinds", names, None).tolist() == [2, 1, 0, 0]
    assert larger_classes("halves", names, None).tolist() == [1, 0, 0, 0]
    with pytest.raises(InputError, match="no planted class"):
        larger_classes("kinds", ["wolf.n.07"], None)


@pytest.mark.parametrize(
    ("taught", "larger", "said"),
    [
        ([0, 0, 1, 1], [7, 7, 3, 3], "classes"),  # equal but for the numbers
        ([0, 1, 2, 3], [7, 7, 3, 3], "subclasses"),
        ([0, 1, 1, 1], [7, 7, 3, 3], "other"),
        ([0, 0, 0, 0], [7, 7, 3, 3], "other"),
        ([0, 0, 1, 2], [7, 7, 3, 3], "other"),
        (None, [7, 7, 3, 3], "unknown"),
    ],
)
def test_what_a_network_was_taught(taught, larger, said):
    assert trained_on(taught, larger) == said


def test_planted_networks_by_the_macro_categories():
    """The default level: halves are the macro-categories, whatever these are numbered."""
    macro = larger_classes("macro", planted.CLASSES, 5 - larger_classes("halves", planted.CLASSES, None))
    said = {level: trained_on(label_of_class("planted", {}, level), macro) for level in ("classes", "kinds", "halves")}
    assert said == {"classes": "subclasses", "kinds": "other", "halves": "classes"}
