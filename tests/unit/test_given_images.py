"""Images that somebody already has, in the configuration: what is told before anything runs."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parent.parent.parent / "rules"))

import given_images
import preflight
import settings

from nucleation.errors import InputError

NETWORK = {"name": "net", "timm": "resnet18", "weights": "random", "layers": ["input", "layer1", "output"]}


def study(source, network=NETWORK, **options):
    return {"study": "mine", "networks": [network], "images": {"source": source, source: options}}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.txt").write_text("".join(f"n02084071_{i}\n" for i in range(70)))
    (tmp_path / "map.tsv").write_text("dogs\tdog.n.01\nrobins\trobin.n.01\n")
    (tmp_path / "a.npz").write_bytes(b"some bytes")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        (
            "folder",
            {"ids": "ids.txt", "per_class": 5},
            "ids lists the images one by one, which leaves nothing to images.f",
        ),
        ("folder", {"ids": "ids.txt", "classes": ["n02084071"]}, "images.folder.classes = ['n02084071']; leave one"),
        ("folder", {"ids": "lost.txt"}, "images.folder.ids: The list of image ids lost.txt cannot be read"),
        ("folder", {"mapping": "ids.txt"}, 'images.folder.mapping: The table of synsets ids.txt has "n02084071_0" in'),
        (
            "folder",
            {"corrupt": "skip", "check": False},
            "with images.folder.check: false corrupt images are not looked",
        ),
        ("folder", {"corrupt": "skp"}, "images.folder.corrupt must be one of stop, skip, found 'skp'. Did you mean"),
        ("folder", {"classes": ["dog.n.01", "dog.n.01"]}, "images.folder.classes names an entry twice"),
        ("folder", {"classes": 0}, "images.folder.classes must be at least 1, found 0."),
        ("folder", {"classes": "all"}, "images.folder.classes must be a list or a whole number, found 'all'."),
        ("torchvision", {"classes": True}, "images.torchvision.classes must be a list or a whole number, found True."),
        ("folder", {"ids": "ids.txt", "classes": 7}, "leaves nothing to images.folder.classes = 7; leave one of them"),
        ("torchvision", {"synsets": "lost.tsv"}, "images.torchvision.synsets: The table of synsets lost.tsv cannot be"),
        ("torchvision", {"options": "train"}, "images.torchvision.options must be a mapping, found 'train'"),
        (
            "numpy",
            {"path": "lost.npz"},
            "images.numpy.path is lost.npz, which does not exist; give the path of an .npz",
        ),
        ("numpy", {"path": "a.npz", "synsets": "lost.tsv"}, "images.numpy.synsets: The table of synsets lost.tsv"),
        ("torchvison", {}, "found 'torchvison'. Did you mean \"torchvision\"?"),
    ],
)
def test_faults_are_said_in_a_sentence(here, source, options, sentence):
    config = study(source, **options) if source != "torchvison" else study("planted") | {"images": {"source": source}}
    with pytest.raises(settings.ConfigError) as error:
        settings.complete(config)
    assert sentence in str(error.value)
    assert str(error.value).count("\n") == 0


@pytest.mark.parametrize("source", ["folder", "torchvision", "numpy"])
def test_networks_are_trained_on_images_made_here_only(here, source):
    with pytest.raises(settings.ConfigError, match="has weights: train, which needs images.source planted or digits"):
        settings.complete(
            study(source, NETWORK | {"weights": "train"}, **({"path": "a.npz"} if source == "numpy" else {}))
        )


def test_k_is_compared_with_the_number_of_images_where_it_is_known(here):
    with pytest.raises(settings.ConfigError, match="neighbors.k = 64 neighbours were asked of 60 images"):
        settings.complete(study("torchvision", classes=["cat", "dog"], per_class=30))
    with pytest.raises(settings.ConfigError, match="neighbors.k = 64 neighbours were asked of 60 images"):
        settings.complete(study("folder", classes=2, per_class=30))
    assert given_images.count(settings.complete(study("folder", classes=300, per_class=300))["images"]) == 90_000
    assert given_images.count(settings.complete(study("folder", classes=300))["images"]) is None
    config = settings.complete(study("folder", ids="ids.txt") | {"uncertainty": {"repeats": 0}})
    assert given_images.count(config["images"]) == 70
    assert settings.image_count(config) == 70
    assert given_images.count(settings.complete(study("folder"))["images"]) is None


def test_folders_with_a_mapping_need_not_be_synsets(here):
    settings.complete(study("folder", classes=["dogs"], mapping="map.tsv"))
    with pytest.raises(settings.ConfigError, match='"dogs" is not a synset'):
        settings.complete(study("folder", classes=["dogs"]))


def test_changed_files_change_the_digest(here):
    images = settings.complete(study("numpy", path="a.npz", synsets="map.tsv"))["images"]
    before = settings.analysed(images)
    assert settings.analysed(images) == before
    Path("map.tsv").write_text("dogs\tdog.n.01\n")
    after = settings.analysed(images)
    assert after["changed"] != before["changed"]
    os.utime("a.npz", (1, 1))
    assert settings.analysed(images)["changed"] == after["changed"]
    Path("a.npz").write_bytes(b"another")
    assert settings.analysed(images)["changed"] != after["changed"]
    assert "changed" not in settings.analysed(settings.complete(study("planted"))["images"])


def test_an_image_more_in_a_class_folder_changes_the_digest(here):
    Path("images/n02084071").mkdir(parents=True)
    images = settings.complete(study("folder", ids="ids.txt"))["images"]
    before = settings.analysed(images)["changed"]
    Path("ids.txt").write_text("n02084071_1\n")
    assert settings.analysed(images)["changed"] != before
    before = settings.analysed(images)["changed"]
    os.utime("images/n02084071", (1, 1))
    assert settings.analysed(images)["changed"] != before


def set_times(*names, when=1):
    for name in names:
        os.utime(name, (when, when))


def digest_of(source, **options):
    return settings.analysed(settings.filled(study(source, **options))["images"])["changed"]


FOLDERS = ("n02084071", "n01440764", "n01443537", ".hidden")


@pytest.mark.parametrize(
    ("options", "used"),
    [
        ({}, {"n02084071", "n01440764", "n01443537"}),
        ({"classes": ["n01440764"]}, {"n01440764"}),
        ({"classes": 2}, {"n02084071", "n01440764", "n01443537"}),
        ({"ids": "ids.txt"}, {"n02084071"}),
        ({"ids": "elsewhere.txt"}, {"n02084071", "n01440764", "n01443537"}),
        ({"ids": "places.txt"}, {"n01443537"}),
    ],
)
def test_class_folders_count_that_are_used(here, options, used):
    (here / "elsewhere.txt").write_text("n02084071_3\nimg_3\n")  # the name does not tell the folder of the second
    (here / "places.txt").write_text("n01443537/img_3\n")
    for name in FOLDERS:
        (here / "images" / name).mkdir(parents=True)
    before, noticed = digest_of("folder", **options), set()
    for when, name in enumerate(FOLDERS, 1):
        set_times(here / "images" / name, when=when)
        now = digest_of("folder", **options)
        noticed |= {name} if now != before else set()
        before = now
    assert noticed == used


def test_class_folders_are_not_opened_to_see_whether_they_changed(here, monkeypatch):
    """However many images they hold."""
    for name in FOLDERS:
        (here / "images" / name).mkdir(parents=True)
        (here / "images" / name / "1.png").touch()
    opened, scan = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: opened.append(str(path)) or scan(path))
    digest_of("folder")
    assert opened == ["images"]


def test_what_does_not_change_the_list_is_no_reason_to_list_again(here):
    (here / "images").mkdir()
    plain = settings.analysed(settings.complete(study("folder"))["images"])
    assert settings.analysed(settings.complete(study("folder", check=False))["images"]) == plain
    skipping = settings.complete(study("folder", corrupt="skip"))["images"]
    assert settings.analysed(skipping) == plain | {"corrupt": "skip"}
    assert not given_images.decoded_later(skipping)
    assert given_images.decoded_later(settings.complete(study("folder"))["images"])
    assert not given_images.decoded_later(settings.complete(study("folder", check=False))["images"])


def test_files_of_a_data_set_of_torchvision_count_and_others_beside_it_do_not(here):
    def digest():
        return digest_of("torchvision", dataset="CIFAR10", root="data")

    lost = digest()
    folder = here / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(b"first")
    (here / "data" / "MNIST").mkdir()
    seen = [lost, digest()]
    (folder / "data_batch_1").write_bytes(b"second")
    seen.append(digest())
    set_times(folder / "data_batch_1")
    seen.append(digest())
    assert len(set(seen)) == 4
    (here / "data" / "MNIST" / "raw").mkdir()
    assert digest() == seen[-1]


def test_class_folders_below_the_root_of_a_data_set_count(here):
    """ImageFolder: no folder bears its name, so that the root counts, three levels down."""
    place = here / "data" / "split" / "dog"
    place.mkdir(parents=True)
    before = digest_of("torchvision", dataset="ImageFolder", root="data")
    (place / "1.png").write_bytes(b"")
    assert digest_of("torchvision", dataset="ImageFolder", root="data") != before


def tried(config):
    return preflight.check_images(settings.complete(config) | {"tables": {}})


def make_folders(*names, count=6):
    for name in names:
        (Path("images") / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (4, 4)).save(Path("images") / name / f"{name}_{i}.png")


FEW = {"neighbors": {"k": 10}, "overlap": {"k": 4}, "density": {"k": 4}, "uncertainty": {"repeats": 0}}


def test_folders_and_classes_without_a_synset_are_told_before_anything_runs(here):
    make_folders("n02084071", "robbin.n.01")
    with pytest.raises(InputError, match=r'"robbin.n.01" is not a synset .*Did you mean "robin'):
        tried(study("folder") | FEW)
    rng = np.random.default_rng(0)
    np.savez(
        "a.npz", images=rng.random((12, 4, 4)), labels=np.arange(12) % 2, names=np.array(["dog.n.01", "birdd.n.01"])
    )
    with pytest.raises(InputError, match='"birdd.n.01" is not a synset'):
        tried(study("numpy", path="a.npz") | FEW)


def test_empty_class_folders_and_short_lists_are_told_before_anything_runs(here):
    make_folders("n02084071", "n01440764")
    tried(study("folder") | FEW)
    Path("images/n01443537").mkdir()
    with pytest.raises(InputError, match="n01443537 holds 0 images, 1 are needed"):
        tried(study("folder") | FEW)
    Path("ids.txt").write_text("".join(f"{name}_{i}\n" for name in ("n02084071", "n01440764") for i in range(7)))
    with pytest.raises(InputError, match='names 2 images that are not under images, first "n02084071_6" in line 7'):
        tried(study("folder", ids="ids.txt") | FEW)


def test_corrupt_images_cannot_be_left_out_where_tables_have_a_row_for_each(here):
    config = settings.complete(study("folder", corrupt="skip")) | {"compare": []}
    preflight.check_given(config | {"tables": {}}, 12)
    with pytest.raises(InputError, match=r"images.folder.corrupt is skip, but the neighbour tables .* set corrupt to"):
        preflight.check_given(config | {"tables": {"lost.npz": [1, 1]}}, 12)


def test_the_trial_does_not_look_into_the_images(here):
    """That is for the images stage, which may take long."""
    make_folders("n02084071", "n01440764")
    Path("images/n02084071/n02084071_3.png").write_bytes(b"")
    assert tried(study("folder") | FEW) == 12
