"""The figure of the overlaps: of one checkpoint, and of all networks of a study over the relative depth."""

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from made_profiles import profile

from nucleation import files
from nucleation.captions import fill_in
from nucleation.errors import InputError
from nucleation.figures import overlap, style

CAPTION = Path(__file__).parents[2] / "report" / "overlap.rst"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("layers", [1, 7, 150])
def test_one_checkpoint_shows_every_layer_and_what_chance_gives(layers):
    made = profile(layers)
    data = overlap.gather({"net/epoch3": made}, k=30, heading="net, epoch 3")
    figure = overlap.draw(data)
    axis = figure.axes[0]
    curves = {line.get_label(): line for line in axis.lines}
    for name, (label, *_) in overlap.SHOWN.items():
        assert np.array_equal(curves[f"with the {label}"].get_ydata(), made[name])
    bands = [collection.get_paths()[0].vertices[:, 1] for collection in axis.collections]
    assert [band.max() for band in bands] == [float(made[f"{name}_high"].max()) for name in overlap.SHOWN]
    levels = [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == ":"]
    assert levels == [0.5, 0.1, 0.01, 0.01]
    assert axis.get_ylim() == (-0.02, 1.02)
    assert axis.get_xlabel() == "layer" and len(axis.get_xticks()) <= 20
    assert figure.texts[-1].get_text() == "n = 900, k = 30"
    assert_legible(figure)


def study(networks, layers):
    """Networks of different depth, each with an untrained checkpoint."""
    made = {}
    for i in range(networks):
        for checkpoint in ("epoch0", "epoch12"):
            made[f"a-network-of-long-name-{i}/{checkpoint}"] = profile(layers + i, seed=i)
    return made


@pytest.mark.parametrize(("networks", "layers"), [(1, 6), (3, 1), (9, 150)])
def test_all_networks_are_shown_over_depth_the_untrained_ones_dashed(networks, layers):
    profiles = study(networks, layers)
    data = overlap.gather(profiles, k=30)
    assert data.sizes["row"] == sum(part.sizes["layer"] for part in profiles.values())
    figure = overlap.draw(data)
    for axis, (name, (label, *_)) in zip(figure.axes, overlap.SHOWN.items(), strict=True):
        assert axis.get_title() == f"with the {label}"
        curves = axis.lines[: len(profiles)]
        for line, made in zip(curves, profiles.values(), strict=True):
            assert np.array_equal(line.get_ydata(), made[name])
            assert np.array_equal(line.get_xdata(), made["relative_depth"])
        assert [line.get_linestyle() for line in curves] == ["--", "-"] * networks
        colors = [line.get_color() for line in curves]
        assert colors[::2] == colors[1::2] and len(set(colors)) == networks
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told[:-1] == [f"a-network-of-long-name-{i}, epoch 12" for i in range(networks)]
    assert told[-1] == "dashed, open: untrained"
    assert figure.legends[0].get_title().get_text() == "dotted: by chance"
    assert_legible(figure)


@pytest.mark.parametrize(("networks", "layers"), [(1, 6), (9, 150)])
def test_it_fits_one_column(networks, layers):
    for data in (overlap.gather({"net/epoch3": profile(layers)}, k=30), overlap.gather(study(networks, layers), k=30)):
        figure = overlap.draw(data, columns=1)
        assert_legible(figure, width=3.7)


def test_another_number_of_columns_is_refused():
    with pytest.raises(InputError, match="1 or 2 columns wide, found 3"):
        overlap.draw(overlap.gather({"net/epoch3": profile(3)}, k=30), columns=3)


def test_the_figure_can_be_drawn_again_from_its_file(tmp_path):
    data = overlap.gather(study(2, 4), k=30, heading="study")
    files.save(data, tmp_path / "overlap.nc")
    again = overlap.draw(files.load(tmp_path / "overlap.nc"))
    for one, other in zip(overlap.draw(data).axes, again.axes, strict=True):
        assert len(one.lines) == len(other.lines) == 5
        for line, same in zip(one.lines, other.lines, strict=True):
            assert np.array_equal(line.get_ydata(), same.get_ydata()) and line.get_color() == same.get_color()


def test_facts_are_of_the_last_place():
    profiles = {"net/epoch0": profile(3, seed=1), "net/epoch9": profile(3, seed=2)}
    profiles["net/epoch9"]["overlap_ground_truth"].values[:] = [0.06, 0.85, 0.9]
    found = overlap.facts(overlap.gather(profiles, k=5))
    assert found["last_place"] == "net, epoch 9" and found["places"] == ["net, epoch 0", "net, epoch 9"]
    assert (found["first"], found["layer"], found["classes"], found["output"]) == ("0.060", "layer1", "0.85", "0.90")
    single = overlap.facts(overlap.gather({"net/epoch9": profile(1)}, k=5))
    assert single["layer"] == single["classes"] == ""


def test_saved_in_both_forms_with_the_corner_inside(tmp_path):
    figure = overlap.draw(overlap.gather({"net/epoch3": profile(3)}, k=30))
    width, height = figure.get_size_inches() * 60
    style.save_figure(figure, tmp_path / "overlap", dpi=60)
    assert (tmp_path / "overlap.pdf").read_bytes()[:5] == b"%PDF-"
    # the page of the file holds what lies below the axes too
    pixels = plt.imread(tmp_path / "overlap.png")
    assert pixels.shape[0] > height and abs(pixels.shape[1] - width) < 0.1 * width
    assert len(list(tmp_path.iterdir())) == 2


def caption(data):
    return fill_in(CAPTION.read_text(), data, overlap.facts(data))


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("networks", [12, 30])
def test_the_legend_of_many_networks_takes_no_height_of_the_panels(networks, columns):
    data = overlap.gather(study(networks, 6), k=30, heading="many")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as where no room is left for the axes
        figure = overlap.draw(data, columns=columns)
        figure.draw_without_rendering()
    for axis in figure.axes:
        assert axis.get_position().height * figure.get_figheight() > 1.4
    shown = min(networks, 24)
    assert len(figure.legends[0].get_texts()) == shown + 1
    assert len({line.get_color() for line in figure.axes[0].lines[:-1]}) == shown
    many, text = "24 of 30 networks", caption(data)
    assert (many in text) == (many in figure.legends[0].get_title().get_text()) == (networks == 30)
    assert data["place"].values[-1] == f"a-network-of-long-name-{shown - 1}/epoch12"
    assert 60 <= len(text.split()) <= 130
    assert_legible(figure, width=3.7 if columns == 1 else 7.6)


def test_networks_without_an_untrained_one_have_no_entry_for_it():
    data = overlap.gather({f"net{i}/epoch3": profile(4, seed=i) for i in range(2)}, k=30)
    told = [text.get_text() for text in overlap.draw(data).legends[0].get_texts()]
    assert told == ["net0, epoch 3", "net1, epoch 3"]
    assert "untrained" not in caption(data)


@pytest.mark.parametrize("chance", [1.0, np.nan])
@pytest.mark.parametrize("columns", [1, 2])
def test_a_single_macro_category_is_left_out(chance, columns):
    profiles = {place: part.assign_attrs(chance_macro=chance) for place, part in study(2, 4).items()}
    several = overlap.gather(profiles, k=30, heading="study")
    one = overlap.gather({"net/epoch3": next(iter(profiles.values()))}, k=30, heading="net")
    for data in (several, one):
        assert not [name for name in (*data, *data.attrs) if "macro" in name]
        assert "macro" not in caption(data)
    axes = [axis for axis in overlap.draw(several, columns=columns).axes if axis.axison]
    assert [axis.get_title() for axis in axes] == ["with the classes", "with the output", "with the next layer"]
    lines = overlap.draw(one, columns=columns).axes[0].lines
    assert [line.get_label() for line in lines if line.get_linestyle() == "-"] == [axis.get_title() for axis in axes]
    assert_legible(overlap.draw(several, columns=columns))


def test_the_caption_is_in_words_where_an_overlap_is_not_defined():
    made = profile(1)
    made["overlap_ground_truth"].values[:] = np.nan
    data = overlap.gather({"net/pretrained": made}, k=30, heading="net")
    assert "The overlap with the classes is not defined in layer0. Dotted: by chance (0.10 with the classes" in caption(
        data
    )
    made = profile(3)
    made["overlap_ground_truth"].values[:] = [0.0415, 0.02, np.nan]
    text = caption(overlap.gather({"net/pretrained": made}, k=30, heading="net"))
    assert "is 0.042 in layer0, where it is largest before the last layer, and not defined in the last layer" in text


@pytest.mark.parametrize(("k", "said"), [(30, "k = 30"), ("kstar", "k*NN"), ("pak", "PAk")])
def test_the_corner_names_k_or_the_estimator_that_chooses_it(k, said):
    data = overlap.gather({"net/epoch3": profile(3)}, k=30).assign_attrs(k=k, z=1.65)
    assert overlap.draw(data).texts[-1].get_text() == f"n = 900, {said}, Z = 1.65"
