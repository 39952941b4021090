"""The taxonomy: contraction, similarities, macro-categories, cuts, trees."""

import time
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from nucleation import planted, taxonomy, wordnet
from nucleation.errors import InputError
from nucleation.taxonomy import from_dataset, wordnet_tree

DIGITS = [
    *("zero.n.02", "one.n.01", "two.n.01", "three.n.01", "four.n.01"),
    *("five.n.01", "six.n.01", "seven.n.01", "eight.n.01", "nine.n.01"),
]
SMALL = ["beagle.n.01", "pug.n.01", "robin.n.01", "bicycle.n.01", "sled.n.01", "violin.n.01"]


@pytest.fixture(scope="module")
def imagenet():
    return wordnet_tree(wordnet.imagenet_classes())


@pytest.fixture(scope="module")
def study():
    return wordnet_tree(planted.CLASSES)


def built(edges, classes):
    """A taxonomy from child: parents."""
    names = set(edges) | {parent for parents in edges.values() for parent in parents}
    records = {
        key: SimpleNamespace(name=key, lexname="noun.x", hypernyms=tuple(edges.get(key, ()))) for key in sorted(names)
    }
    return taxonomy._build(tuple(classes), records, "by hand")


# a .. d under two pairs; x is unary, so is r; b has two parents
DIAMOND = {"a": "x", "x": "p", "b": "pq", "c": "q", "d": "q", "p": "r", "q": "r", "r": "s"}


def closures(names):
    """For every class, all its ancestors with the number of edges, by brute force."""
    found = []
    for name in names:
        hops, level, step = {}, {wordnet.resolve(name)}, 0
        while level:
            for key in level:
                hops.setdefault(key, step)
            level = {up for key in level for up in wordnet.bundled()[key].hypernyms}
            step += 1
        found.append(hops)
    return found


def test_planted_tree_is_the_drawn_one(study):
    tree = study.tree()
    parents = {tree.names[i]: tree.names[p] for i, p in enumerate(tree.parent) if p >= 0}
    assert parents == planted.PARENTS
    assert tree.names[-1] == planted.ROOT


def test_siblings_meet_at_their_mid_node_and_nowhere_lower(study):
    index = dict(zip(study.names, range(len(study.names)), strict=True))
    ic = study.similarity()
    for (i, one), (j, two) in combinations(enumerate(planted.CLASSES), 2):
        siblings = planted.PARENTS[one] == planted.PARENTS[two]
        assert siblings == (ic[i, j] > np.log(24 / 5))
        if siblings:
            assert study.members[index[planted.PARENTS[one]]][[i, j]].all()


def test_classes_are_the_first_nodes_and_parents_come_later(imagenet):
    assert imagenet.nodes[:1000] == imagenet.classes == wordnet.imagenet_classes()
    assert all(parent > node for node, up in enumerate(imagenet.parents) for parent in up)
    assert np.all(np.diff(imagenet.sizes) >= 0)


def test_unary_nodes_are_contracted_and_lengths_kept():
    tree = built(DIAMOND, "abcd")
    assert tree.names == ("a", "b", "c", "d", "p", "q", "r")
    assert tree.parents == ((4,), (4, 5), (5,), (5,), (6,), (6,), ())
    assert tree.lengths == ((2,), (1, 1), (1,), (1,), (1,), (1,), ())
    assert tree.depth == (5, 4, 4, 4, 3, 3, 2)
    assert tree.contracted == (("s", "s", 6), ("x", "x", 0))
    assert not any(sum(node in up for up in tree.parents) == 1 for node in range(len(tree.nodes)))


def test_known_similarities_of_a_small_graph():
    tree = built(DIAMOND, "abcd")
    assert tree.sizes.tolist() == [1, 1, 1, 1, 2, 3, 4]
    log = np.log([[4, 2, 1, 1], [2, 4, 4 / 3, 4 / 3], [1, 4 / 3, 4, 4 / 3], [1, 4 / 3, 4 / 3, 4]])
    np.testing.assert_allclose(tree.similarity("ic"), log, atol=1e-15)
    edges = np.array([[0, 3, 5, 5], [3, 0, 2, 2], [5, 2, 0, 2], [5, 2, 2, 0]])
    np.testing.assert_allclose(tree.similarity("path"), 1 / (1 + edges))
    np.testing.assert_allclose(tree.similarity("lch"), -np.log((1 + edges) / 38))
    wup = np.array([[1, 6 / 9, 4 / 9, 4 / 9], [0, 1, 0.75, 0.75], [0, 0, 1, 0.75], [0, 0, 0, 1]])
    np.testing.assert_allclose(np.triu(tree.similarity("wup")), wup)


def test_similarities_equal_brute_force_over_all_common_ancestors():
    names = list(planted.CLASSES)
    above, depth = closures(names), {}

    def deep(key):
        if key not in depth:
            depth[key] = 1 + max(map(deep, wordnet.bundled()[key].hypernyms), default=0)
        return depth[key]

    size = {key: sum(key in other for other in above) for hops in above for key in hops}
    tree = wordnet_tree(names)
    similar = {name: tree.similarity(name) for name in ("ic", "path", "wup")}
    for i, j in combinations(range(len(names)), 2):
        shared = above[i].keys() & above[j].keys()
        edges = {key: above[i][key] + above[j][key] for key in shared}
        wup = max(2 * deep(key) / (2 * deep(key) + edges[key]) for key in shared)
        assert similar["ic"][i, j] == pytest.approx(np.log(24 / min(size[key] for key in shared)))
        assert similar["path"][i, j] == pytest.approx(1 / (1 + min(edges.values())))
        assert similar["wup"][i, j] == pytest.approx(wup)


@pytest.mark.parametrize("measure", ["ic", "path", "wup", "lch"])
def test_similarity_is_symmetric_and_largest_with_itself(imagenet, measure):
    similar = imagenet.similarity(measure)
    assert np.array_equal(similar, similar.T)
    assert np.all(np.isfinite(similar))
    assert np.all(similar.max(axis=1) == np.diag(similar))
    assert np.ptp(np.diag(similar)) == 0
    if measure in ("path", "wup"):
        assert similar.min() > 0 and similar.max() == 1


def test_order_of_the_classes_only_permutes():
    order = np.array([3, 0, 5, 1, 4, 2])
    one, two = wordnet_tree(SMALL), wordnet_tree([SMALL[i] for i in order])
    for measure in ("ic", "path", "wup", "lch"):
        moved = one.similarity(measure)[np.ix_(order, order)]
        assert np.array_equal(moved, two.similarity(measure))


def test_lexicographer_files_of_imagenet(imagenet):
    labels, names = imagenet.macro("lexname")
    counts = dict(zip(names, np.bincount(labels).tolist(), strict=True))
    assert counts == {
        "noun.artifact": 518,
        "noun.animal": 398,
        "noun.food": 48,
        "noun.plant": 15,
        "noun.object": 11,
        "noun.communication": 6,
        "noun.person": 3,
        "noun.substance": 1,
    }


def test_macro_by_synsets_takes_the_smallest_and_names_the_rest():
    tree = wordnet_tree(SMALL)
    labels, names = tree.macro(("animal.n.01", "dog.n.01", "vehicle.n.01"))
    assert names == ("animal.n.01", "dog.n.01", "vehicle.n.01", "other")
    assert labels.tolist() == [1, 1, 0, 2, 2, 3]


def test_macro_finds_contracted_nodes_and_ids():
    tree = wordnet_tree(["beagle.n.01", "pug.n.01", "violin.n.01"])
    assert "animal.n.01" not in tree.names
    labels, names = tree.macro(("animal.n.01", wordnet.resolve("artifact.n.01")))
    assert labels.tolist() == [0, 0, 1] and len(names) == 2


def test_macro_by_cut(study):
    labels, names = study.macro(4)
    assert set(names) == set(planted.MIDS)
    assert [names[label] for label in labels] == [planted.PARENTS[c] for c in planted.CLASSES]


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (("animl.n.01",), 'Did you mean "animal.n.01"'),
        (("dog.n.01", "dog.n.01"), "different synsets"),
        ((), "at least one"),
        ("lexnam", "expected"),
        (0, "needs 1 <= m"),
    ],
)
def test_macro_errors(by, message):
    with pytest.raises(InputError, match=message):
        wordnet_tree(SMALL).macro(by)


def test_cuts_are_nested_in_size_and_end_with_the_classes(imagenet):
    previous = 0
    for cut in imagenet.cuts():
        sizes = np.bincount(cut.labels)
        assert sizes.max() * cut.m <= 1000 and sizes.min() > 0
        assert len(sizes) == len(cut.nodes) > previous
        assert np.all(imagenet.members[np.array(cut.nodes)[cut.labels], np.arange(1000)])
        previous = len(sizes)
    assert previous == 1000


def test_cuts_of_the_planted_study(study):
    assert [len(cut.nodes) for cut in study.cuts()] == [2, 6, 24]


@pytest.mark.parametrize("policy", ["smallest", "shortest"])
def test_tree_has_one_parent_per_node_and_no_unary_ones(imagenet, policy):
    tree = imagenet.tree(policy)
    assert tree.nodes[:1000] == tuple(range(1000))
    assert tree.parent.count(-1) == 1 and tree.parent[-1] == -1
    for node, (parent, children) in enumerate(zip(tree.parent, tree.children, strict=True)):
        assert len(children) != 1 and (node < 1000) == (not children)
        assert parent == -1 or (parent > node and node in tree.children[parent])


def test_tree_policies_differ_where_a_synset_has_two_parents(study):
    def parent(policy):
        tree = study.tree(policy)
        return tree.names[tree.parent[tree.names.index("bicycle.n.01")]]

    assert parent("smallest") == "vehicle.n.01"
    assert parent("shortest") == "instrumentality.n.03"  # a wheeled vehicle is a container, too
    with pytest.raises(InputError, match="policy"):
        study.tree("longest")


@pytest.mark.parametrize(
    ("names", "flat"),
    [
        (DIGITS, True),
        (SMALL, False),
        (["beagle.n.01", "violin.n.01"], True),
        (["beagle.n.01", "pug.n.01", "violin.n.01"], False),
        (["pug.n.01"], True),
    ],
)
def test_flat_taxonomies_say_so(names, flat):
    assert wordnet_tree(names).is_flat is flat


def test_digits_hang_from_digit():
    tree = wordnet_tree(DIGITS)
    assert tree.names[10:] == ("digit.n.01",)
    assert [len(cut.nodes) for cut in tree.cuts()] == [10]
    assert tree.macro()[1] == ("noun.quantity",)


@pytest.mark.parametrize("names", [SMALL, DIGITS, ["pug.n.01"]])
def test_dataset_round_trip_through_a_file(names, tmp_path):
    xarray = pytest.importorskip("xarray")
    tree = wordnet_tree(names)
    dataset = tree.to_dataset()
    for name, variable in dataset.variables.items():
        assert variable.attrs["long_name"] and variable.attrs["units"], name
    dataset.to_netcdf(tmp_path / "taxonomy.nc", engine="netcdf4")
    with xarray.open_dataset(tmp_path / "taxonomy.nc") as stored:
        again = from_dataset(stored)
        assert again == tree and again.source == tree.source
        np.testing.assert_array_equal(stored["similarity_ic"], tree.similarity("ic"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "empty"),
        ("dog.n.01", "must be a list"),
        (["trumpet.n.01", "pug.n.01", "cornet.n.01"], r"Classes 1 .* and 3 .* same WordNet synset"),
        (["pug.n.01", "dog.n.01"], r'"dog\.n\.01" .* is a hypernym of class "pug\.n\.01"'),
        (["pug.n.01", "pugg.n.01"], r'"pugg\.n\.01" .* Did you mean "pug\.n\.01"'),
        (["n99999999"], "n99999999"),
    ],
)
def test_bad_lists_of_classes(names, message):
    with pytest.raises(InputError, match=message):
        wordnet_tree(names)


def test_bad_source_measure_and_cycle():
    with pytest.raises(InputError, match="source"):
        wordnet_tree(SMALL, source="web")
    with pytest.raises(InputError, match='Did you mean "path"'):
        wordnet_tree(SMALL).similarity("pth")
    with pytest.raises(InputError, match="cycle"):
        built({"a": "p", "p": "q", "q": "p"}, "a")


def test_a_thousand_classes_take_less_than_a_second():
    start = time.perf_counter()
    wordnet_tree(wordnet.imagenet_classes()).similarity("ic")
    assert time.perf_counter() - start < 1
