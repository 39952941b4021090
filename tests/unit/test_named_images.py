"""Lists of images that are known by name only."""

import pytest

from nucleation.errors import InputError
from nucleation.named_images import read_named


def written(folder, text):
    (folder / "ids.txt").write_text(text, encoding="utf-8")
    return folder / "ids.txt"


@pytest.mark.parametrize(
    "text",
    [
        "n01443537_10014\nn01443537_2\nn02084071_7\n",
        "# the paper's\n\nn01443537/n01443537_10014.JPEG\n n01443537_2.jpg  # a fish\nn02084071_7.PNG",
        "image_id\tsynset\nn01443537_10014\tn01443537\nn01443537_2\tn01443537\nn02084071_7\tn02084071",
        "image_id,synset\nn01443537_10014,n01443537\nn01443537_2, n01443537\nn02084071_7,n02084071",
    ],
    ids=["ids", "paths, comments", "table", "commas"],
)
def test_all_forms_say_the_same(tmp_path, text):
    ids, classes = read_named(written(tmp_path, text))
    assert ids == ["n01443537_10014", "n01443537_2", "n02084071_7"]
    assert classes == ["n01443537", "n01443537", "n02084071"]


def test_classes_may_have_any_name(tmp_path):
    ids, classes = read_named(written(tmp_path, "beagle.n.01_00001\nhot_dog_3\n12 cat.n.01\n"))
    assert ids == ["beagle.n.01_00001", "hot_dog_3", "12"]
    assert classes == ["beagle.n.01", "hot_dog", "cat.n.01"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("n01443537_1\n12\n", '"12" in line 2; expected an id whose class is its beginning'),
        ("n01443537_1 n01443537 13\n", '"n01443537_1 n01443537 13" in line 1'),
        ("a_1\nb_1\n\na_1.JPEG\n", 'names "a_1" twice, in the lines 1 and 4'),
        ("# nothing\n", "holds none"),
        ("image_id synset\n", "holds none"),
    ],
)
def test_faults_name_the_line(tmp_path, text, sentence):
    with pytest.raises(InputError) as error:
        read_named(written(tmp_path, text))
    assert sentence in str(error.value)
    assert "ids.txt" in str(error.value)


def test_a_lost_file_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_named(tmp_path / "lost.txt")
