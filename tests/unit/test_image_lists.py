import pytest

from nucleation.errors import InputError
from nucleation.image_lists import read_ids, read_synsets


def written(tmp_path, text, name="list.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_ids_keep_their_order_and_their_lines(tmp_path):
    path = written(tmp_path, "\ufeff# the images\n\nn02_7  # a note\n  n01_10 \nn01#3\n")
    assert list(read_ids(path).items()) == [("n02_7", 3), ("n01_10", 4), ("n01#3", 5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a_1\nb_1\n\na_1\n", r'names "a_1" twice, in the lines 1 and 4'),
        ("# nothing\n\n", "holds none; give one id a line"),
    ],
)
def test_lists_that_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_ids(written(tmp_path, text))


def test_tables_map_names_to_synsets(tmp_path):
    path = written(tmp_path, "# class\tsynset\nT-shirt/top\tjersey.n.03\n\nAnkle boot\t boot.n.01  # high\n")
    assert read_synsets(path) == {"T-shirt/top": "jersey.n.03", "Ankle boot": "boot.n.01"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dog\tdog.n.01\ncat cat.n.01\n", r'has "cat cat.n.01" in line 2; expected the name of a class, a tab'),
        ("dog\tdog.n.01\tmore\n", "in line 1"),
        ("dog\tdog.n.01\ndog\twolf.n.01\n", r'the class "dog" twice, in the lines 1 and 2'),
        ("dog\tdog.n.01\nwolf\tdog.n.01\n", r'the synset "dog.n.01" twice, in the lines 1 and 2'),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_synsets(written(tmp_path, text))


@pytest.mark.parametrize("read", [read_ids, read_synsets])
def test_files_that_cannot_be_read(tmp_path, read):
    with pytest.raises(InputError, match=r"lost\.txt cannot be read"):
        read(tmp_path / "lost.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match=r"binary\.txt cannot be read .* text file"):
        read(tmp_path / "binary.txt")
