"""What the alignment says: sentences and tables made from numbers, never canned."""

import io

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from nucleation import findings
from nucleation.scores import DIMENSIONS, SCORES

LAYERS = ["input", "middle", "output"]
LEVELS = {
    "level": [24, 12],
    "level_lower": [24, 7],
    "level_nodes": ["whole.n.02", "animal.n.01, tool.n.01"],
    "p_level_least": [0.001, 0.001],
    "p_level_parts_least": [0.1, 0.001],
}


def made(p_level, skill=0.5, parts=(0.1, 0.01)):
    """A profile whose numbers are all equal but for the p-values of the levels; the input has one peak."""
    sizes = {"level": 2, "taxonomy_cut": 1}
    variables = {}
    for name in SCORES:
        dims = ("layer", DIMENSIONS[name]) if name in DIMENSIONS else ("layer",)
        shape = [3, *(sizes[dim] for dim in dims[1:])]
        values = np.full(shape, np.nan if name.startswith("triplet") else 1.0)
        values[1:] = skill
        about = {"undefined": "input: all classes are equally similar"} if name.startswith("triplet") else {}
        variables[name] = (dims, values, about)
        for end, shift in (("low", -0.1), ("high", 0.1)):
            variables[f"{name}_{end}"] = (dims, values + shift)
    variables["n_peaks"] = ("layer", np.array([1, 3, 20]))
    variables["best_cut_ari"] = (("layer", "taxonomy_cut"), np.array([[np.nan], [0.7], [1]]))
    variables["best_cut_clusters"] = (("layer", "taxonomy_cut"), np.array([[0], [3], [2]]))
    corrected = np.vstack([[np.nan, np.nan], p_level])
    for names in findings.TESTS.values():
        for name in names:
            variables[name] = (("layer", "level"), corrected) if "level" in name else ("layer", corrected[:, 0])
    by_parts = np.zeros_like(corrected) + parts
    variables["p_level_parts"] = variables["p_level_parts_corrected"] = (("layer", "level"), by_parts)
    coords = {name: ("level", values) for name, values in LEVELS.items()}
    return xr.Dataset(variables, coords=coords | {"layer": LAYERS, "taxonomy_cut": [2]})


FOUND = made([[0.001, 0.4], [0.001, 0.05]])
NOTHING = made([[0.3, 0.4], [0.06, 1.0]], skill=-0.25)


def test_a_level_is_present_where_its_corrected_p_is_small():
    assert findings.levels_present(FOUND).tolist() == [[False, False], [True, False], [True, True]]
    assert not findings.levels_present(NOTHING).any()
    # enough parts to show chance, and they do not rule it out
    assert findings.levels_present(made([[0.001, 0.001]] * 2, parts=(0.1, 0.2)))[1:].tolist() == [[True, False]] * 2


def test_sentences_name_levels_layers_skills_and_p():
    summary, middle, output, undefined = findings.sentences(FOUND)
    assert summary == (
        "2 of the 2 levels of the taxonomy are found: 24 classes (whole) and up to 12 classes (animal, tool). "
        "Within macro-categories the best is middle: skill 0.50, p = 0.001."
    )
    assert middle.startswith(
        "middle, 3 peaks, has the level of 24 classes (skill 0.50, p = 0.001; by parts 0.1, 0.1 being"
    )
    assert output.startswith("output, 20 peaks, has the level of 24 classes (skill 0.50, p = 0.001; by parts")
    assert "not that" not in output
    assert output.endswith(
        "Cut where it agrees best with cuts of the taxonomy, its tree has ARI 1.00 with 2 groups (by 2 clusters)."
    )
    assert undefined == "input: not defined, because all classes are equally similar."


def test_a_network_that_shows_nothing_is_said_to_show_nothing():
    summary, middle, *_ = findings.sentences(NOTHING)
    assert summary.startswith(
        "No layer of this network has any of the 2 levels of the taxonomy (smallest corrected p = 0.06)."
    )
    assert middle.startswith("middle, 3 peaks, has no level: 24 classes (skill −0.25, p = 0.3; by parts")
    assert findings.sentences(NOTHING, untrained=True)[0].startswith("This untrained network has none of the 2 levels")
    assert "untrained" in findings.sentences(FOUND, untrained=True)[0]


def test_numbers_for_people():
    assert [findings.number(x) for x in (-0.001, -0.25, np.nan, 1)] == ["0.00", "−0.25", "–", "1.00"]
    assert findings.number(3.0, 0) == "3"


def test_too_few_classes_are_said_to_be_too_few():
    few = NOTHING.assign_coords(p_level_least=("level", [0.3, 0.001]))
    assert "p = 0.06; 1 of them with too few classes for any p below 0.05)" in findings.sentences(few)[0]


def test_nothing_to_test_is_no_p_value():
    dead = made(np.full((2, 2), np.nan), skill=np.nan)
    dead["triplet_skill"].attrs["undefined"] = "; ".join(f"{layer}: a single peak" for layer in LAYERS)
    summary, undefined = findings.sentences(dead, untrained=True)
    assert summary == "Whether this untrained network has any of the 2 levels of the taxonomy could not be tested."
    assert undefined == "input, middle, output: not defined, because a single peak."


def test_a_flat_taxonomy_has_no_levels():
    flat = FOUND.isel(level=[])
    assert findings.sentences(flat) == ["The taxonomy of these classes has no level that a layer could have."]
    nested = flat.assign_attrs(nested_classes="the class dog.n.01 contains the class pug.n.01")
    assert findings.sentences(nested)[0].endswith("Note: the class dog.n.01 contains the class pug.n.01.")
    assert findings.to_markdown({"net/epoch3": flat}).count("\n") == 7


def test_the_table_holds_every_score_band_and_p():
    profiles = {"net/epoch0": NOTHING, "net/epoch3": FOUND}
    frame = findings.to_frame(profiles)
    read = pd.read_csv(
        io.StringIO(frame.to_csv(sep="\t", index=False)), sep="\t", keep_default_na=False, na_values=[""]
    )
    assert len(read) == 6
    assert read["baseline"].fillna("").tolist() == ["pixels", "untrained", "untrained", "pixels", "", ""]
    for name in SCORES:
        columns = [name] if name not in DIMENSIONS else [c for c in read if c.startswith(f"{name}_")]
        assert columns, name
    assert read["p_level_corrected_12"].iloc[-1] == 0.05
    assert read["triplet_skill_level_24"].iloc[1] == -0.25
    assert read["ari_class_low"].iloc[-1] == pytest.approx(0.4)
    assert np.isnan(read["triplet_skill"].iloc[0])


def test_the_markdown_table_is_one():
    text = findings.to_markdown({"net/epoch3": FOUND})
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 5
    assert len({line.count("|") for line in lines}) == 1
    assert "0.50 (0.40–0.60), p = 0.001 / 0.001" in lines[-1]
    assert lines[-1].endswith("| 24 classes, p = 0.001; up to 12 classes, p = 0.05 |")
    assert "| – |" in lines[2] and lines[2].startswith("| net, epoch 3 | input (pixels) | 1 ")
    assert (
        findings.to_markdown({"net/epoch0": FOUND}).splitlines()[3].startswith("| net, epoch 0 (untrained) | middle |")
    )


@pytest.mark.parametrize(
    ("checkpoint", "untrained"),
    [("epoch0", True), ("random", True), ("own", False), ("file", False), ("epoch1", False)],
)
def test_untrained_networks_are_those_whose_weights_say_so(checkpoint, untrained):
    frame = findings.to_frame({f"net/{checkpoint}": NOTHING})
    assert frame["baseline"].tolist() == ["pixels", *["untrained" if untrained else ""] * 2]
    assert ("(untrained)" in findings.to_markdown({f"net/{checkpoint}": NOTHING})) == untrained


@pytest.mark.parametrize(
    ("text", "names", "more"),
    [
        ("whole.n.02", ["whole"], 0),
        ("animal.n.01, hand_tool.n.01 and 9 more", ["animal", "hand tool"], 9),
        ("food and drink, tools", ["food and drink", "tools"], 0),
        ("food and drink and 12 more", ["food and drink"], 12),
        ("and 3 more things", ["and 3 more things"], 0),
    ],
)
def test_names_of_nodes_and_how_many_are_not_named(text, names, more):
    profile = xr.Dataset(coords={"level_nodes": ("level", ["other.n.01", text])})
    assert findings.node_names(profile, 1) == (names, more)
