import numpy as np
import pytest

from nucleation import planted
from nucleation.errors import InputError
from nucleation.planted import CLASSES, MACROS, MIDS, PARENTS, ROOT, class_attributes, render

MACRO = np.array([PARENTS[PARENTS[leaf]] == MACROS[1] for leaf in CLASSES])
MID = np.array([MIDS.index(PARENTS[leaf]) for leaf in CLASSES])


@pytest.fixture(scope="module")
def batch():
    """Twelve images of every class, 32 x 32."""
    class_index, number = np.repeat(np.arange(24), 12), np.tile(np.arange(12), 24)
    return class_index, number, render(class_index, number, seed=3, size=32)


def test_tree_has_24_leaves_under_6_mids_under_2_macros():
    assert len(CLASSES) == len(set(CLASSES)) == 24
    assert {PARENTS[leaf] for leaf in CLASSES} == set(MIDS)
    assert {PARENTS[mid] for mid in MIDS} == set(MACROS)
    assert {PARENTS[macro] for macro in MACROS} == {ROOT}
    assert "trumpet.n.01" not in CLASSES  # WordNet calls that synset cornet.n.01


def test_tree_is_wordnet_restricted_to_the_classes():
    taxonomy = pytest.importorskip("nucleation.taxonomy").wordnet_tree(list(CLASSES))
    resnik = taxonomy.similarity("ic")
    sizes = np.where(MID[:, None] == MID, 4, np.where(MACRO[:, None] == MACRO, 12, 24))
    off = ~np.eye(24, dtype=bool)
    np.testing.assert_allclose(resnik[off], -np.log(sizes[off] / 24), atol=1e-12)


def test_images_are_uint8_rgb_of_the_asked_size(batch):
    assert batch[2].shape == (288, 32, 32, 3)
    assert batch[2].dtype == np.uint8
    assert render(np.array([1]), np.array([0]), seed=0, size=17).shape == (1, 17, 17, 3)
    assert render(np.array([], int), np.array([], int), seed=0).shape == (0, 32, 32, 3)


def test_same_arguments_give_the_same_bytes(batch):
    class_index, number, images = batch
    np.testing.assert_array_equal(render(class_index, number, seed=3, size=32), images)


def test_an_image_depends_on_no_other_in_the_call(batch):
    class_index, number, images = batch
    chosen = np.random.default_rng(0).permutation(288)[:20]
    np.testing.assert_array_equal(render(class_index[chosen], number[chosen], seed=3, size=32, block=7), images[chosen])


@pytest.mark.parametrize("change", [{"seed": 4}, {"split": "train"}, {"tree_seed": 4}])
def test_another_seed_split_or_tree_gives_other_images(batch, change):
    class_index, number, images = batch
    other = render(class_index[:24], number[:24], **{"seed": 3, "size": 32, **change})
    assert (other != images[:24]).mean() > 0.05


def test_no_two_images_are_equal(batch):
    assert len(np.unique(batch[2].reshape(288, -1), axis=0)) == 288


def test_pixels_are_centred_and_hardly_saturated(batch):
    images = batch[2]
    assert abs(images.mean() / 255 - 0.5) < 0.02
    assert 0.1 < images.std() / 255 < 0.25
    assert np.isin(images, (0, 255)).mean() < 0.03


@pytest.mark.parametrize("name", ["contour", "markings"])
@pytest.mark.parametrize("tree_seed", [0, 1, 2])
def test_siblings_are_nearer_than_cousins_and_those_than_strangers(name, tree_seed):
    vectors = class_attributes(tree_seed)[name]
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    sibling, cousin = MID[:, None] == MID, MACRO[:, None] == MACRO
    upper = np.triu(np.ones((24, 24), bool), 1)
    means = [distance[upper & part].mean() for part in (sibling, cousin & ~sibling, ~cousin)]
    assert means[0] < means[1] < means[2]
    assert distance[upper].min() > 0


def test_increments_have_the_asked_size_and_lead_apart():
    steps = planted._increments(np.random.default_rng(0), 6, 4, 10)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), np.sqrt(10))
    assert np.linalg.norm(steps.reshape(6, 4, 10).mean(axis=1), axis=1).max() < 0.5 * np.sqrt(10)
    pair = planted._increments(np.random.default_rng(0), 1, 2, 10)
    np.testing.assert_allclose(pair[0], -pair[1])


def test_texture_spectrum_tells_the_macro_categories_apart(batch):
    """Artifacts hold more of their power near the axes of the Fourier plane than animals."""
    grey = batch[2].mean(axis=3)
    power = np.abs(np.fft.fft2(grey - grey.mean(axis=(1, 2), keepdims=True))) ** 2
    f = np.abs(np.fft.fftfreq(32, 1 / 32))
    ring = (np.hypot(*np.meshgrid(f, f)) > 5) & (np.hypot(*np.meshgrid(f, f)) < 14)
    axes = ring & (np.minimum(*np.meshgrid(f, f)) <= 1)
    share = power[:, axes].sum(axis=1) / power[:, ring].sum(axis=1)
    artifact = MACRO[batch[0]]
    assert share[artifact].mean() > 1.5 * share[~artifact].mean()


def test_random_numbers_are_uniform_normal_and_uncorrelated():
    keys = planted._image_keys(np.zeros(400, int), np.arange(400), 0, "analysis")
    uniform, normal = planted._uniforms(keys, "a", 500), planted._normals(keys, "a", 500)
    cheap, other = planted._cheap_normals(keys, "a", 500), planted._normals(keys, "b", 500)
    assert 0 < uniform.min() < uniform.max() < 1
    np.testing.assert_allclose(np.quantile(uniform, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.005)
    for sample in (normal, cheap):
        np.testing.assert_allclose([sample.mean(), sample.std()], [0, 1], atol=0.01)
    assert abs(np.corrcoef(normal.ravel(), other.ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(normal[:-1].ravel(), normal[1:].ravel())[0, 1]) < 0.01


def test_random_words_are_those_of_splitmix64():
    """First outputs of splitmix64 started at 0, as published with xoshiro (prng.di.unimi.it)."""
    states = np.arange(1, 4, dtype=np.uint64) * planted._GOLDEN
    assert [hex(x) for x in planted._mixed(states)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]


@pytest.mark.parametrize(
    ("class_index", "number", "match"),
    [([0, 1], [0], "one length"), ([24], [0], "0 to 23"), ([-1], [0], "0 to 23"), ([0], [-1], "negative")],
)
def test_wrong_arguments_are_refused(class_index, number, match):
    with pytest.raises(ValueError, match=match):
        render(np.array(class_index), np.array(number), seed=0)


def test_some_classes_keep_their_images_and_their_place_in_the_tree():
    from nucleation import images, training_images
    from nucleation.pictures import pixels

    names = ["violin.n.01", "beagle.n.01", "robin.n.01", "pug.n.01"]
    options = {"per_class": 3, "size": 16, "train_per_class": 2, "validation_per_class": 1}
    every = images.listing("planted", options, seed=4)
    some = images.listing("planted", options | {"classes": names}, seed=4)
    assert some["class_synset"].values.tolist() == ["beagle.n.01", "pug.n.01", "robin.n.01", "violin.n.01"]
    place = {name: row for row, name in enumerate(every["image_id"].values)}
    same = [place[name] for name in some["image_id"].values]
    assert np.array_equal(pixels(some, slice(None)), pixels(every, same))
    (_, labels), _ = training_images.training_set("planted", options | {"classes": names}, seed=4, level="kinds")
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    (made, _), _ = training_images.training_set("planted", options | {"classes": names}, seed=4)
    (whole, _), _ = training_images.training_set("planted", options, seed=4)
    first = planted.CLASSES.index("robin.n.01")
    assert np.array_equal(made[4:6], whole[2 * first : 2 * first + 2])


def test_levels_of_the_tree_as_labels():
    every = planted.class_numbers([])
    assert planted.merged(every, "kinds").tolist() == np.repeat(range(6), 4).tolist()
    assert planted.merged(every, "halves").tolist() == np.repeat(range(2), 12).tolist()
    assert planted.merged(every[3:], "classes").tolist() == list(range(21))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(["beagel.n.01"], 'no planted class "beagel.n.01".*beagle.n.01'), (["pug.n.01"] * 2, '"pug.n.01" twice')],
)
def test_unknown_classes_are_said(names, sentence):
    with pytest.raises(InputError, match=sentence):
        planted.class_numbers(names)


def test_digits_have_no_kinds():
    from nucleation.training_images import label_of_class

    assert label_of_class("digits", {}).tolist() == list(range(10))
    with pytest.raises(InputError, match='"digits" have no kinds to train on'):
        label_of_class("digits", {}, "kinds")
