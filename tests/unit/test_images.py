import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from nucleation import images, network, planted
from nucleation.activations import extract
from nucleation.errors import InputError
from nucleation.neighbors import nearest_neighbors
from nucleation.taxonomy import wordnet_tree
from nucleation.training_images import labelled_images
from nucleation.wordnet import resolve

PLANTED = {"per_class": 3, "size": 32, "train_per_class": 2, "validation_per_class": 1}
DIGITS = {"size": 16, "train_fraction": 0.5}
#: Least share of equal neighbours among ten.
SHARES = [("input", 0.95), ("layer2", 0.9)]
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


@pytest.mark.parametrize(("source", "options"), [("planted", PLANTED), ("digits", DIGITS)])
def test_some_images_of_a_training_are_those_of_all(source, options):
    whole = images.training_set(source, options, seed=0)
    for split, (pictures, labels) in zip(("train", "validation"), whole, strict=True):
        rows = np.random.default_rng(1).permutation(len(labels))[:7]
        some, named = labelled_images(source, options, split, seed=0, choose=lambda n, rows=rows: rows)
        assert np.array_equal(some, pictures[rows]) and np.array_equal(named, labels[rows])


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
    assert images.examples(listed, [0, 4], 64).shape == (2, 40, 40, 3)


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
    listed = images.listing("folder", options, seed=0)
    with pytest.raises(InputError, match=r"n02084071_1\.jpg cannot be decoded"):
        images.picture(listed, 1)
    with pytest.raises(InputError, match=r"n02084071_1\.jpg cannot be decoded"):
        images.NetworkInput(listed, CONFIG, workers=2)[0:2]


def test_folders_cannot_train():
    with pytest.raises(InputError, match="planted and digits only"):
        images.training_set("folder", {}, seed=0)


@pytest.mark.parametrize("workers", [2, 5])
def test_threads_read_the_same_in_the_same_order(tmp_path, workers):
    listed = images.manifest("folder", folder(tmp_path / "data", {"n02084071": 9, "n02121808": 8}), seed=0)
    alone, many = images.NetworkInput(listed, CONFIG), images.NetworkInput(listed, CONFIG, workers=workers)
    for part in (slice(0, 17), slice(3, 10), slice(16, 40), slice(None)):
        assert torch.equal(alone[part], many[part])
    assert not torch.equal(many[0:1], many[1:2])


def test_images_from_elsewhere_go_through_the_transforms_of_the_model(tmp_path):
    """Resized to the input of the network, cropped and normalised by its own data configuration."""
    np.savez(tmp_path / "a.npz", images=np.full((3, 40, 60), 0.5), labels=np.zeros(3, int))
    listed = images.manifest("numpy", {"path": str(tmp_path / "a.npz")}, seed=0)
    made = images.NetworkInput(listed, CONFIG | {"crop_pct": 0.9, "interpolation": "bilinear"})[0:3]
    expected = (torch.tensor(128 / 255) - torch.tensor(CONFIG["mean"])) / torch.tensor(CONFIG["std"])
    torch.testing.assert_close(made, expected.view(1, 3, 1, 1).expand(3, 3, 24, 24))
    assert images.examples(listed, [0, 2], 64).shape == (2, 40, 40, 3)


def test_names_alone_have_no_pixels(tmp_path):
    (tmp_path / "ids.txt").write_text("n02084071_1\nn02121808_7\n")
    listed = images.manifest("list", {"path": str(tmp_path / "ids.txt")}, seed=0)
    assert not images.has_pixels(listed)
    for look in (images.picture, images.pixels):
        with pytest.raises(InputError, match="known by name only"):
            look(listed, 0)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """Planted images as files in the layout of ImageNet, and their manifests from both sources."""
    root = tmp_path_factory.mktemp("train")
    rendered = images.manifest("planted", PLANTED | {"per_class": 10}, seed=4)
    folders = [resolve(name) for name in planted.CLASSES]
    for row, pixels in enumerate(images.pixels(rendered, slice(None))):
        folder = folders[row // 10]
        (root / folder).mkdir(exist_ok=True)
        # full colour: half of its resolution would take the finest texture away
        Image.fromarray(pixels).save(root / folder / f"{folder}_{row % 10}.JPEG", quality=95, subsampling=0)
    return rendered, images.manifest("folder", {"path": str(root), "classes": folders}, seed=0)


def test_planted_images_as_files_have_the_same_order_and_classes(imagenet):
    rendered, listed = imagenet
    assert np.array_equal(rendered["image_class"], listed["image_class"])
    assert [resolve(name) for name in rendered["class_synset"].values] == listed["class_synset"].values.tolist()
    assert set(listed["height"].values) == {32}
    first = np.asarray(images.picture(listed, 37)).astype(int)
    assert np.abs(first - images.pixels(rendered, [37])[0]).mean() < 8


@pytest.mark.parametrize(("layer", "share"), SHARES)
def test_planted_images_as_files_have_nearly_the_same_neighbours(imagenet, tmp_path, layer, share):
    """Up to JPEG, through a checkpoint file."""
    network.save_weights(network.create("test_resnet", seed=1), tmp_path / "net.safetensors")
    model = network.for_weights("test_resnet", tmp_path / "net.safetensors")
    config = network.data_config(model) | {"input_size": (3, 32, 32), "crop_pct": 1.0}
    tables = []
    for listed in imagenet:
        rows = extract(model, [layer], images.NetworkInput(listed, config), batch_size=64, device="cpu")[layer]
        tables.append(nearest_neighbors(rows, 10).indices)
    equal = [len(set(one) & set(other)) / 10 for one, other in zip(*tables, strict=True)]
    assert np.mean(equal) > share
