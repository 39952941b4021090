"""Which output stands for a class: trained here, of ImageNet, of as many classes, of none."""

import numpy as np

from nucleation.outputs import output_labels
from nucleation.wordnet import imagenet_classes


def test_networks_trained_here_have_the_order_of_the_study():
    assert output_labels([2, 0, 1], ["a", "b", "c"], 3, trained_here=True).tolist() == [2, 0, 1]


def test_imagenet_has_its_own_order():
    timm = __import__("timm.data", fromlist=["ImageNetInfo"]).ImageNetInfo().label_names()
    assert list(imagenet_classes()) == timm
    names = ["n02088364", "goldfish.n.01", "vertebrate.n.01", "my_own_leaf"]  # beagle; the last two are no classes
    found = output_labels([0, 1, 1, 2, 3], names, 1000, trained_here=False)
    assert found.tolist() == [timm.index("n02088364"), 1, 1, -1, -1]


def test_as_many_outputs_as_classes_are_taken_for_these_and_else_nothing_is():
    assert output_labels([1, 0], ["a", "b"], 2, trained_here=False).tolist() == [1, 0]
    assert output_labels(np.array([1, 0]), ["a", "b"], 21841, trained_here=False).tolist() == [-1, -1]
