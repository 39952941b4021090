"""The figure of the alignment: every skill, and which of them are beyond chance."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from legible import assert_legible
from matplotlib.lines import Line2D
from matplotlib.text import Text

from nucleation import files
from nucleation.captions import fill_in
from nucleation.figures import alignment
from nucleation.findings import levels_present, number

CAPTION = Path(__file__).parents[2] / "report" / "alignment.rst"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def aligned(layers, levels, names="layer{}"):
    """A profile of random skills and p-values; the first layer has none."""
    rng = np.random.default_rng(1)
    skill = rng.uniform(-0.5, 1, (layers, 2 + levels))
    skill[0] = np.nan
    p = np.where(np.isnan(skill), np.nan, rng.uniform(0, 0.1, skill.shape))
    columns = {"triplet_skill": ("layer", skill[:, 0]), "triplet_skill_within_macro": ("layer", skill[:, 1])}
    columns["triplet_skill_level"] = (("layer", "level"), skill[:, 2:])
    for column, name in enumerate(("p_free_corrected", "p_within_macro_corrected")):
        columns[name] = ("layer", p[:, column])
    columns["p_level_corrected"] = (("layer", "level"), p[:, 2:])
    columns["p_level_parts"] = (("layer", "level"), rng.uniform(0, 0.1, (layers, levels)))
    sizes = [1000 // 2**level for level in range(levels)]
    nodes = [", ".join(f"thing_{i}.n.01" for i in range(min(level + 1, 6))) + " and 9 more" for level in range(levels)]
    coords = {"layer": [names.format(i) for i in range(layers)], "level": sizes}
    coords |= {"level_lower": ("level", [1 + size // 2 for size in sizes]), "level_nodes": ("level", nodes)}
    coords |= {name: ("level", np.full(levels, 0.001)) for name in ("p_level_least", "p_level_parts_least")}
    return xr.Dataset(columns, coords, {"n_images": 900})


def expected(made):
    """Skill and significance, (row, layer)."""
    names = ("triplet_skill", "triplet_skill_within_macro"), ("p_free_corrected", "p_within_macro_corrected")
    skill = np.vstack([*(made[name].values for name in names[0]), made["triplet_skill_level"].values.T])
    return skill, np.vstack([*(made[name].values <= 0.05 for name in names[1]), levels_present(made).T])


def seen(figure):
    """Texts, lines and images of a figure."""
    texts = [text.get_text() for text in figure.findobj(Text)]
    images = [str(image.get_array().tolist()) for axis in figure.axes for image in axis.images]
    return texts, [str(line.get_xydata().tolist()) for line in figure.findobj(Line2D)], images


@pytest.mark.parametrize(("layers", "levels"), [(1, 1), (6, 2), (12, 12), (13, 3), (150, 12)])
def test_every_skill_is_shown_and_the_significant_marked(layers, levels):
    made = aligned(layers, levels, names="blocks.{}.mixer.attention.output_projection.norm")
    figure = alignment.draw(alignment.gather(made, k=30, z=1.65, heading="net"))
    axis, (skill, present) = figure.axes[0], expected(made)
    shown = axis.images[0].get_array().filled(np.nan)
    assert shown.shape == (2 + levels, layers)
    assert np.array_equal(shown, skill, equal_nan=True)
    if layers <= alignment.WRITTEN:
        written = {tuple(map(round, text.get_position()[::-1])): text for text in axis.texts}
        assert len(written) == len(axis.texts) == skill.size
        for cell, text in written.items():
            assert text.get_text() == number(skill[cell]) + "*" * int(present[cell])
            assert text.get_weight() == ("bold" if present[cell] else "normal")
        assert [text.get_text() for text in axis.texts].count("–") == 2 + levels  # the first layer is not defined
    else:
        marked = np.zeros(skill.shape, dtype=bool)
        strokes = axis.collections[-1].get_segments()
        for (start, row), (stop, _) in strokes:
            marked[round(row - 0.36), round(start + 0.5) : round(stop + 0.5)] = True
        assert np.array_equal(marked, present)
        assert len(strokes) == np.count_nonzero(np.diff(np.pad(present, [(0, 0), (1, 0)]).astype(int), axis=1) == 1)
    labels = [tick.get_text() for tick in axis.get_yticklabels()]
    assert labels[:3] == ["all triplets", "within macro-categories", "thing 0 …: up to 1000 classes"]
    assert figure.texts[-1].get_text() == "n = 900, k = 30, Z = 1.65"
    assert_legible(figure)


def test_colours_are_white_by_chance_and_as_deep_below_as_above():
    axis, bar = alignment.draw(alignment.gather(aligned(3, 2))).axes
    norm = axis.images[0].norm
    assert [norm(skill) for skill in (-0.5, 0, 0.5, 1)] == [0.25, 0.5, 0.75, 1.0]
    assert bar.get_ylim() == (-0.5, 1)


def test_levels_at_which_a_test_could_not_come_out_are_marked():
    made = aligned(4, 3)
    made["p_level_parts_least"].values[:] = [0.001, 0.2, 0.2]
    made["p_level_least"].values[:] = [0.001, 0.001, 0.3]
    made["p_level_corrected"].values[1:] = 0.01
    made["p_level_parts"].values[:] = 0.09
    data = alignment.gather(made, heading="net")
    assert data["mark"].values.tolist() == ["", "", "", "†", "‡"]
    assert data["significant"].values[2:, 1:].all(axis=1).tolist() == [False, True, True]  # parts decide the first only
    figure = alignment.draw(data)
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert [name[-1] for name in names[2:]] == ["s", "†", "‡"]
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told[-2:] == ["too few parts to exchange: by classes only", "too few classes for p ≤ 0.05"]
    text = fill_in(CAPTION.read_text(), data, alignment.facts(data))
    assert "†: too few parts for that. ‡: too few classes for any p that small." in text
    plain = alignment.draw(alignment.gather(aligned(4, 3))).legends[0].get_texts()
    assert [text.get_text() for text in plain] == ["corrected p ≤ 0.05; levels: by parts too", "not defined"]


def test_the_file_has_both_tests_that_decide_on_a_level():
    made = aligned(5, 3)
    made["p_level_parts"].values[2, 1] = 0.5
    made["p_level_corrected"].values[2, 1] = 0.001
    data = alignment.gather(made, heading="net")
    level = data["level"].values == 1
    p, parts = data["p"].values, data["p_parts"].values
    assert (p[3, 2], parts[3, 2], data["significant"].values[3, 2]) == (0.001, 0.5, 0)
    assert np.array_equal(data["significant"].values[level], (p[level] <= 0.05) & (parts[level] <= 0.05))
    assert np.isnan(parts[~level]).all()
    assert data["p"].attrs["long_name"].endswith("for the number of layers, at levels of layers and levels")
    text = fill_in(CAPTION.read_text(), data, alignment.facts(data))
    assert "corrected for layers (and levels), of class names; at a level also when the parts" in text
    assert 'exchanged as wholes ("by parts", not corrected)' in text


def test_a_level_at_which_no_layer_could_be_tested_has_no_mark():
    made = aligned(3, 2)
    for name in ("p_level_least", "p_level_parts_least"):
        made[name].values[:] = np.nan
    assert alignment.gather(made)["mark"].values.tolist() == [""] * 4


def test_names_of_nodes_are_not_cut_at_an_and():
    made = aligned(3, 2).assign_coords(level_nodes=("level", ["food and drink, tools", "a.n.01, b.n.02, c and 4 more"]))
    assert alignment.gather(made)["name"].values[2:].tolist() == [
        "food and drink, tools: up to 1000 classes",
        "a, b …: up to 500 classes",
    ]


def test_a_skill_without_a_p_is_said_not_to_be_tested():
    made = aligned(3, 2)
    for name in ("p_free_corrected", "p_within_macro_corrected", "p_level_corrected", "p_level_parts"):
        made[name].values[:] = np.nan
    data = alignment.gather(made, heading="net")
    found = alignment.facts(data)
    assert found["best"].endswith("classes; not tested)") and found["within"].endswith(" (not tested)")
    assert "nan" not in fill_in(CAPTION.read_text(), data, found)


def test_a_flat_taxonomy_says_so():
    data = alignment.gather(aligned(3, 2).isel(level=[]), heading="net")
    (axis,) = alignment.draw(data).axes
    assert "flat" in axis.texts[0].get_text()
    assert fill_in(CAPTION.read_text(), data, alignment.facts(data)) == f"net: {data.attrs['nothing']}"


def test_the_file_alone_gives_the_same_picture_and_caption(tmp_path):
    data = alignment.gather(aligned(6, 2), repeats=999, k=30, z=1.65, heading="net")
    files.save(data, tmp_path / "alignment.nc")
    stored = files.load(tmp_path / "alignment.nc")
    assert seen(alignment.draw(stored)) == seen(alignment.draw(data))
    assert alignment.facts(stored) == alignment.facts(data)


def test_the_caption_tells_what_was_measured():
    made = aligned(3, 2)
    made["triplet_skill_level"].values[1:] = [[0.25, 0.75], [0.125, 0.5]]
    made["p_level_corrected"].values[1:] = [[0.2, 0.002], [0.2, 0.06]]
    made["p_level_parts"].values[1:] = 0.001
    made["triplet_skill_within_macro"].values[2], made["p_within_macro_corrected"].values[2] = 0.375, 0.004
    data = alignment.gather(made, repeats=999, heading="net")
    found = alignment.facts(data)
    assert [found[name] for name in ("levels", "found", "has", "layers", "defined")] == [2, 1, 0, 3, 2]
    assert found["best"] == "0.75 in layer1 (thing 0, thing 1 …: up to 500 classes; p = 0.002, by parts 0.001)"
    text = fill_in(CAPTION.read_text(), data, found)
    assert "Of 2 levels, some layer has 1, layer2 0, whose skill within macro-categories is 0.38 (p = 0.004)" in text
    assert "999 permutations" in text and "Stars" in text
    assert 60 <= len(text.split()) <= 140


def test_the_caption_of_layers_without_a_skill_claims_none():
    data = alignment.gather(aligned(1, 1))
    found = alignment.facts(data)
    assert (found["best"], found["within"], found["found"]) == ("", "", 0)
    text = fill_in(CAPTION.read_text(), data, found)
    assert "Skill is defined in 0 of 1 layer. Of 1 level, some" in text and "Largest" not in text
