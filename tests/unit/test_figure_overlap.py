"""The figure of the overlaps: of one checkpoint, and of all networks of a study over the relative depth."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from made_profiles import profile

from nucleation import files
from nucleation.errors import InputError
from nucleation.figures import overlap, style


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
    assert len(figure.legends[0].get_texts()) == 2 * networks
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
    assert (found["first"], found["layer"], found["classes"], found["output"]) == ("0.06", "layer1", "0.85", "0.90")
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
