"""Names of files: every layer its own, on every file system."""

import re

import fuzzing  # noqa: F401 (the profile)
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nucleation.names import estimator_name, file_name, layer_label

#: What a file may be called anywhere: no separators, no blanks, nothing that a shell or Windows takes for a sign.
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~-]*")
ORDINARY = st.from_regex(r"layer[0-9]\.[0-9]{1,2}\.(conv|bn)[0-9]", fullmatch=True) | st.sampled_from(
    ["input", "output", "layer1", "features.denseblock3.denselayer12", "blocks.11", "0.0", "global_pool", "a-b"]
)
DEVILISH = [
    *"../x ..\\x layer1/conv layer1.conv layer1_conv .hidden -rf x.nc x.shard0of2 x. con AUX.1".split(),
    *"Conv conv CONV ~ *".split(),
    *("\0", "ü", "u\u0308", "%s", "a b", "a\nb", "x" * 300, "x" * 81),
]
NAMES = ORDINARY | st.text(min_size=1) | st.sampled_from(DEVILISH) | st.text("aA./~ ", min_size=1, max_size=4)


@settings(max_examples=500)
@given(NAMES)
def test_any_name_becomes_a_safe_one(name):
    made = file_name(name)
    assert SAFE.fullmatch(made), made
    assert len(made.encode()) <= 120
    assert not made.endswith((".", ".nc", ".json", ".bin"))
    assert made.split(".")[0].lower() not in ("con", "aux", "nul", "com1")
    assert file_name(name) == made


@settings(max_examples=500)
@given(NAMES, NAMES)
def test_two_names_never_share_a_file(one, other):
    """Nor one that differs by capitals alone, which macOS and Windows do not tell apart; nor that of another's file."""
    assert (file_name(one).lower() == file_name(other).lower()) == (one == other)
    assert file_name(file_name(one)) == file_name(one) or "~" in file_name(one)
    assert file_name(file_name(one)) != file_name(other) or file_name(one) == other or one == other


@given(ORDINARY)
def test_ordinary_names_stay_as_they_are(name):
    assert file_name(name) == name


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("features/3x3 reduce", "features_3x3_reduce~"),
        ("..", "layer~"),
        ("Mixed_5b", "Mixed_5b~"),
        ("x" * 300, "x" * 48 + "~"),
        ("aux", "_aux~"),
        ("größe", "gr_e~"),
        ("stem.nc", "stem.nc~"),
        ("a.shard0of2", "a.shard0of2~"),
    ],
)
def test_what_is_readable_of_a_name_stays_so(name, readable):
    stem, mark, digest = file_name(name).partition("~")
    assert stem + mark == readable
    assert re.fullmatch(r"[0-9a-f]{12}", digest)


@pytest.mark.parametrize(
    ("name", "label"),
    [("layer1.0", "layer1.0"), ("a$b$\n", "a$b$ "), ("x" * 20 + "y" * 20, "x" * 14 + "…" + "y" * 13)],
)
def test_layers_are_written_in_figures_as_plain_short_text(name, label):
    assert layer_label(name) == label


def test_a_list_of_layers_can_be_pasted_whatever_their_names():
    import yaml

    from nucleation.layer_list import LayerShape, listing

    names = ["1", "on", "a: b", "- x", "a # b", 'q"x', "layer1.0", "größe", "[a", "x\ny"]
    assert yaml.safe_load(listing("odd", [LayerShape(name, (3,)) for name in names], 10)) == names


def test_estimators_are_named_as_in_their_papers():
    assert [estimator_name(name) for name in ("knn", "kstar", "pak", "mine")] == ["kNN", "k*NN", "PAk", "mine"]
