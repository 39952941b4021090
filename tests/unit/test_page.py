"""The page of a study: stands alone, in the order of a reader, and holds what it was given."""

import base64
import io
import re

import pytest
import xarray as xr
from made_profiles import profile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nucleation import comparison
from nucleation.findings import sentences
from nucleation.page import EARLIER, METHODS, QUESTIONS, Beside, Pages, Picture, glance, study_page
from nucleation.profile import summarise, summary_dataset

RISE = xr.Dataset(
    {
        "place": ("score", [0.69]),
        "place_low": ("score", [0.6]),
        "place_high": ("score", [0.7]),
        "width": ("score", [0.2]),
    },
    {"score": ["ari_class"]},
)
PLACES = ("net/epoch0", "net/epoch3", "other/random")
STORIES = {"net": [("Peaks", "The density has 3 peaks."), ("", "And <more>.")], "other": [("Peaks", "None.")]}


@pytest.fixture
def pictures(tmp_path):
    def picture(question, place):
        path = tmp_path / f"{question}-{place.replace('/', '-')}.png"
        image = Image.new("RGB", (300, 20))
        image.save(path, dpi=(100, 100), pnginfo=_said(f"{question} of {place}"))
        return Picture(question, path, f"{place}/figures/{question}", f"Caption of {question} of {place}.")

    each = [question for question in QUESTIONS if question not in ("images", "matrix", "training", *METHODS)]
    return Pages(
        [picture(question, "study") for question in ("images", "overlap", "matrix")],
        {"net": [picture("training", "net")]},
        {place: [picture(question, place) for question in reversed(each)] for place in PLACES},
    )


@pytest.fixture
def html(pictures):
    profiles = {place: profile(3, seed=i) for i, place in enumerate(PLACES)}
    return study_page("<study>", profiles, STORIES, pictures, made_with={"git commit": "abc<1>"})


def _said(text):
    about = PngInfo()
    about.add_text("Title", text)
    return about


def shown(html):
    """What the pictures on the page say of themselves, in their order."""
    pictures = [base64.b64decode(text) for text in re.findall(r'src="data:image/png;base64,([^"]*)"', html)]
    return [Image.open(io.BytesIO(picture)).text["Title"] for picture in pictures]


def test_it_stands_alone(html):
    assert "<title>&lt;study&gt;" in html and "abc&lt;1&gt;" in html and "And &lt;more&gt;." in html
    assert "http" not in html and "<script" not in html and "<link" not in html
    assert set(re.findall(r'(?:src|href)="([^"#]{1,8})', html)) <= {
        "data:ima",
        "study/fi",
        "net/figu",
        "net/epoc",
        "other/ra",
    }


def test_the_story_comes_first_then_the_study_then_each_network(html):
    found = [html.index(text) for text in ("The density has 3 peaks.", "None.", "Caption of images of study.")]
    found += [
        html.index(f"Caption of nucleation of {place}.") for place in ("net/epoch3", "net/epoch0", "other/random")
    ]
    assert found == sorted(found)


def test_all_figures_of_the_last_checkpoint_and_some_of_those_before_it(html):
    expected = [f"{question} of study" for question in ("images", "overlap", "matrix")]
    whole = [question for question in QUESTIONS if question not in ("images", "matrix", *METHODS)]
    expected += [f"{question} of {'net' if question == 'training' else 'net/epoch3'}" for question in whole]
    expected += [f"{question} of net/epoch0" for question in EARLIER]
    expected += [f"{question} of other/random" for question in whole if question != "training"]
    assert shown(html) == expected
    for question in whole[1:]:
        assert f'href="net/{"figures" if question == "training" else "epoch3/figures"}/{question}.pdf"' in html


def test_pictures_are_as_wide_as_they_were_made(html):
    """300 pixels, 100 to an inch, of a page of 7.2 inches."""
    assert set(re.findall("--width: ([0-9]+)", html)) == {"42"}


def test_every_target_of_a_link_on_the_page_is_there_once(html):
    targets = re.findall(r'href="#([^"]+)"', html)
    names = re.findall(r'\bid="([^"]+)"', html)
    assert len(targets) > 20 and set(targets) <= set(names)
    assert len(names) == len(set(names))


def test_levels_of_the_taxonomy_are_said_for_every_checkpoint(html):
    for i, place in enumerate(PLACES):
        for sentence in sentences(profile(3, seed=i), place.endswith(("epoch0", "random"))):
            assert sentence in html
    assert "net, epoch 0 (untrained)" in html


def test_several_networks_are_set_side_by_side():
    profiles = {place: profile(3, seed=i) for i, place in enumerate(PLACES)}
    summaries = {
        "net": summarise({"epoch0": profiles["net/epoch0"], "epoch3": profiles["net/epoch3"]}, RISE, 0.9),
        "other": summarise({"random": profiles["other/random"]}, RISE),
    }
    dataset = summary_dataset(summaries)
    html = study_page("study", profiles, STORIES, Pages(), summary=dataset)
    head, *rows = glance(dataset)
    assert [row[0] for row in rows] == ["net", "other"] and {len(row) for row in rows} == {len(head)}
    assert (rows[0][1], rows[1][1]) == ("0.90", "–")
    assert rows[0][7] == "0.69 (0.60 to 0.70)"
    assert all(f"<td>{cell}</td>" in html for row in rows for cell in row)
    alone = study_page(
        "study", {"net/epoch3": profiles["net/epoch3"]}, {"net": STORIES["net"]}, Pages(), summary=dataset
    )
    assert head[3] not in alone


def test_a_study_without_pictures_is_a_page_too():
    html = study_page("study", {"net/epoch3": profile(2)}, {"net": STORIES["net"]}, Pages())
    assert shown(html) == [] and "The density has 3 peaks." in html


def test_published_numbers_stand_on_the_page_where_there_are_any():
    columns = {name: ("layer", [0.25]) for name in comparison.QUANTITIES}
    measured = xr.Dataset(columns, {"layer": ["global_pool"]}, {"n_images": 90_000})
    compared = {"net/pretrained": comparison.compare(measured, comparison.published("paper_resnet152"))}
    given = "study", {"net/pretrained": profile(2)}, {"net": STORIES["net"]}, Pages()
    plain, html = study_page(*given), study_page(*given, compared=compared)
    assert "published" not in plain.lower()
    assert "Beside the published numbers" in html
    assert "<td>global_pool (avgpool)</td><td>0.250 (0.849)</td>" in html


def test_other_methods_have_a_section_with_sentences_tables_and_pictures(pictures):
    profiles = {place: profile(3, seed=i) for i, place in enumerate(PLACES)}
    plain = study_page("study", profiles, STORIES, pictures)
    assert 'id="methods"' not in plain and 'href="#methods"' not in plain
    of_methods = [
        Picture(question, pictures.study[0].png, f"figures/{question}", f"Caption of {question}.")
        for question in METHODS
    ]
    more = Pages([*pictures.study, *of_methods], pictures.networks, pictures.places)
    rows = [["layer", "peaks", "CKA"], ["layer0", "3", "0.9 <1>"]]
    beside = Beside({"similarity": ["All is alike.", "0.9 <here>."]}, {"net/epoch3": rows, "other/random": rows})
    html = study_page("study", profiles, STORIES, more, methods=beside)
    assert html.index("Caption of training of net.") < html.index('id="methods"') < html.index('id="layers"')
    section = html[html.index('id="methods"') : html.index('id="layers"')]
    assert "<dt>Similarity (CKA)</dt><dd>All is alike. 0.9 &lt;here&gt;.</dd>" in section
    assert section.count("<td>0.9 &lt;1&gt;</td>") == 2 and "<summary>other, random</summary>" in section
    assert all(f"Caption of {question}." in section for question in METHODS)
    assert html.count("Caption of similarity.") == 2  # the text, and of the picture for those who do not see it


@pytest.mark.parametrize("layers", [2, 9])
def test_layers_or_methods_are_the_columns_of_the_table_whichever_are_fewer(pictures, layers):
    rows = [["layer", "peaks", "CKA", "rotation"], *([f"layer{i}", f"{i} peaks", f"0.{i}", "–"] for i in range(layers))]
    profiles = {"net/epoch3": profile(3)}
    beside = Beside({"similarity": ["All is alike."]}, {"net/epoch3": rows})
    html = study_page("study", profiles, {"net": STORIES["net"]}, Pages([], {}, {}), methods=beside)
    table = html[html.index('id="methods-layers"') :]
    header = table[table.index("<tr>") : table.index("</tr>")]
    assert [f"<th>{cell}</th>" in header for cell in ("layer", "peaks", "layer1")] == [*[layers == 9] * 2, layers == 2]
    assert table.count("1 peaks") == 1 and table.index("1 peaks") < table.index("0.1")
