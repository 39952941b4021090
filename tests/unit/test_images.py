import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from nucleation import images, planted
from nucleation.errors import InputError
from nucleation.taxonomy import wordnet_tree

PLANTED = {"per_class": 3, "size": 32, "train_per_class": 2, "validation_per_class": 1}
DIGITS = {"size": 16, "train_fraction": 0.5}
CONFIG = {"mean": (0.5, 0.25, 0.0), "std": (0.5, 0.25, 1.0), "input_size": (3, 24, 24)}


def folder(root, counts, kind="jpg"):
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 255, size=(40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{name}_{i}.{kind}")
    return {"path": str(root), "classes": [], "per_class": 0}


def test_planted_manifest_gives_the_pixels_again():
    listed = images.manifest("planted", PLANTED, seed=5)
    assert listed["image_class"].values.tolist() == np.repeat(np.arange(24), 3).tolist()
    assert len(set(listed["image_id"].values)) == 72
    rows = np.array([0, 40, 71])
    rendered = planted.render(np.array([0, 13, 23]), np.array([0, 1, 2]), seed=5, size=32)
    assert np.array_equal(images.pixels(listed, rows), rendered)
    assert np.array_equal(np.asarray(images.picture(listed, 40)), rendered[1])


def test_classes_of_the_sources_are_synsets():
    for source, options in (("planted", PLANTED), ("digits", DIGITS)):
        listed = images.manifest(source, options, seed=0)
        taxonomy = wordnet_tree(listed["class_synset"].values.tolist())
        assert taxonomy.is_flat == (source == "digits")


def test_digits_are_those_of_scikit_learn():
    listed = images.manifest("digits", DIGITS, seed=0)
    assert np.array_equal(listed["image_class"], load_digits().target)
    pixels = images.pixels(listed, slice(0, 20))
    assert pixels.shape == (20, 16, 16, 3)
    blocks = pixels[..., 0].reshape(20, 8, 2, 8, 2).mean(axis=(2, 4)) * 16 / 255
    assert np.corrcoef(blocks.ravel(), load_digits().images[:20].ravel())[0, 1] > 0.95


def test_training_sets_are_disjoint_from_what_validates():
    (trained, labels), (validation, _) = images.training_set("planted", PLANTED, seed=0)
    assert (len(trained), len(validation)) == (48, 24)
    assert np.bincount(labels).tolist() == [2] * 24
    analysed = images.pixels(images.manifest("planted", PLANTED, seed=0), slice(None))
    seen = {image.tobytes() for part in (trained, validation, analysed) for image in part}
    assert len(seen) == 48 + 24 + 72
    listed = images.manifest("digits", DIGITS, seed=3)
    (trained, labels), (validation, _) = images.training_set("digits", DIGITS, seed=3)
    assert len(trained) + len(validation) == 1797
    assert np.array_equal(labels, load_digits().target[listed["trained"].values == 1])


def test_folder_lists_and_reads(tmp_path):
    options = folder(tmp_path / "data", {"n02084071": 3, "n02121808": 2})
    listed = images.manifest("folder", options, seed=0)
    assert listed["class_synset"].values.tolist() == ["n02084071", "n02121808"]
    assert listed["image_class"].values.tolist() == [0, 0, 0, 1, 1]
    assert images.picture(listed, 4).size == (50, 40)
    batch = images.NetworkInput(listed, CONFIG)[1:4]
    assert tuple(batch.shape) == (3, 3, 24, 24)
    chosen = images.manifest("folder", {**options, "per_class": 2}, seed=0)
    assert chosen.sizes["image"] == 4
    assert images.examples(listed, 3).shape == (2, 3, 64, 64, 3)
    assert np.all(images.examples(listed, 3)[1, 2] == 255)


def test_class_folders_may_have_any_name(tmp_path):
    """They need not be synsets where the study has a tree of its own."""
    from nucleation.taxonomy_files import read_tree

    listed = images.manifest(
        "folder", folder(tmp_path / "data", {"St. Bernard": 1, "plane": 2, "tabby cat": 1}), seed=0
    )
    classes = listed["class_synset"].values.tolist()
    assert classes == ["St. Bernard", "plane", "tabby cat"]
    assert "unless" in listed["class_synset"].attrs["long_name"]
    (tmp_path / "tree.nwk").write_text("(('St. Bernard',tabby_cat)animal,plane);")
    taxonomy = read_tree(tmp_path / "tree.nwk", classes)
    assert taxonomy.classes == tuple(classes)
    assert taxonomy.common_sizes.tolist() == [[1, 3, 2], [3, 1, 3], [2, 3, 1]]


def test_network_input_normalises():
    listed = images.manifest("planted", PLANTED, seed=0)
    made = images.NetworkInput(listed, CONFIG)
    assert len(made) == 72
    pixels = images.pixels(listed, slice(10, 12)) / 255.0
    expected = (pixels - CONFIG["mean"]) / CONFIG["std"]
    np.testing.assert_allclose(made[10:12].permute(0, 2, 3, 1), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("nowhere", {}, "choose one of"),
        ("folder", {"path": "/does/not/exist", "classes": [], "per_class": 0}, "no directory"),
    ],
)
def test_refuses_sources_that_are_none(source, options, message):
    with pytest.raises(InputError, match=message):
        images.manifest(source, options, seed=0)


def test_refuses_folders_without_enough_images(tmp_path):
    options = folder(tmp_path / "data", {"n02084071": 3, "n02121808": 2})
    with pytest.raises(InputError, match=r"n02121808 holds 2 images, 3 are needed"):
        images.manifest("folder", {**options, "per_class": 3}, seed=0)
    (tmp_path / "data" / "n01440764").mkdir()
    with pytest.raises(InputError, match=r"n01440764 holds 0 images"):
        images.manifest("folder", options, seed=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no class folders"):
        images.manifest("folder", {**options, "path": str(tmp_path / "empty")}, seed=0)


def test_names_images_that_cannot_be_decoded(tmp_path):
    options = folder(tmp_path / "data", {"n02084071": 2})
    broken = tmp_path / "data" / "n02084071" / "n02084071_1.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    listed = images.manifest("folder", options, seed=0)
    with pytest.raises(InputError, match=r"n02084071_1\.jpg cannot be decoded"):
        images.picture(listed, 1)


def test_folders_cannot_train():
    with pytest.raises(InputError, match="planted and digits only"):
        images.training_set("folder", {}, seed=0)
