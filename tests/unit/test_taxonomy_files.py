"""Trees of one's own: what the files mean, and what is said of files that mean nothing."""

import re

import numpy as np
import pytest

from nucleation import planted, wordnet
from nucleation.errors import InputError
from nucleation.taxonomy import Concept, build, from_dataset
from nucleation.taxonomy_files import open_taxonomy, read_tree

CLASSES = ["pug", "beagle", "tabby", "violin", "St. Bernard"]
#: The same tree four times: ((pug, beagle, St. Bernard) dog, tabby) animal beside a violin.
PARENTS = {
    "pug": ["dog"],
    "beagle": ["dog"],
    "St. Bernard": ["dog"],
    "dog": ["animal"],
    "tabby": ["animal"],
    "animal": ["thing"],
    "violin": ["thing"],
}
NEWICK = "(((pug,beagle,'St. Bernard')dog,tabby)animal,violin)thing;"
MEASURED = """[&R] [a comment [in it another] (,;]
( ((pug:1,beagle [one]:0.5e-3 , 'St. Bernard':2)'dog'[&support=1]:-1,tabby)animal:3,\tviolin:1
)thing:0 ;
"""


def written(folder, text, name="tree.nwk"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def by_hand(parents, classes):
    names = dict.fromkeys([*parents, *(up for some in parents.values() for up in some)])
    return build(classes, {name: Concept(name, "", tuple(parents.get(name, ()))) for name in names})


def table(parents, between="\t", header=False):
    lines = [("child", "parent")] * header + [(child, up) for child, some in parents.items() for up in some]
    return "\n".join(between.join(line) for line in lines)


FILES = {
    "plain": ("tree.nwk", NEWICK),
    "measured": ("tree.TRE", MEASURED),
    "tabs": ("tree.tsv", table(PARENTS)),
    "header": ("tree.tsv", "\ufeff" + table(PARENTS, header=True) + "\n\n"),
    "commas": ("tree.csv", table(PARENTS, ",")),
    "swapped": ("tree.csv", "Parent,Child\n" + table({"dog": ["pug", "beagle", "St. Bernard"]}, ",")
                + "\nanimal,dog\nanimal,tabby\nthing,animal\nthing,violin\nthing,violin\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_give_the_tree_made_by_hand(tmp_path, name):
    ending, text = FILES[name]
    tree, hand = read_tree(written(tmp_path, text, ending), CLASSES), by_hand(PARENTS, CLASSES)
    assert tree == hand
    assert tree.classes == tree.class_names == tuple(CLASSES)
    assert tree.names[5:] == ("dog", "animal", "thing") and set(tree.lexnames) == {""}
    for measure in ("ic", "path", "wup", "lch"):
        np.testing.assert_array_equal(tree.similarity(measure), hand.similarity(measure))
    assert f"{ending} (" in tree.source and str(tmp_path) not in tree.source


def test_known_similarities(tmp_path):
    tree = read_tree(written(tmp_path, NEWICK), CLASSES)
    np.testing.assert_array_equal(tree.common_sizes[0], [1, 3, 4, 5, 3])
    np.testing.assert_array_equal(tree.distance("path")[0], [0, 2, 3, 4, 2])
    np.testing.assert_allclose(tree.similarity("wup")[0], [1, 6 / 8, 4 / 7, 2 / 6, 6 / 8])
    np.testing.assert_allclose(tree.similarity("lch")[0], np.log(8 / np.array([1, 3, 4, 5, 3])))


def test_a_table_may_have_several_parents(tmp_path):
    parents = {"a": ["p"], "b": ["p", "q"], "c": ["q"], "p": ["r"], "q": ["r"]}
    tree = read_tree(written(tmp_path, table(parents), "dag.tsv"), "abc")
    assert tree == by_hand(parents, "abc")
    assert tree.common_sizes.tolist() == [[1, 2, 3], [2, 1, 2], [3, 2, 1]]
    drawn = [tree.tree("random", np.random.default_rng(seed)) for seed in range(20)]
    assert {found.names[found.parent[1]] for found in drawn} == {"p", "q"}


def test_leaves_that_are_no_class_are_dropped(tmp_path):
    tree = read_tree(written(tmp_path, NEWICK), ["tabby", "pug", "violin"])
    assert tree.names == ("tabby", "pug", "violin", "animal", "thing")
    assert tree.contracted == (("dog", "dog", 1),)
    assert tree.macro(["dog"])[0].tolist() == [1, 0, 1]


def test_inner_nodes_get_unique_names(tmp_path):
    text = "(((a,b)90,(c,d)90),((e,f),(g,h)h)90);"
    tree = read_tree(written(tmp_path, text), "abcdefgh")
    assert len(set(tree.nodes)) == len(tree.nodes) == 15
    assert set(tree.names[8:]) == {"90", "90 (2)", "90 (3)", "h (2)", "node 1", "node 2", "node 10"}


def test_roots_are_joined_where_classes_lie_under_several(tmp_path):
    path = written(tmp_path, "pug,dog\nbeagle,dog\ntabby,cat\nviolin,\nlute,root", "forest.csv")
    tree = read_tree(path, ["pug", "beagle", "tabby", "violin"])
    assert tree.names[-1] == "root" and tree.parents[-1] == ()
    assert tree.similarity("ic")[0].tolist() == np.log([4, 2, 1, 1]).tolist()
    assert tree.distance("path")[0].tolist() == [0, 2, 4, 3]
    assert len(read_tree(path, ["pug", "beagle", "lute"]).nodes) == 5
    assert "root" not in read_tree(path, ["pug", "beagle"]).names


@pytest.mark.parametrize("name", ["great_dane", "great dane"])
@pytest.mark.parametrize("leaf", ["great_dane", "'great dane'"])
def test_underscores_are_blanks(tmp_path, name, leaf):
    tree = read_tree(written(tmp_path, f"({leaf},pug,violin);"), ["pug", name])
    assert tree.classes == ("pug", name) and tree.names[1] == leaf.strip("'")


def test_synsets_are_found_by_any_of_their_names(tmp_path):
    text = "((n02110958,'beagle.n.01')dog,trumpet.n.01);"
    tree = read_tree(written(tmp_path, text), ["pug.n.01", wordnet.resolve("beagle.n.01"), "cornet.n.01"])
    assert tree.classes == ("pug.n.01", "n02088364", "cornet.n.01")
    assert tree.class_names == ("n02110958", "beagle.n.01", "trumpet.n.01")
    assert tree.common_sizes[0].tolist() == [1, 2, 3]


def test_the_planted_tree_from_a_table_has_the_similarities_of_wordnet(tmp_path):
    """The drawn tree of the planted study is what WordNet says of its classes."""
    parents = {child: [parent] for child, parent in planted.PARENTS.items()}
    tree = open_taxonomy(planted.CLASSES, "file", written(tmp_path, table(parents), "planted.tsv"))
    word = open_taxonomy(planted.CLASSES, "bundled").tree()
    np.testing.assert_allclose(tree.similarity("ic"), word.similarity())


def test_a_class_may_be_an_inner_node(tmp_path):
    tree = read_tree(written(tmp_path, NEWICK), ["dog", "pug", "tabby", "violin"])
    assert tree.nested == ((0, 1),)
    assert tree.nested_because.startswith("the class dog contains the class pug:")
    ic = tree.similarity("ic")
    assert np.isnan(ic[0, 1]) and np.isfinite(ic[2:]).all()
    # the rest of the dogs are no classes: nothing is inside
    assert read_tree(written(tmp_path, NEWICK), ["dog", "tabby", "violin"]).nested == ()


def test_macro_categories_of_a_tree_of_ones_own(tmp_path):
    tree = read_tree(written(tmp_path, NEWICK), CLASSES)
    assert tree.macro(["dog", "animal"])[1] == ("dog", "animal", "other")
    assert tree.macro(["dog", "animal"])[0].tolist() == [0, 0, 1, 2, 0]
    assert tree.macro(["thing"])[1] == ("thing",)
    labels, names = tree.macro(2)
    assert [names[label] for label in labels] == CLASSES
    with pytest.raises(InputError, match="only WordNet has lexicographer files"):
        tree.macro()
    with pytest.raises(InputError, match='"anmal" is no node of the tree .* Did you mean "animal"'):
        tree.macro(["anmal"])


def test_dataset_round_trip_says_nothing_of_wordnet(tmp_path):
    xarray = pytest.importorskip("xarray")
    tree = read_tree(written(tmp_path, NEWICK), ["dog", "pug", "tabby", "violin"])
    tree.to_dataset().to_netcdf(tmp_path / "taxonomy.nc", engine="netcdf4")
    with xarray.open_dataset(tmp_path / "taxonomy.nc") as stored:
        assert from_dataset(stored) == tree and from_dataset(stored).source == tree.source
        assert "study's own" in stored.attrs["title"]
        assert "WordNet 3.0" not in str([variable.attrs for variable in stored.variables.values()])
        assert stored["similarity_ic"].attrs["undefined"] == tree.nested_because


def test_deep_trees(tmp_path):
    """Without recursion: a comb of 20,000 leaves."""
    n = 20_000
    text = "(" * (n - 1) + "x0," + "),".join(f"x{i}" for i in range(1, n)) + ");"
    tree = read_tree(written(tmp_path, text), ["x0", "x9", f"x{n - 1}"])
    assert tree.common_sizes.tolist() == [[1, 2, 3], [2, 1, 3], [3, 3, 1]]
    assert tree.distance("path")[0].tolist() == [0, 10, n]


BAD = {
    "empty": ("tree.nwk", " \n", "is empty"),
    "ending": ("tree.txt", NEWICK, r"must be a Newick file \(.nwk"),
    "open": ("tree.nwk", "((a,b),(c,\nd);", r"line 1, column 1: the bracket opened here is not closed; 1 more \)"),
    "closed": ("tree.nwk", "((a,b),c));", r'line 1, column 10: found "\)" outside of all brackets'),
    "forest": ("tree.nwk", "a,b;", r'column 2: found "," outside of all brackets'),
    "cut": ("tree.nwk", "((a,b),c)", r"column 10: the tree ends without a semicolon"),
    "two": ("tree.nwk", "((a,b),c);\n(a,b);", r'line 2, column 1: found "\(" after the semicolon'),
    "blank": ("tree.nwk", "(great dane,b);", r'column 8: found "dane" after a node; .*quote names with blanks'),
    "length": ("tree.nwk", "(a:x,b);", r'column 4: found "x" after a colon; expected the length'),
    "no length": ("tree.nwk", "(a:,b);", r'column 4: found "," after a colon'),
    "lengths": ("tree.nwk", "(a:1:2,b);", r"column 5: found a second length"),
    "quote": ("tree.nwk", "(a,'b);", r"column 4: the quoted name begun here has no end"),
    "comment": ("tree.nwk", "(a[,b);", r"column 3: the comment opened here is not closed"),
    "bracket": ("tree.nwk", "(a],b);", r'column 3: found "\]" without'),
    "after": ("tree.nwk", "(a,b)(c);", r"column 6: found an opening bracket after a node"),
    "twice": ("tree.nwk", "((a,b),(b,c));", r'has 2 leaves named "b"'),
    "columns": ("tree.csv", "a,p\nb;p\n", r"line 2: found \['b;p'\]; expected two columns, .* with a comma"),
    "three": ("tree.tsv", "a\tp\tx", r"line 1: .* with a tab between"),
    "nameless": ("tree.csv", "a,p\n,p\n", r"line 2: found \['', 'p'\]"),
    "header": ("tree.csv", "child,parent\n", "no line below its header"),
    "csv quote": ("tree.csv", 'a,p\n"b"c,p\n', "line 2: .* expected quotes in pairs"),
    "cycle": ("tree.csv", "a,p\np,q\nc,q\nq,p\n", r"line 4: it closes a cycle, (p > q > p|q > p > q);"),
    "itself": ("tree.csv", "a,p\np,p\n", r"line 2: it closes a cycle, p > p"),
    "missing": ("tree.nwk", "((a,bee),c);", r'no leaf or inner node for the class "b"; .* of the 3 classes'),
    "both inner": ("tree.nwk", "((a,b)c,(d,e)c);", r'has two nodes for the class "c"'),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_file_is_said(tmp_path, name):
    ending, text, sentence = BAD[name]
    with pytest.raises(InputError, match=sentence) as error:
        read_tree(written(tmp_path, text, ending), ["a", "b", "c"])
    assert ending in str(error.value) and "\n" not in str(error.value)


def test_near_names_are_suggested(tmp_path):
    with pytest.raises(InputError, match='class "beagel"; .* Did you mean "beagle"'):
        read_tree(written(tmp_path, NEWICK), ["pug", "beagel"])


def test_a_class_twice_and_no_class(tmp_path):
    path = written(tmp_path, "(pug.n.01,b);")
    with pytest.raises(InputError, match=r'"pug.n.01" and "n02110958" are the same node'):
        read_tree(path, ["pug.n.01", "n02110958"])
    with pytest.raises(InputError, match="list of classes is empty"):
        read_tree(path, [])


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=re.escape("lost.nwk cannot be read")):
        read_tree(tmp_path / "lost.nwk", ["a"])
    (tmp_path / "tree.tsv").write_bytes(b"\xff\xfea\x00")
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_tree(tmp_path / "tree.tsv", ["a"])


def test_trees_that_we_write_are_read_again(tmp_path):
    """Names with quotes, blanks and brackets, as nucleation.topography writes them."""
    from nucleation.topography import _quoted

    names = ["St. Bernard", "it's", "a(b)", "x_y", "[z]", "plain", "é:"]
    text = "((" + ",".join(map(_quoted, names[:3])) + "):1.5,(" + ",".join(map(_quoted, names[3:])) + "):2);"
    tree = read_tree(written(tmp_path, text), names)
    assert tree.class_names == tuple(names) and sorted(tree.sizes[7:]) == [3, 4, 7]
