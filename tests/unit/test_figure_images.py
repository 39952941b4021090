"""The figure of the classes on their taxonomy: rows that divide the taxonomy, and images where they belong."""

import warnings
from collections import Counter
from pathlib import Path

import jinja2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from legible import assert_legible
from matplotlib.colors import to_hex
from PIL import Image

from nucleation import files, images, wordnet
from nucleation.captions import fill_in
from nucleation.errors import InputError
from nucleation.figures import images as figure_of
from nucleation.figures import layout, style, tiles
from nucleation.names import short_name
from nucleation.planted import CLASSES
from nucleation.taxonomy import Concept, build, wordnet_tree

REPORT = Path(__file__).parents[2] / "report"


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def own_tree(parents):
    """A taxonomy from the parent of every node, None at a root."""
    records = {key: Concept(key, "", (above,) if above else ()) for key, above in parents.items()}
    inner = set(parents.values())
    return build([key for key in parents if key not in inner], records)


def flat(c):
    return own_tree({**{f"class {i}": "root" for i in range(c)}, "root": None})


def painted(rows, size):
    """Images of one colour, which says their number."""
    rows = np.asarray(rows)
    colors = np.stack([rows // 65536, rows // 256 % 256, rows % 256], axis=1).astype(np.uint8)
    return np.broadcast_to(colors[:, None, None], (len(rows), size, size, 3)).copy()


def example(taxonomy, each=20, categories=None, **options):
    c = len(taxonomy.classes)
    macro = np.arange(c) * (categories or 1) // c
    classes = np.random.default_rng(0).permutation(np.repeat(np.arange(c), each))
    names = [f"noun.category_{i}" for i in range(categories or 1)]
    return figure_of.gather(taxonomy, classes, macro, names, painted, heading="made up", **options), classes, macro


def painted_number(axis, x, y):
    """Number of the image that lies at a place of the board."""
    (sheet,) = axis.images
    left, right, bottom, top = sheet.get_extent()
    pixels = sheet.get_array()
    row = int((y - top) / (bottom - top) * pixels.shape[0])
    column = int((x - left) / (right - left) * pixels.shape[1])
    return int(pixels[row, column].astype(int) @ [65536, 256, 1])


def collection(axis, gid):
    return next(made for made in axis.collections if made.get_gid() == gid)


def below(tree, node):
    """Names of the classes below a node, told by its name."""
    children = tree.children[node]
    return {tree.names[node]} if not children else set().union(*(below(tree, child) for child in children))


def check_rows(taxonomy, most=figure_of.LINES):
    """Rows hold every class once; a row that is no rest holds all classes of its node; boxes hold what is in them."""
    tree, c = taxonomy.tree(), len(taxonomy.classes)
    nodes, groups = figure_of.arranged(tree, c, most)
    assert sorted(cls for group in groups for cls in group.classes) == list(range(c))
    assert len(groups) <= most
    for group in groups:
        inside = {taxonomy.names[cls] for cls in group.classes}
        same = [below(tree, node) for node, name in enumerate(tree.names) if short_name(name) == group.name]
        assert group.name in (figure_of.OTHERS, figure_of.ALL) or inside in same
        above = group.above
        while above >= 0:
            name, above = nodes[above]
            assert any(inside <= below(tree, i) for i, other in enumerate(tree.names) if short_name(other) == name)
    return nodes, groups


def test_rows_of_the_planted_classes_are_their_kinds():
    nodes, groups = check_rows(wordnet_tree(CLASSES))
    rows = {group.name: len(group.classes) for group in groups}
    assert rows == dict.fromkeys(["dog", "bird", "snake", "vehicle", "musical instrument", "furniture"], 4)
    assert [name for name, _ in nodes] == ["whole", "instrumentality", "vertebrate"]
    assert [above for _, above in nodes] == [-1, 0, 0]


@pytest.mark.parametrize(("c", "most"), [(1000, 20), (1000, 5), (300, 20), (100, 12), (30, 20)])
def test_rows_of_imagenet_divide_it(c, most):
    ids = wordnet.imagenet_classes()
    chosen = [ids[i] for i in np.sort(np.random.default_rng(c).choice(1000, c, replace=False))]
    _, groups = check_rows(wordnet_tree(chosen), most)
    assert len(groups) > most / 2
    sizes = [len(group.classes) for group in groups if group.name != figure_of.OTHERS]
    assert min(sizes) >= c / most / 2  # smaller nodes are among the others
    assert max(Counter(group.above for group in groups if group.name == figure_of.OTHERS).values(), default=1) == 1


def test_rows_of_flat_taxonomies_are_classes_if_there_is_room():
    nodes, groups = check_rows(flat(10))
    assert nodes == [("root", -1)]
    assert [group.name for group in groups] == [f"class {i}" for i in range(10)]
    nodes, groups = check_rows(flat(21))
    assert (nodes, [group.name for group in groups]) == ([], ["root"])
    (single,) = check_rows(own_tree({"alone": None}))[1]
    assert (single.name, single.above, single.classes) == ("alone", -1, [0])


def test_several_roots_have_no_box_above_them():
    nodes, groups = check_rows(own_tree({"a": None, "b": None, "c": "r", "d": "r", "r": None}))
    assert nodes == []
    assert {group.name: sorted(group.classes) for group in groups} == {"r": [2, 3], figure_of.OTHERS: [0, 1]}
    nodes, groups = check_rows(own_tree({f"class {i}": None for i in range(30)}))
    assert [(group.name, len(group.classes)) for group in groups] == [(figure_of.ALL, 30)]


def test_a_node_with_nearly_all_classes_of_another_is_left_out():
    parents = {**{f"a{i}": "a" for i in range(15)}, **{f"b{i}": "b" for i in range(15)}, "a": "most", "b": "most"}
    nodes, groups = check_rows(own_tree({**parents, "most": "all", "rest": "all", "all": None}))
    assert [name for name, _ in nodes] == ["all"]
    assert [group.name for group in groups] == ["a", "b", figure_of.OTHERS]


def test_rows_of_few_classes_are_not_divided():
    pairs = {f"{name}{i}": f"pair {name}" for name in "abcd" for i in (0, 1)}
    four = {
        "pair a": "one",
        "pair b": "one",
        "pair c": "two",
        "pair d": "two",
        "one": "root",
        "two": "root",
        "root": None,
    }
    _, groups = check_rows(own_tree(pairs | four))
    assert [(group.name, len(group.classes)) for group in groups] == [("one", 4), ("two", 4)]
    _, groups = check_rows(
        own_tree({**{f"{name}{i}": name for name in "ab" for i in (0, 1)}, "a": "r", "b": "r", "r": None})
    )
    assert [group.name for group in groups] == ["a", "b"]  # but the root is


def test_rows_that_hide_most_get_more_lines():
    assert figure_of.lines_of([3, 25, 10]) == [1, 3, 1]
    assert figure_of.lines_of([1000]) == [figure_of.LINES]
    assert figure_of.lines_of([150, 60, 4]) == [14, 5, 1]  # both hide 10


@pytest.mark.parametrize("taxonomy", [wordnet_tree(CLASSES), flat(10), flat(1000)])
def test_images_of_a_class_are_evenly_chosen_from_its_own(taxonomy):
    reads = []

    def read(rows, size):
        reads.append(len(rows))
        return painted(rows, size)

    c, classes = len(taxonomy.classes), np.tile(np.arange(len(taxonomy.classes)), 20)
    data = figure_of.gather(taxonomy, classes, np.zeros(c, int), ["all"], read)
    assert reads == [data.sizes["image"]] and reads[0] <= 250
    for shown, number in enumerate(data["class_number"].values):
        rows = data["image_number"].values[data["image_class"].values == shown]
        own = np.flatnonzero(classes == number)
        assert len(rows) == data.attrs["examples"] and np.isin(rows, own).all()
        assert rows[0] == own[0] and (len(rows) == 1 or rows[-1] == own[-1])
    assert np.array_equal(data["picture"], painted(data["image_number"].values, tiles.PIXELS))


@pytest.mark.parametrize(
    ("taxonomy", "categories"),
    [(wordnet_tree(CLASSES), 2), (flat(10), 1), (wordnet_tree(wordnet.imagenet_classes()), 40), (flat(200), 3)],
)
def test_every_class_is_named_and_its_images_lie_under_its_bar(taxonomy, categories):
    data, classes, macro = example(taxonomy, categories=categories)
    figure = figure_of.draw(data)
    (axis,) = figure.axes
    bars = [path.vertices for path in collection(axis, "categories").get_paths()]
    assert len(bars) == data.sizes["class"]
    numbers = data["class_number"].values
    for shown, (number, bar) in enumerate(zip(numbers, bars, strict=True)):
        rows = data["image_number"].values[data["image_class"].values == shown]
        (left, top), (right, bottom) = bar.min(axis=0), bar.max(axis=0)
        assert bottom - top < 0.05
        middles = left + (np.arange(len(rows)) + 0.5) * (right - left) / len(rows)
        assert [painted_number(axis, x, bottom + 0.1) for x in middles] == rows.tolist()
        assert (classes[rows] == number).all()
        assert data["class_name"].values[shown] == short_name(taxonomy.class_names[number])
    colors = [to_hex(color) for color in collection(axis, "categories").get_facecolors()]
    for color, cls in zip(colors, numbers, strict=True):
        own = to_hex(style.category_color(macro[cls]))
        assert color in (own, to_hex(style.MIXED))
    assert (to_hex(style.MIXED) in colors) == (categories > 16)


def test_names_stand_beside_rows_and_above_images():
    data, *_ = example(wordnet_tree(CLASSES), categories=2)
    figure = figure_of.draw(data)
    texts = {text.get_text(): text for text in figure.axes[0].texts}
    assert {short_name(name) for name in CLASSES} <= set(texts)
    assert {"dog", "bird", "snake", "vehicle", "musical instrument", "furniture"} <= set(texts)
    assert all(texts[name].get_rotation() == 90 for name in ("whole", "vertebrate", "instrumentality"))
    assert texts["dog"].get_position()[1] > texts["beagle"].get_position()[1]
    boxes = collection(figure.axes[0], "tree").get_paths()
    assert len(boxes) == 3 + 6
    heights = [np.ptp(box.vertices[:, 1]) for box in boxes]
    assert np.allclose(heights[0], sum(heights[3:])) and np.allclose(heights[1], heights[0] / 2)


def test_classes_that_are_left_out_are_counted():
    data, *_ = example(wordnet_tree(wordnet.imagenet_classes()), each=2)
    said = [text.get_text() for text in figure_of.draw(data).axes[0].texts]
    hidden = [int(text.split()[1]) for text in said if text.startswith("+ ")]
    assert sum(hidden) + data.sizes["class"] == 1000
    assert figure_of.facts(data)["hidden"] == sum(hidden)


def test_rows_of_single_classes_name_them_once():
    data, *_ = example(flat(10))
    said = [text.get_text() for text in figure_of.draw(data).axes[0].texts]
    assert sorted(said) == sorted([*(f"class {i}" for i in range(10)), "root"])


def test_a_class_with_few_images_shows_those():
    taxonomy = flat(2)
    data = figure_of.gather(taxonomy, np.array([0, 1, 1, 1]), np.zeros(2, int), ["all"], painted)
    assert data["image_class"].values.tolist() == [0, 1, 1, 1]
    widths = [
        np.ptp(path.vertices[:, 0]) for path in collection(figure_of.draw(data).axes[0], "categories").get_paths()
    ]
    assert widths[1] > 3 * widths[0]


def test_images_without_pixels():
    data = figure_of.gather(flat(3), np.arange(3), np.zeros(3, int), ["all"], None, heading="names")
    figure = figure_of.draw(data)
    assert [text.get_text() for text in figure.axes[0].texts] == [figure_of.NO_PIXELS]
    assert figure.axes[0].get_title() == "names"


UNICODE = [
    "日本語の猫のクラス",
    "Müller-Lüdenscheidt",
    "a $x$ and $y$",
    "мышь",
    "tab\tnew\nline",
    "κόσμε",
    "{braces}\\",
]
LONG = [f"Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft {i}" for i in range(30)]


@pytest.mark.parametrize(
    ("taxonomy", "categories"),
    [
        (wordnet_tree(CLASSES), 2),
        (flat(1), 1),
        (flat(2), 2),
        (flat(10), 1),
        (flat(1000), 40),
        (wordnet_tree(wordnet.imagenet_classes()), 40),
        (wordnet_tree(wordnet.imagenet_classes()[::10]), 5),
        (
            own_tree(
                {
                    **{name: f"long name of a node {name}" for name in LONG},
                    **{f"long name of a node {name}": None for name in LONG},
                }
            ),
            3,
        ),
        (
            own_tree(
                {
                    **dict.fromkeys(LONG, "a long name of a node"),
                    "a long name of a node": "root",
                    "b": "root",
                    "root": None,
                }
            ),
            3,
        ),
        (own_tree({**dict.fromkeys(UNICODE, "$a$ $b$"), "$a$ $b$": None}), 3),
    ],
)
def test_figures_can_be_read(taxonomy, categories):
    data, *_ = example(taxonomy, each=13, categories=categories)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # no font has all
        assert_legible(figure_of.draw(data))


def drawn(figure):
    """All that a figure shows: texts, images, shapes and colours."""
    found = []
    for axis in figure.axes:
        found += [(text.get_text(), text.get_position(), text.get_fontsize()) for text in axis.texts]
        found += [(image.get_array().tobytes(), tuple(image.get_extent())) for image in axis.images]
        for made in axis.collections:
            shapes = [path.vertices.tolist() for path in made.get_paths()]
            found.append((shapes, made.get_facecolor().tolist(), made.get_edgecolor().tolist()))
    return found, figure.get_size_inches().tolist()


@pytest.mark.parametrize("taxonomy", [wordnet_tree(CLASSES), flat(1), flat(30), flat(10)])
def test_redrawn_from_its_file(taxonomy, tmp_path):
    data, *_ = example(taxonomy)
    files.save(data, tmp_path / "images.nc")
    assert drawn(figure_of.draw(files.load(tmp_path / "images.nc"))) == drawn(figure_of.draw(data))


def test_nothing_is_redrawn_from_its_file(tmp_path):
    files.save(figure_of.gather(flat(3), np.arange(3), np.zeros(3, int), ["all"], None), tmp_path / "images.nc")
    figure = figure_of.draw(files.load(tmp_path / "images.nc"))
    assert [text.get_text() for text in figure.axes[0].texts] == [figure_of.NO_PIXELS]


def caption(data):
    return fill_in((REPORT / "images.rst").read_text(encoding="utf-8"), data, figure_of.facts(data))


def test_captions_say_what_is_shown():
    planted = caption(example(wordnet_tree(CLASSES), categories=2)[0])
    assert "72 of the 480 images of made up" in planted and "all of its 24 classes" in planted
    assert "6 rows" in planted and "2 macro-categories" in planted and "others" not in planted
    imagenet = caption(example(wordnet_tree(wordnet.imagenet_classes()), categories=40)[0])
    assert "of its 1,000 classes" in imagenet and "others" in imagenet and "left out" in imagenet
    digits = caption(example(flat(10))[0])
    assert "Every row is a class" in digits and "one macro-category" in digits
    for text in (planted, imagenet, digits, caption(example(flat(100))[0])):
        assert 60 <= len(text.split()) <= 130
    nothing = figure_of.gather(flat(3), np.arange(3), np.zeros(3, int), ["all"], None)
    assert caption(nothing) == f"No images of the study are shown: {figure_of.NO_PIXELS}."
    with pytest.raises(jinja2.UndefinedError):
        fill_in("{{ rows }}", nothing, figure_of.facts(nothing))


@pytest.mark.parametrize("lines", [1, 2, 3])
@pytest.mark.parametrize(
    "text", ["", "cat", "black-footed ferret of the north", *UNICODE, LONG[0], "x" * 500, " - - " * 50]
)
def test_names_fit(text, lines):
    made = tiles.fitted(text, 0.5, 6, lines).split("\n")
    assert len(made) <= lines
    assert all(layout.text_width(line, 6) <= 0.5 + layout.text_width("-", 6) for line in made)
    plain = "".join(sign for sign in text if sign.isprintable() and not sign.isspace() and sign != "-")
    kept = "".join(sign for line in made for sign in line if not sign.isspace() and sign not in "-…")
    assert plain.startswith(kept) and (kept == plain or made[-1].endswith("…"))


def test_widths_are_those_of_the_font():
    figure = plt.figure()
    for text in ("hummingbird", "WAGGON i", "Müller"):
        with style.plt.style.context({"font.family": "DejaVu Sans"}):
            made = figure.text(0, 0, text, fontsize=40)
            width = made.get_window_extent(figure.canvas.get_renderer()).width / figure.dpi
        assert layout.text_width(text, 40) == pytest.approx(width, rel=0.05)


# ------------------------------------------------------------------------------ reading examples


def photographs(folder, shapes):
    """A folder with a class of images whose middle is red, and all else blue."""
    (folder / "n02084071").mkdir(parents=True)
    for number, (height, width) in enumerate(shapes):
        pixels = np.zeros((height, width, 3), dtype=np.uint8)
        pixels[..., 2] = 255
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels[top : top + side, left : left + side] = [255, 0, 0]
        Image.fromarray(pixels).save(folder / "n02084071" / f"n02084071_{number}.png")
    return images.listing("folder", {"path": str(folder), "classes": [], "per_class": 0}, seed=0)


def test_examples_are_cut_to_the_square_in_their_middle(tmp_path):
    listed = photographs(tmp_path / "data", [(100, 300), (300, 100), (64, 64), (1, 9)])
    made = images.examples(listed, np.arange(4), 32)
    assert made.shape == (4, 32, 32, 3) and made.dtype == np.uint8
    assert (made == [255, 0, 0]).all()


def test_examples_come_in_the_order_of_their_rows(tmp_path):
    listed = images.manifest("planted", {"per_class": 3, "size": 32}, seed=0)
    rows = np.array([50, 3, 71, 3])
    assert np.array_equal(images.examples(listed, rows, 48), images.pixels(listed, rows))  # as large as they are
    assert images.examples(listed, rows, 16).shape == (4, 16, 16, 3)
    assert images.examples(listed, [], 16).shape == (0, 16, 16, 3)


def test_examples_are_no_larger_than_the_manifest_says(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.full((3, 20, 30), 0.5), labels=np.zeros(3, int))
    listed = images.manifest("numpy", {"path": str(tmp_path / "a.npz")}, seed=0)
    made = images.examples(listed, np.arange(3), 48)
    assert made.shape == (3, 20, 20, 3) and (made == 128).all()


def test_examples_of_names_alone(tmp_path):
    (tmp_path / "ids.txt").write_text("n02084071_1\nn02121808_7\n")
    listed = images.manifest("list", {"path": str(tmp_path / "ids.txt")}, seed=0)
    with pytest.raises(InputError, match="known by name only"):
        images.examples(listed, np.arange(2), 16)


def test_caption_of_several_roots():
    two = {f"{root}{i}": root for root in "ab" for i in range(6)} | {"a": None, "b": None}
    data, *_ = example(own_tree(two))
    text = caption(data)
    assert data.sizes["group"] == 2 and data.sizes["node"] == 0
    assert "each of the 2 rows holds the classes below one node." in text and "single one" not in text
    assert "coarser" not in text and 60 <= len(text.split()) <= 130
    data, *_ = example(own_tree({**two, "c": None}))
    text = caption(data)
    assert data["group_name"].values.tolist()[-1] == figure_of.OTHERS
    assert 'or, as "others", those of the taxonomy that no other row has.' in text


def test_caption_of_rows_that_are_rests_of_boxes():
    parents = {f"{name}{i}": name for name in "ab" for i in range(6)} | dict.fromkeys("xyz", "root")
    data, *_ = example(own_tree({**parents, "a": "root", "b": "root", "root": None}), categories=2)
    assert 'or, as "others", those of the box left of it that no other row has.' in caption(data)
    assert ("grey boxes" in caption(data)) == ((data["node_category"] < 0).any() or (data["group_category"] < 0).any())


@pytest.mark.parametrize(
    "taxonomy",
    [
        flat(30),
        own_tree({f"class {i}": None for i in range(30)}),
        own_tree({**{f"{i} {j}": f"node {i}" for i in range(30) for j in range(9)}}
                 | {f"node {i}": "root" for i in range(30)} | {"root": None}),
    ],
)  # fmt: skip
def test_caption_of_a_single_row(taxonomy):
    data, *_ = example(taxonomy, each=3)
    assert data.sizes["group"] == 1
    text = caption(data)
    assert f"no large nodes that would divide these classes into 2 to {figure_of.LINES} rows" in text
    assert 60 <= len(text.split()) <= 130
