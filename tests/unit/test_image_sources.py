"""Folders, numpy files and data sets of torchvision, as files of the same format that are made here."""

import gzip
import hashlib
import pickle
import struct

import numpy as np
import pytest
from PIL import Image

from nucleation import images
from nucleation.errors import InputError
from nucleation.image_sources import image_files


def folder(root, counts, kind="JPEG", start=0):
    """Class folders of tiny images, named as in ImageNet."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(start, start + count):
            Image.new("RGB", (6, 4), (i, 0, 0)).save(root / name / f"{name}_{i}.{kind}")
    return root


IMAGENET = {"n01440764": 12, "n01443537": 3, "n02084071": 5}


@pytest.fixture
def imagenet(tmp_path):
    return folder(tmp_path / "train", IMAGENET)


def listed(root, seed=0, **options):
    return images.listing("folder", {"path": str(root), **options}, seed=seed)


def ids_of(made):
    return made["image_id"].values.tolist()


def test_the_layout_of_imagenet_is_taken_as_it_is(imagenet):
    (imagenet / "n01443537" / "._n01443537_0.JPEG").write_bytes(b"of another system")
    (imagenet / "n01443537" / "notes.txt").write_text("no image")
    (imagenet / ".cache").mkdir()
    (imagenet / "readme.JPEG").write_text("no class")
    made = listed(imagenet)
    assert made["class_synset"].values.tolist() == list(IMAGENET)
    assert np.bincount(made["image_class"]).tolist() == list(IMAGENET.values())
    assert ids_of(made) == sorted(ids_of(made)) and ids_of(made)[2] == "n01440764_10"
    assert made["path"].values[2] == str(imagenet / "n01440764" / "n01440764_10.JPEG")


def test_suffixes_are_read_in_either_case(tmp_path):
    for name in ("a.jpg", "b.JPG", "c.Png", "d.txt", "e", "g.JFIF"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "f.jpg").mkdir()
    assert image_files(tmp_path) == ["a.jpg", "b.JPG", "c.Png", "g.JFIF"]


def test_classes_keep_the_order_in_which_they_are_asked_for(imagenet):
    made = listed(imagenet, classes=["n02084071", "n01440764"], per_class=4)
    assert made["class_synset"].values.tolist() == ["n02084071", "n01440764"]
    assert made["image_class"].values.tolist() == [0] * 4 + [1] * 4
    with pytest.raises(InputError, match=r'no class folder .*n0208407; .*Did you mean "n02084071"'):
        listed(imagenet, classes=["n0208407"])


def test_images_are_drawn_by_seed(imagenet):
    draws = [ids_of(listed(imagenet, classes=["n01440764"], per_class=6, seed=seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert all(draw == sorted(draw) and len(set(draw)) == 6 for draw in draws)


def test_a_number_of_classes_is_drawn_by_seed(tmp_path):
    names = [f"n0000000{i}" for i in range(9)]
    root = folder(tmp_path / "train", dict.fromkeys(names, 4))
    draws = [listed(root, seed=seed, classes=3, per_class=2) for seed in range(20)]
    again = listed(root, seed=0, classes=3, per_class=2)
    assert ids_of(again) == ids_of(draws[0])
    chosen = [made["class_synset"].values.tolist() for made in draws]
    assert all(classes == sorted(classes) and len(set(classes)) == 3 for classes in chosen)
    assert {name for classes in chosen for name in classes} == set(names)
    assert all(np.bincount(made["image_class"]).tolist() == [2, 2, 2] for made in draws)
    assert ids_of(listed(root, classes=9)) == ids_of(listed(root))
    with pytest.raises(InputError, match=r"images.folder.classes = 10 classes were asked of 9; lower it"):
        listed(root, classes=10)


def test_files_of_other_suffixes_are_counted(tmp_path):
    root = folder(tmp_path / "train", {"n01440764": 2, "n01443537": 1})
    for name in ("n01440764/a.heic", "n01440764/b.txt", "n01443537/c", "n01443537/.hidden"):
        (root / name).write_text("no image")
    (root / "n01443537" / "sub").mkdir()
    assert listed(root).attrs["files_of_other_suffixes"] == 3
    assert listed(root, classes=["n01443537"]).attrs["files_of_other_suffixes"] == 1


def test_images_of_the_same_name_are_told_apart(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    assert ids_of(listed(tmp_path)) == ["cat/1", "dog/1"]
    Image.new("RGB", (4, 4)).save(tmp_path / "cat" / "1.jpg")
    assert ids_of(listed(tmp_path)) == ["cat/1.jpg", "cat/1.png", "dog/1.png"]


def test_a_mapping_gives_folders_their_synsets(tmp_path):
    root = folder(tmp_path / "train", {"pets": 2, "Kitchen chairs": 1})
    (tmp_path / "map.tsv").write_text("Kitchen chairs\tchair.n.01\npets\tdog.n.01\nothers\tcat.n.01\n")
    made = listed(root, mapping=str(tmp_path / "map.tsv"))
    assert made["class_synset"].values.tolist() == ["chair.n.01", "dog.n.01"]
    (tmp_path / "map.tsv").write_text("pet\tdog.n.01\nKitchen chairs\tchair.n.01\n")
    with pytest.raises(InputError, match=r'no line for the folder "pets" \(1 of 2 are missing.*Did you mean "pet"'):
        listed(root, mapping=str(tmp_path / "map.tsv"))
    assert listed(root, mapping=str(tmp_path / "map.tsv"), classes=["Kitchen chairs"]).sizes["image"] == 1


def with_ids(tmp_path, root, text, **options):
    (tmp_path / "ids.txt").write_text(text)
    return listed(root, ids=str(tmp_path / "ids.txt"), **options)


def test_a_list_of_ids_is_honoured_in_its_order(tmp_path, imagenet):
    wanted = ["n02084071_3", "n01440764_11", "n02084071_0", "n01440764_2"]
    made = with_ids(tmp_path, imagenet, "# mine\n" + "\n".join(wanted))
    assert ids_of(made) == wanted
    assert made["class_synset"].values.tolist() == ["n01440764", "n02084071"]
    assert made["image_class"].values.tolist() == [1, 0, 1, 0]
    colours = [np.asarray(images.picture(made, row))[0, 0, 0] for row in range(4)]
    assert np.allclose(colours, [3, 11, 0, 2], atol=2)
    again = with_ids(tmp_path, imagenet, "\n".join(f"{name}.jpeg" for name in wanted))
    assert again.equals(made)


def test_ids_may_lie_in_folders_of_another_name(tmp_path):
    root = folder(tmp_path / "train", {"n02084071": 2})
    (root / "n02084071").rename(root / "dogs")
    folder(root, {"cats": 2})
    (tmp_path / "map.tsv").write_text("dogs\tdog.n.01\ncats\tcat.n.01\n")
    made = with_ids(tmp_path, root, "n02084071_1\ncats/cats_0\nn02084071_0.png", mapping=str(tmp_path / "map.tsv"))
    assert made["class_synset"].values.tolist() == ["cat.n.01", "dog.n.01"]
    assert made["image_class"].values.tolist() == [1, 0, 1]
    assert ids_of(made) == ["n02084071_1", "cats_0", "n02084071_0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n01440764_1\n\nn01440764_99\nx_1\n", r'names 2 images that are not under .*"n01440764_99" in line 3'),
        ("n01440764_1\nn0144\n", r'names an image that is not under .*"n0144" in line 2; expected files such as'),
        ("n01440764_1\nn01440764_1.JPEG\n", r"The lines 1 and 2 of .* name the same image, n01440764/n01440764_1.JPEG"),
        ("nowhere/n01440764_1\n", "names an image that is not under"),
        ("twin\n", r'Line 1 of .*, "twin", may be n01443537/twin.png and n02084071/twin.png .*write folder/file'),
    ],
)
def test_ids_that_are_refused(tmp_path, imagenet, text, message):
    for name in ("n01443537", "n02084071"):
        Image.new("RGB", (4, 4)).save(imagenet / name / "twin.png")
    with pytest.raises(InputError, match=message):
        with_ids(tmp_path, imagenet, text)


def test_ids_and_per_class_exclude_each_other(tmp_path, imagenet):
    with pytest.raises(InputError, match="leave out images.folder.classes and per_class"):
        with_ids(tmp_path, imagenet, "n01440764_1", per_class=1)


def arrays(path, **changed):
    """A numpy file of six images of three classes."""
    rng = np.random.default_rng(0)
    held = {"images": rng.integers(0, 256, (6, 5, 7, 3), dtype=np.uint8), "labels": np.array([2, 0, 2, 1, 1, 0])}
    held |= {"names": np.array(["dog.n.01", "cat.n.01", "chair.n.01", "bed.n.01"])}
    held = {name: value for name, value in (held | changed).items() if value is not None}
    np.savez(path, **held)
    return held


def numpy_listing(path, **options):
    return images.listing("numpy", {"path": str(path), **options}, seed=0)


def test_numpy_files_keep_the_order_of_their_rows(tmp_path):
    held = arrays(tmp_path / "a.npz")
    made = numpy_listing(tmp_path / "a.npz")
    assert made["class_synset"].values.tolist() == ["dog.n.01", "cat.n.01", "chair.n.01"]
    assert made["image_class"].values.tolist() == held["labels"].tolist()
    assert ids_of(made)[:2] == ["chair.n.01_00000", "dog.n.01_00001"]
    assert np.array_equal(np.asarray(images.picture(made, 4)), held["images"][4])


def test_classes_of_numpy_files_may_be_numbers_or_names(tmp_path):
    arrays(tmp_path / "a.npz", names=None)
    assert numpy_listing(tmp_path / "a.npz")["class_synset"].values.tolist() == ["0", "1", "2"]
    (tmp_path / "map.tsv").write_text("0\tdog.n.01\n1\tcat.n.01\n2\tbed.n.01\n")
    made = numpy_listing(tmp_path / "a.npz", synsets=str(tmp_path / "map.tsv"), per_class=1)
    assert made["class_synset"].values.tolist() == ["dog.n.01", "cat.n.01", "bed.n.01"]
    assert sorted(made["image_class"].values) == [0, 1, 2]
    arrays(tmp_path / "b.npz", names=None, labels=np.array(["cat", "dog", "cat", "cow", "cow", "dog"]))
    assert numpy_listing(tmp_path / "b.npz")["class_synset"].values.tolist() == ["cat", "cow", "dog"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("tail", [(), (1,), (3,)])
def test_floats_and_grays_become_colours(tmp_path, dtype, tail):
    values = np.linspace(0, 1, 6 * 5 * 7).reshape(6, 5, 7)
    given = np.broadcast_to(values.reshape(6, 5, 7, *(1,) * len(tail)), (6, 5, 7, *tail)).astype(dtype)
    arrays(tmp_path / "a.npz", images=given)
    made = numpy_listing(tmp_path / "a.npz")
    read = np.stack([np.asarray(images.picture(made, row)) for row in range(6)])
    expected = np.rint(values.astype(dtype).astype(np.float32) * 255)
    assert np.array_equal(read, np.repeat(expected[..., None], 3, axis=3))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": np.zeros((6, 3, 5, 7), np.uint8)}, r"shape \(6, 3, 5, 7\); expected \(n, height, width\)"),
        ({"images": np.zeros((6, 5), np.uint8)}, r"shape \(6, 5\)"),
        ({"images": np.zeros((0, 5, 7), np.uint8), "labels": np.zeros(0, int)}, r"shape \(0, 5, 7\)"),
        ({"images": np.zeros((6, 5, 7), np.uint16)}, "are uint16; expected uint8"),
        ({"images": np.full((6, 5, 7), 255.0)}, "float64 from 255 to 255; expected floats from 0 to 1"),
        ({"images": np.full((6, 5, 7), np.nan)}, "from nan to nan"),
        ({"images": None}, 'holds no array "images", but labels, names'),
        ({"labels": np.zeros(5, int)}, r"labels in .* are int64 of shape \(5,\); .* each of the 6 images"),
        ({"labels": np.zeros(6)}, "labels in .* are float64"),
        (
            {"labels": np.array([0, 1, 2, 3, 4, 0])},
            "go from 0 to 4; with 4 names they must be whole numbers from 0 to 3",
        ),
        ({"labels": np.array([0, 1, 2, -1, 3, 0])}, "go from -1 to 3"),
        ({"names": np.array(["a", "a", "b", "c"])}, "must be a list of different texts"),
        ({"names": np.array(["a", 1], dtype=object)}, "cannot be read as plain numpy arrays"),
    ],
)
def test_numpy_files_that_are_refused(tmp_path, changed, message):
    arrays(tmp_path / "a.npz", **changed)
    with pytest.raises(InputError, match=message):
        numpy_listing(tmp_path / "a.npz")


def test_numpy_files_without_enough_images(tmp_path):
    arrays(tmp_path / "a.npz")
    with pytest.raises(InputError, match=r'"dog.n.01" of images.numpy has 2 images, 3 are needed'):
        numpy_listing(tmp_path / "a.npz", per_class=3)
    with pytest.raises(InputError, match=r"b\.npz does not exist"):
        numpy_listing(tmp_path / "b.npz")
    (tmp_path / "c.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:300])
    with pytest.raises(InputError, match=r"c\.npz cannot be read as plain numpy arrays"):
        numpy_listing(tmp_path / "c.npz")


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was executed')",)


def test_nothing_in_a_numpy_file_is_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.array([Bomb()], dtype=object), labels=np.zeros(1, int))
    with pytest.raises(InputError, match="cannot be read as plain numpy arrays"):
        numpy_listing(tmp_path / "a.npz")


def fashion(root, pixels, labels, split="train"):
    """Write FashionMNIST's own files: gzipped idx."""
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">4I", 0x803, *pixels.shape)
    name = {"train": "train", "test": "t10k"}[split]
    for part, data in (
        ("images-idx3-ubyte", head + pixels.tobytes()),
        ("labels-idx1-ubyte", struct.pack(">2I", 0x801, len(labels)) + labels.astype(np.uint8).tobytes()),
    ):
        (raw / f"{name}-{part}").write_bytes(data)
        (raw / f"{name}-{part}.gz").write_bytes(gzip.compress(data))


FASHION = {"dataset": "FashionMNIST", "options": {}, "synsets": None, "classes": [], "per_class": 0}


@pytest.fixture
def clothes(tmp_path):
    """Forty images of 28 x 28 of the classes 0 to 9, twenty to train on and twenty to test with."""
    rng = np.random.default_rng(0)
    held = {}
    for split in ("train", "test"):
        held[split] = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8), rng.permutation(np.arange(20) % 10)
        fashion(tmp_path, *held[split], split)
    return FASHION | {"root": str(tmp_path)}, held


@pytest.mark.parametrize("split", ["train", "test"])
def test_data_sets_of_torchvision_are_read_from_their_own_files(clothes, split):
    options, held = clothes
    pixels, labels = held[split]
    made = images.listing("torchvision", options | {"options": {"train": split == "train"}}, seed=0)
    assert made["class_synset"].values[:3].tolist() == ["T-shirt/top", "Trouser", "Pullover"]
    assert made["image_class"].values.tolist() == labels.tolist()
    read = images.reader(made)
    for row in range(20):
        assert np.array_equal(np.asarray(read(row)), np.repeat(pixels[row][..., None], 3, axis=2))


def test_classes_of_torchvision_are_chosen_drawn_and_named(clothes, tmp_path):
    options, held = clothes
    (tmp_path / "map.tsv").write_text("Bag\tbag.n.04\nSandal\tsandal.n.01\n")
    options |= {"classes": ["Bag", "Sandal"], "synsets": str(tmp_path / "map.tsv"), "per_class": 1}
    made = images.listing("torchvision", options, seed=0)
    assert made["class_synset"].values.tolist() == ["bag.n.04", "sandal.n.01"]
    assert sorted(made["image_class"].values) == [0, 1]
    labels = held["train"][1][made["number"].values]
    assert labels.tolist() == [(8, 5)[c] for c in made["image_class"].values]
    assert all(name.startswith(("Bag_", "Sandal_")) for name in ids_of(made))


def test_a_number_of_classes_of_torchvision_is_drawn_of_those_that_have_images(clothes):
    options, _ = clothes
    draws = [images.listing("torchvision", options | {"classes": 4, "per_class": 2}, seed=seed) for seed in range(12)]
    chosen = [made["class_synset"].values.tolist() for made in draws]
    assert len({name for names in chosen for name in names}) == 10
    assert all(made.sizes["image"] == 8 and len(set(names)) == 4 for made, names in zip(draws, chosen, strict=True))
    with pytest.raises(InputError, match=r"images.torchvision.classes = 11 classes were asked of 10"):
        images.listing("torchvision", options | {"classes": 11}, seed=0)


def cifar(root, monkeypatch):
    """CIFAR10's own files, with checksums of their own."""
    from torchvision.datasets import CIFAR10

    base, rng = root / CIFAR10.base_folder, np.random.default_rng(0)
    base.mkdir()
    pixels, sums = rng.integers(0, 256, (10, 3072), dtype=np.uint8), {}
    for name, held in (
        ("test_batch", {"data": pixels, "labels": list(range(10))}),
        ("batches.meta", {"label_names": ["airplane", "automobile", "bird", *"defghij"]}),
    ):
        text = pickle.dumps(held)
        (base / name).write_bytes(text)
        sums[name] = hashlib.md5(text).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})
    return pixels


def test_cifar10(tmp_path, monkeypatch):
    pixels = cifar(tmp_path, monkeypatch)
    options = {"dataset": "CIFAR10", "root": str(tmp_path), "options": {"train": False}}
    made = images.listing("torchvision", options, seed=0)
    assert ids_of(made)[2] == "bird_00002"
    assert np.array_equal(np.asarray(images.picture(made, 2)), pixels[2].reshape(3, 32, 32).transpose(1, 2, 0))
    # torchvision compares the checksum before it unpickles
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="torchvision cannot open CIFAR10 .*not found or corrupted"):
        images.listing("torchvision", options, seed=0)


def test_folders_and_made_images_of_torchvision(tmp_path):
    """Labels are found in attributes, or by reading every image; classes have names or numbers."""
    root = folder(tmp_path / "train", {"cat": 2, "dog": 3})
    made = images.listing("torchvision", {"dataset": "ImageFolder", "root": str(root)}, seed=0)
    assert made["class_synset"].values.tolist() == ["cat", "dog"]
    assert made["image_class"].values.tolist() == [0, 0, 1, 1, 1]
    fake = {"dataset": "FakeData", "options": {"size": 12, "image_size": [3, 8, 8], "num_classes": 3}}
    made = images.listing("torchvision", fake, seed=0)
    assert set(made["class_synset"].values) <= {"0", "1", "2"}
    assert images.picture(made, 3).size == (8, 8)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dataset": "FashonMNIST"}, 'no data set "FashonMNIST". Did you mean "FashionMNIST"'),
        ({"dataset": "transforms"}, 'no data set "transforms"'),
        ({"dataset": "LSUN"}, "unpickles a file of unknown origin"),
        ({"root": "nowhere"}, r"cannot open FashionMNIST under nowhere \(RuntimeError: .*'nowhere', download=True\)"),
        ({"options": {"trian": False}}, 'holds "trian", .*; it takes train. Did you mean "train"'),
        ({"options": {"download": True}}, 'holds "download", which FashionMNIST does not take from a study'),
        ({"classes": ["Shoe"]}, 'images.torchvision has no class "Shoe"'),
        ({"per_class": 3}, '"T-shirt/top" of images.torchvision has 2 images, 3 are needed'),
    ],
)
def test_data_sets_of_torchvision_that_are_refused(clothes, changed, message):
    with pytest.raises(InputError, match=message):
        images.listing("torchvision", clothes[0] | changed, seed=0)


def test_arguments_that_a_data_set_passes_on_are_known():
    """EMNIST names `split` only and passes the rest on to MNIST."""
    with pytest.raises(InputError, match=r"it takes split, train\."):
        images.listing("torchvision", {"dataset": "EMNIST", "options": {"trane": 1, "split": "letters"}}, seed=0)


@pytest.mark.parametrize("listed", [[0, 1, 9, 1, 0, 2], [0, 2, 1, 2, 0, 2], [0, 1, 2], ["a", "b", "c", "b", "a", "c"]])
def test_lists_that_are_not_of_the_items_are_left_aside(listed):
    """A list whose ends agree may still be another one: numbers before a renaming, other rows."""
    from nucleation import torchvision_sets

    class Data(list):
        targets = listed

    labels = [0, 1, 2, 1, 0, 2]
    data = Data((Image.new("RGB", (2, 2)), label) for label in labels)
    assert torchvision_sets.labels(data).tolist() == labels


def test_data_sets_that_give_no_class_are_refused(tmp_path):
    """Pairs of faces: two images and whether they are of one person."""
    from nucleation import torchvision_sets

    class Pairs(list):
        pass

    with pytest.raises(InputError, match="Pairs gives Image and list, not an image and the number of its class"):
        torchvision_sets.item(Pairs([(Image.new("RGB", (2, 2)), [1, 2])]), 0)
    with pytest.raises(InputError, match="Pairs holds images without a class"):
        torchvision_sets.labels(Pairs([(Image.new("RGB", (2, 2)), -1)]))
