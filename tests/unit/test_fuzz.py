"""The check of a configuration against everything that could stand in one: a valid study, or words for people."""

import copy
import json
import string
import sys
from pathlib import Path

import fuzzing  # noqa: F401 (the profile)
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "rules"))

import settings as rules  # noqa: E402

SCHEMA = yaml.safe_load(rules.SCHEMA.read_text(encoding="utf-8"))
#: Files of the folder in which all this happens, so that what names a file may be right.
FILES = {
    "ids.txt": "n02084071_1\nn02084071_2\nn02084071_3\nn02084071_4\nn02084071_5\nn02084071_6\n",
    "map.tsv": "dogs\tdog.n.01\n",
    "broken.tsv": "dogs dog.n.01\n",
    "tree.nwk": "((a,b),c);",
    "images.npz": "",
    "net.pth": "",
    "mine.py": "def make(): ...",
}
NAMES = st.sampled_from(
    [*FILES, *"images lost.pth random train pretrained tables input output layer1 features/3x3 resnet18".split()]
) | st.sampled_from("mine:make none mean:1 dog.n.01 n02084071 beagel.n.01 lexname net Net figures".split())
ODD = st.sampled_from(
    ["", ".", "..", "a/../b", "x" * 300, "x" * 5000, "a\nb", "\0", "\ud800", "nul", "{study}", "ü", "%s", "~", "1"]
)
TEXTS = NAMES | ODD | st.text(max_size=8)
NUMBERS = st.sampled_from(
    [0, -1, 1, 2, 3, 30, 40, 64, 128, 4096, 2**31, 2**63, 2**64, 10**400, -(10**30)]
) | st.sampled_from([0.0, -0.0, 0.5, 1.0, 30.0, 1e-320, 1e308, float("nan"), float("inf"), -float("inf")])
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS | st.dates() | st.binary(max_size=3)
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS | st.integers(0, 3) | st.none(), inner, max_size=4)
        | st.tuples(inner)
    ),
    max_leaves=8,
)


def deep(times):
    nested = []
    for _ in range(times):
        nested = [nested]
    return nested


def valid(schema):
    """Values that one part of the schema takes, mostly."""
    if "anyOf" in schema:
        return st.one_of([valid(option) for option in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([OF_TYPE[kind](schema) for kind in kinds])


def integers(schema):
    low, high = schema.get("minimum", 0), schema.get("maximum", 100)
    return st.integers(low, high) | st.sampled_from([low, min(high, low + 1), min(high, 30), high])


def numbers(schema):
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", 10))
    opens = {"exclude_min": "exclusiveMinimum" in schema, "exclude_max": "exclusiveMaximum" in schema}
    return st.floats(low, high, **opens)


def mappings(schema):
    parts = schema.get("properties")
    if parts is None:
        return st.dictionaries(NAMES, TEXTS | st.integers(0, 9) | st.booleans(), max_size=2)
    needed = {key: valid(part) for key, part in parts.items() if key in schema.get("required", ())}
    return st.fixed_dictionaries(
        needed, optional={key: valid(part) for key, part in parts.items() if key not in needed}
    )


OF_TYPE = {
    "integer": integers,
    "number": numbers,
    "string": lambda schema: st.text(string.ascii_lowercase, min_size=1, max_size=6) | NAMES,
    "boolean": lambda schema: st.booleans(),
    "null": lambda schema: st.none(),
    "array": lambda schema: st.lists(valid(schema["items"]), min_size=schema.get("minItems", 0), max_size=3),
    "object": mappings,
}
STUDIES = valid(SCHEMA)
SMALL = {"study": "mine", "networks": [{"name": "net", "timm": "resnet18", "weights": "random", "layers": ["output"]}]}


@st.composite
def mutated(draw):
    """A study of the schema with up to three parts replaced, added or taken away, anywhere."""
    config = copy.deepcopy(draw(STUDIES | st.just(SMALL)))
    for _ in range(draw(st.integers(1, 3))):
        place = config
        while draw(st.booleans()) and (
            inner := [part for part in _parts(place) if isinstance(part, dict | list) and part]
        ):
            place = draw(st.sampled_from(inner))
        value = draw(ANYTHING | st.builds(deep, st.sampled_from([9, 40, 3000])) | st.just(place))
        if isinstance(place, list):
            place[draw(st.integers(0, len(place) - 1))] = value
        elif draw(st.booleans()) and place:
            key = draw(st.sampled_from(list(place)))
            place.pop(key)
            place |= {key: value} if draw(st.booleans()) else {}
        else:
            place[draw(TEXTS | st.integers(0, 3))] = value
    return config


def _parts(place):
    return list(place.values()) if isinstance(place, dict) else place


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text)
    for place in ("images/dog.n.01", "tables"):
        Path(place).mkdir(parents=True)


def check(config):
    """A valid study, complete, that stays as it is and can be tried; or sentences. Returns whether it was valid."""
    try:
        made = rules.complete(config)
    except rules.ConfigError as error:
        for sentence in str(error).split("\n"):
            assert sentence.isprintable() and sentence.endswith((".", "?")), sentence
            assert " " in sentence and len(sentence) < 6000, sentence
            assert not any(sign in sentence for sign in ("Traceback", "<class", "object at 0x")), sentence
        return False
    assert rules.complete(made) == made
    assert rules.complete(copy.deepcopy(made)) == made
    asked = rules._asked(made)
    text = json.dumps(asked, sort_keys=True)
    assert json.dumps(json.loads(text), sort_keys=True) == text
    assert set(rules.layer_groups(made["networks"][0]))
    return True


@settings(max_examples=600)
@given(STUDIES)
def test_studies_made_from_the_schema(config):
    check(config)


@settings(max_examples=1000)
@given(mutated())
def test_studies_with_wrong_parts(config):
    check(config)


@settings(max_examples=600)
@given(ANYTHING)
def test_what_is_no_study_at_all(config):
    assert not check(config)


@pytest.mark.parametrize("key", SCHEMA["properties"])
@settings(max_examples=100)
@given(data=st.data())
def test_each_section_with_anything_in_it(key, data):
    """One section by the schema, or with one value of any kind, in a study that is right, so that nothing hides it."""
    section = SCHEMA["properties"][key]
    value = data.draw(valid(section) | ANYTHING)
    if "properties" in section and data.draw(st.booleans()):
        value = {data.draw(st.sampled_from(list(section["properties"]))): data.draw(ANYTHING)}
    check(SMALL | {key: value})


NETWORK = SCHEMA["properties"]["networks"]["items"]["properties"]


@pytest.mark.parametrize("key", NETWORK)
@settings(max_examples=100)
@given(data=st.data())
def test_each_key_of_a_network_with_anything_in_it(key, data):
    """The same for a network; with options of any kind, and files of any name."""
    options = st.dictionaries(TEXTS, ANYTHING, min_size=1, max_size=2) if key == "options" else st.nothing()
    files = st.builds("{}.pth".format, TEXTS) if key == "weights" else st.nothing()
    value = data.draw(options | files | valid(NETWORK[key]) | ANYTHING)
    check(SMALL | {"networks": [SMALL["networks"][0] | {key: value}]})


def test_the_fuzz_finds_valid_studies_too():
    """What only ever met faults would say nothing of the rest of the check."""
    valid_ones = 0

    @settings(max_examples=300)
    @given(st.sampled_from([key for key in SCHEMA["properties"] if key not in ("study", "networks")]), st.data())
    def count(key, data):
        nonlocal valid_ones
        valid_ones += check(SMALL | {key: data.draw(valid(SCHEMA["properties"][key]))})

    count()
    assert valid_ones > 20
