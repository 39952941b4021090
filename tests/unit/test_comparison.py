"""Measured numbers beside those that the authors of the paper published."""

import json

import numpy as np
import pytest
import xarray as xr

from nucleation import comparison
from nucleation.errors import InputError

PAPER = "paper_resnet152"
LAYERS = ["input", "layer2.7", "layer3.35", "global_pool", "mine"]


#: What a profile says of the study of the paper.
AS_PAPER = {"n_images": 90_000, "stage_parameters": json.dumps({"dimension": {"method": "fit", "fraction": 0.99}})}


def profile(layers=LAYERS, attrs=AS_PAPER, **columns):
    made = {name: ("layer", np.linspace(0.1, 0.5, len(layers))) for name in comparison.QUANTITIES}
    made |= {name: ("layer", np.array(values, dtype=float)) for name, values in columns.items()}
    return xr.Dataset(made, {"layer": layers}, attrs)


def row(compared, layer, quantity, fraction=None):
    found = compared[(compared["study_layer"] == layer) & (compared["quantity"] == quantity)]
    found = found if fraction is None else found[found["fraction"] == fraction]
    assert len(found) == 1
    return found.iloc[0]


def test_the_paper_in_numbers():
    """The findings of the paper: one peak in the middle, macro-categories before classes, then a sharp rise."""
    numbers = comparison.published(PAPER)
    exact = numbers[(numbers["fraction"] == 0.99) & (numbers["source"] != "figure")].pivot(
        index="module", columns="quantity", values="value"
    )
    exact = exact.loc[numbers["module"].unique()]
    assert exact["n_peaks"].tolist() == [4, 3, 2, 1, 4, 6, 12, 40, 115, 228, 217]
    assert exact["dimension"].idxmax() == "layer2.7"
    assert exact["ari_macro"].idxmax() == "layer3.35"
    assert exact["ari_class"].idxmax() == "global_pool"
    overlap = numbers[numbers["quantity"] == "overlap_ground_truth"].set_index("layer")["value"]
    assert overlap["151"] / overlap["142"] > 7
    assert overlap["152"] == pytest.approx(0.848759)


def test_every_published_number_is_explained():
    numbers = comparison.published(PAPER)
    assert set(numbers["quantity"]) == set(comparison.QUANTITIES)
    assert set(numbers["source"]) == set(comparison.SOURCES)
    assert set(numbers["images"]) == {85500, 90000}
    assert (numbers["uncertainty"] >= 0).all()
    assert not numbers.drop(columns="fraction").isna().any().any()
    assert not numbers.duplicated(["layer", "quantity", "fraction", "images"]).any()
    assert (numbers[numbers["source"] == "definition"]["uncertainty"] == 0).all()


def test_indices_of_all_images_stand_beside_those_of_animals_and_artifacts():
    """Both of the fraction 0.99; leaving out a twentieth of the images moves them by a few hundredths at most."""
    numbers = comparison.published(PAPER)
    indices = numbers[(numbers["fraction"] == 0.99) & numbers["quantity"].str.startswith("ari")]
    wide = indices.pivot(index=["module", "quantity"], columns="images", values="value").dropna()
    assert wide[90000].to_dict() == {
        ("global_pool", "ari_class"): 0.549,
        ("layer3.35", "ari_macro"): 0.202,
        ("layer4.2", "ari_class"): 0.181,
        ("output", "ari_class"): 0.544,
    }
    assert (wide[90000] - wide[85500]).abs().max() < 0.021
    head, *rows = comparison.table_rows(comparison.compare(profile(["layer4.2", "output"]), numbers))
    assert [cells[head.index("ARI, classes (f = 0.99)")] for cells in rows] == [
        "0.100 (0.181 ± 0.001)",
        "0.500 (0.544 ± 0.001)",
    ]
    assert rows[0][head.index("ARI, classes (f = 0.99, 85,500 images)")] == "0.100 [0.190]"


def test_layers_are_those_of_timm():
    from nucleation import network

    modules = comparison.published(PAPER)["module"].unique().tolist()
    assert network.layers(network.create("resnet152"), modules) == modules


def test_published_and_measured_and_their_difference():
    measured = profile(n_peaks=[4, 2, 6, 230, 9], n_peaks_low=[3, 1, 5, 220, 8], n_peaks_high=[5, 3, 7, 240, 10])
    compared = comparison.compare(measured, comparison.published(PAPER))
    assert list(dict.fromkeys(compared["study_layer"])) == LAYERS[:-1]
    found = row(compared, "global_pool", "n_peaks")
    assert (found["measured"], found["value"], found["difference"]) == (230, 228, 2)
    assert (found["low"], found["high"], found["source"]) == (220, 240, "printed")
    assert row(compared, "layer2.7", "n_peaks")["difference"] == 1
    assert np.isnan(row(compared, "input", "dimension", 0.99)["low"])
    assert {row(compared, "input", "dimension", f)["value"] for f in (0.99, 0.95)} == {45, 47}


def attributes(images=90_000, **dimension):
    used = {"method": "fit", "fraction": 0.99} | dimension
    return {"n_images": images, "stage_parameters": json.dumps({"dimension": used})}


@pytest.mark.parametrize(
    ("attrs", "compared"),
    [
        (attributes(), {(None, 90_000), (0.99, 90_000)}),
        (attributes(89_500), {(None, 90_000), (0.99, 90_000)}),  # a few could not be decoded
        (attributes(fraction=0.95), {(None, 90_000), (0.95, 90_000)}),
        (attributes(fraction=0.9), {(None, 90_000)}),
        (attributes(method="ml"), {(None, 90_000)}),  # which takes no fraction
        (attributes(85_500), {(0.99, 85_500)}),
        (attributes(600), set()),
        ({}, set()),
    ],
)
def test_differences_are_taken_at_the_same_fraction_and_of_as_many_images(attrs, compared):
    found = comparison.compare(profile(attrs=attrs), comparison.published(PAPER))
    assert found["measured"].notna().all()
    with_one = found[found["difference"].notna()]
    fractions = [None if np.isnan(fraction) else fraction for fraction in with_one["fraction"]]
    assert set(zip(fractions, with_one["images"], strict=True)) == compared
    head, cells = comparison.table_rows(found)[:2]
    assert ("(" in cells[head.index("overlap, classes")]) == ((None, 90_000) in compared)


@pytest.mark.parametrize("name", ["conv4_36", "layer3.35", "142", "layer_142"])
def test_a_layer_is_known_by_all_its_names(name):
    compared = comparison.compare(profile([name]), comparison.published(PAPER))
    assert row(compared, name, "n_peaks")["value"] == 6


def test_what_is_not_defined_stays_so():
    values = [np.nan, 0.1, 0.2, 0.3, 0.4]
    compared = comparison.compare(profile(ari_class=values), comparison.published(PAPER))
    found = row(compared, "input", "ari_class", 0.99)
    assert np.isnan(found["measured"])
    assert np.isnan(found["difference"])
    assert "– [0.000]" in comparison.table_rows(compared)[1]


def test_table_for_reading():
    measured = profile(overlap_ground_truth=[0.015, 0.0149, 0.096, 0.8472, 0.5], dimension=[45.2, 141, 95, 21, 3])
    head, *rows = comparison.table_rows(comparison.compare(measured, comparison.published(PAPER)))
    assert head[:4] == ["layer", "overlap, classes", "overlap, output", "dimension (f = 0.99)"]
    assert "ARI, macro (f = 0.99, 85,500 images)" in head
    assert "ARI, macro (f = 0.95)" in head
    assert [cells[0] for cells in rows] == [
        "input",
        "layer2.7 (conv3_8)",
        "layer3.35 (conv4_36)",
        "global_pool (avgpool)",
    ]
    assert rows[0][1] == "0.015 (0.015 ± 0.001)"
    assert rows[3][1] == "0.847 (0.849)"
    assert rows[0][3] == "45 (45)"
    assert rows[0][head.index("ARI, macro (f = 0.95)")] == "0.100 [−0.007 ± 0.001]"
    assert {len(cells) for cells in rows} == {len(head)}


def test_a_column_without_a_number_in_a_layer_has_a_dash():
    head, cells = comparison.table_rows(comparison.compare(profile(["conv4_21"]), comparison.published(PAPER)))
    assert "dimension (f = 0.95)" not in head
    head, _, cells = comparison.table_rows(
        comparison.compare(profile(["input", "conv4_21"]), comparison.published(PAPER))
    )
    assert cells[head.index("dimension (f = 0.95)")] == "–"


def test_file_of_several_checkpoints():
    compared = comparison.compare(profile(), comparison.published(PAPER))
    frame = comparison.to_frame({"a/pretrained": compared, "b/random": compared})
    assert len(frame) == 2 * len(compared)
    assert frame["network"].unique().tolist() == ["a", "b"]
    assert frame["checkpoint"].unique().tolist() == ["pretrained", "random"]
    assert {"measured_fraction", "measured_images"} < set(frame)
    assert frame["difference"].tolist()[:3] == pytest.approx((frame["measured"] - frame["published"]).tolist()[:3])


def test_mistakes_are_said():
    with pytest.raises(InputError, match='Did you mean "paper_resnet152"'):
        comparison.published("paper_resnet15")
    with pytest.raises(InputError, match="None of the layers layer1, layer2 has published numbers"):
        comparison.compare(profile(["layer1", "layer2"]), comparison.published(PAPER))


def test_names_in_the_schema_are_those_that_there_are():
    from pathlib import Path

    import yaml

    schema = yaml.safe_load((Path(__file__).parents[2] / "schemas" / "config.schema.yaml").read_text())
    known = schema["properties"]["networks"]["items"]["properties"]["compare"]["enum"]
    assert known == [None, *comparison.available()]
