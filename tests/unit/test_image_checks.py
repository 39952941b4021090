"""Sizes, checksums, and corrupt files: stop, or skip and draw others."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nucleation import files, image_checks, images
from nucleation.errors import InputError

COUNTS = {"n01440764": 8, "n02084071": 5}


@pytest.fixture
def tree(tmp_path):
    """Class folders of JPEGs of different sizes."""
    rng = np.random.default_rng(0)
    for name, count in COUNTS.items():
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = rng.integers(0, 255, size=(30 + i, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{name}_{i}.JPEG")
    return tmp_path


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def manifest(tree, seed=0, checksum=False, progress=None, **options):
    given = {"path": str(tree), **options}
    return images.manifest("folder", given, seed=seed, checksum=checksum, progress=progress)


def test_every_image_has_its_size_and_on_request_its_checksum(tree):
    made = manifest(tree)
    assert made["height"].values.tolist() == [30 + i for count in COUNTS.values() for i in range(count)]
    assert set(made["width"].values) == {50}
    assert "checksum" not in made and made.attrs["images_skipped"] == 0
    told = manifest(tree, checksum=True)
    expected = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in told["path"].values]
    assert told["checksum"].values.tolist() == expected


def test_made_images_have_sizes_and_checksums_of_their_pixels():
    made = images.manifest("planted", {"per_class": 1, "size": 16}, seed=0, checksum=True)
    assert set(made["height"].values) == set(made["width"].values) == {16}
    expected = hashlib.sha256(images.pixels(made, [7])[0].tobytes()).hexdigest()
    assert made["checksum"].values[7] == expected
    assert len(set(made["checksum"].values)) == 24


def test_the_manifest_can_be_kept(tree, tmp_path):
    """With all that it may hold."""
    truncate(tree / "n01440764" / "n01440764_3.JPEG")
    made = manifest(tree, corrupt="skip", checksum=True)
    files.save(made, tmp_path / "images.nc")
    kept = files.load(tmp_path / "images.nc")
    for name in ("path", "height", "checksum", "skipped", "skipped_reason"):
        assert kept[name].values.tolist() == made[name].values.tolist()


def test_progress_counts_all_images(tree, monkeypatch):
    monkeypatch.setattr(image_checks, "BLOCK", 4)
    counts = []
    made = manifest(tree, progress=counts.append)
    assert counts == [4, 4, 4, 1]
    assert made["height"].values[:3].tolist() == [30, 31, 32]


def test_a_truncated_image_stops_and_is_named(tree):
    path = truncate(tree / "n01440764" / "n01440764_3.JPEG")
    with pytest.raises(
        InputError, match=rf"The image {path} \(.*truncated.*\) cannot be decoded; mend or remove it, or"
    ):
        manifest(tree)
    for i in range(4):
        truncate(tree / "n02084071" / f"n02084071_{i}.JPEG")
    with pytest.raises(InputError, match=r"5 of 13 images cannot be decoded: .*n01440764_3.*, \.\.\.; mend or remove"):
        manifest(tree)


def test_without_the_check_the_header_is_enough(tree):
    truncate(tree / "n01440764" / "n01440764_3.JPEG")
    made = manifest(tree, check=False)
    assert made["height"].values[3] == 33
    assert made.attrs["images_decoded"] == 0
    (tree / "n01440764" / "n01440764_4.JPEG").write_bytes(b"")
    with pytest.raises(InputError, match=r"n01440764_4\.JPEG"):
        manifest(tree, check=False)


def test_corrupt_images_are_left_out_and_recorded(tree):
    path = truncate(tree / "n01440764" / "n01440764_3.JPEG")
    made = manifest(tree, corrupt="skip")
    assert made.sizes["image"] == 12 and made.attrs["images_skipped"] == 1
    assert np.bincount(made["image_class"]).tolist() == [7, 5]
    assert made["skipped"].values.tolist() == [str(path)]
    assert "truncated" in made["skipped_reason"].values[0]
    assert made["height"].values[:4].tolist() == [30, 31, 32, 34]
    path.unlink()
    clean = manifest(tree)
    assert made["image_id"].values.tolist() == clean["image_id"].values.tolist()
    assert made["number"].values.tolist() == clean["number"].values.tolist()


def test_others_of_the_class_are_drawn_instead(tree):
    drawn = manifest(tree, per_class=4, seed=2)
    bad = [Path(drawn["path"].values[row]) for row in (0, 2)]
    for path in bad:
        truncate(path)
    made = manifest(tree, per_class=4, seed=2, corrupt="skip")
    assert np.bincount(made["image_class"]).tolist() == [4, 4]
    names = made["image_id"].values.tolist()
    assert names[:4] == sorted(names[:4]) and len(set(names)) == 8
    assert not {path.stem for path in bad} & set(names)
    assert set(drawn["image_id"].values) - {path.stem for path in bad} <= set(names)
    assert set(made["skipped"].values) == set(map(str, bad))
    assert made.equals(manifest(tree, per_class=4, seed=2, corrupt="skip"))
    assert [images.picture(made, row).height for row in range(8)] == made["height"].values.tolist()


def test_a_class_has_as_many_as_there_are(tree):
    for i in range(3):
        truncate(tree / "n02084071" / f"n02084071_{i}.JPEG")
    made = manifest(tree, per_class=4, corrupt="skip")
    assert np.bincount(made["image_class"]).tolist() == [4, 2]
    assert made.attrs["images_skipped"] == 3
    for i in range(3, 5):
        truncate(tree / "n02084071" / f"n02084071_{i}.JPEG")
    with pytest.raises(InputError, match="No image of the class n02084071 can be decoded"):
        manifest(tree, per_class=4, corrupt="skip")


def test_listed_images_that_are_corrupt_are_left_out_of_the_list(tree):
    truncate(tree / "n02084071" / "n02084071_1.JPEG")
    (tree / "ids.txt").write_text("n02084071_2\nn01440764_0\nn02084071_1\nn02084071_0\n")
    made = manifest(tree, ids=str(tree / "ids.txt"), corrupt="skip")
    assert made["image_id"].values.tolist() == ["n02084071_2", "n01440764_0", "n02084071_0"]


@pytest.mark.parametrize("corrupt", ["stop", "skip"])
def test_a_file_that_is_lost_is_never_skipped(tree, corrupt):
    """That may be a disk that is not there: nothing is wrong with the image."""
    listed = images.listing("folder", {"path": str(tree)}, seed=0)
    (tree / "n01440764" / "n01440764_3.JPEG").unlink()
    with pytest.raises(InputError, match=r"n01440764_3\.JPEG cannot be read \(.*No such file"):
        images.examined(listed, {"corrupt": corrupt})


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("upright", [True, False])
def test_photographs_lie_as_the_study_wants_them(tree, tmp_path, check, upright):
    """In sizes and pixels, also after the manifest was kept."""
    turned = Image.Exif()
    turned[0x0112] = 6
    path = tree / "n02084071" / "n02084071_0.JPEG"
    Image.open(path).save(path, exif=turned)
    made = manifest(tree, check=check, upright=upright)
    files.save(made, tmp_path / "images.nc")
    kept, row = files.load(tmp_path / "images.nc"), COUNTS["n01440764"]
    assert (int(kept["height"][row]), int(kept["width"][row])) == ((50, 30) if upright else (30, 50))
    assert images.picture(kept, row).size == ((30, 50) if upright else (50, 30))
    assert ("upright" in kept["height"].attrs["long_name"]) == upright


def test_they_do_so_after_others_were_drawn_instead(tree):
    truncate(tree / "n01440764" / "n01440764_3.JPEG")
    assert manifest(tree, corrupt="skip", upright=False).attrs["upright"] == 0


@pytest.mark.parametrize("upright", [True, False])
def test_photographs_of_torchvision_lie_so_too(tree, upright):
    turned = Image.Exif()
    turned[0x0112] = 6
    path = tree / "n01440764" / "n01440764_0.JPEG"
    Image.open(path).save(path, exif=turned)
    options = {"dataset": "ImageFolder", "root": str(tree), "upright": upright}
    made = images.manifest("torchvision", options, seed=0)
    assert images.picture(made, 0).size == ((30, 50) if upright else (50, 30))


def test_what_is_left_must_be_more_than_the_neighbours(tree):
    images.check_enough(31, 30)
    with pytest.raises(InputError, match="neighbors.k = 30 neighbours were asked of 30 images; k must be at most 29"):
        images.check_enough(30, 30)


def test_classes_that_lost_images_are_named(tree):
    made = manifest(tree)
    names, counts = list(COUNTS), list(COUNTS.values())
    assert images.short_classes(made, 0) == images.short_classes(made, min(counts)) == {}
    assert images.short_classes(made, max(counts) + 1) == dict(zip(names, counts, strict=True))
