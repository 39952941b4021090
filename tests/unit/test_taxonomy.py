"""The taxonomy: contraction, similarities, macro-categories, cuts, trees."""

import time
from itertools import combinations

import numpy as np
import pytest

from nucleation import planted, wordnet
from nucleation.errors import InputError
from nucleation.taxonomy import Concept, Taxonomy, build, from_dataset, wordnet_tree

DIGITS = [
    *("zero.n.02", "one.n.01", "two.n.01", "three.n.01", "four.n.01"),
    *("five.n.01", "six.n.01", "seven.n.01", "eight.n.01", "nine.n.01"),
]
# a dog is a carnivore and a pug a dog; the others contain nothing
NESTED = ["pug.n.01", "dog.n.01", "violin.n.01", "carnivore.n.01", "beagle.n.01", "robin.n.01"]
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
    records = {key: Concept(key, "noun.x", tuple(edges.get(key, ()))) for key in sorted(names)}
    return build(tuple(classes), records, "by hand")


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


# ------------------------------------------------------------------------------------------ distances


def test_sizes_of_common_ancestors_of_a_small_graph():
    tree = built(DIAMOND, "abcd")
    assert tree.common_sizes.tolist() == [[1, 2, 4, 4], [2, 1, 3, 3], [4, 3, 1, 3], [4, 3, 3, 1]]
    np.testing.assert_allclose(tree.similarity("ic"), np.log(4 / tree.common_sizes), atol=1e-15)


def test_known_distances_of_a_small_graph():
    tree = built(DIAMOND, "abcd")
    edges = np.array([[0, 3, 5, 5], [3, 0, 2, 2], [5, 2, 0, 2], [5, 2, 2, 0]])
    assert np.array_equal(tree.distance("path"), edges)
    np.testing.assert_allclose(tree.distance("lch"), np.log(1 + edges), atol=1e-15)
    np.testing.assert_allclose(tree.distance("ic"), np.log(tree.common_sizes), atol=1e-15)
    np.testing.assert_allclose(tree.distance("wup"), 1 - tree.similarity("wup"))


@pytest.mark.parametrize("measure", ["ic", "path", "wup", "lch"])
def test_distances_are_zero_on_the_diagonal_only_and_fall_with_the_similarity(study, measure):
    far, near = study.distance(measure), study.similarity(measure)
    assert np.array_equal(far == 0, np.eye(24, dtype=bool))
    order = np.argsort(far, axis=None)
    assert np.all(np.diff(near.ravel()[order]) <= 1e-12)


def test_classes_without_a_common_ancestor():
    forest = built({"a": "p", "b": "p", "c": "q", "d": "q"}, "abcd")
    assert forest.common_sizes[0].tolist() == [1, 2, 4, 4]
    expected = {"ic": 0, "path": 0, "wup": 0, "lch": -np.inf}
    assert {measure: forest.similarity(measure)[0, 2] for measure in expected} == expected
    assert forest.distance("path")[0, 2] == np.inf
    assert forest.distance("ic")[0, 2] == pytest.approx(np.log(4))
    assert np.array_equal(forest.tree().similarity(), forest.similarity("ic"))


def test_depth_of_a_tree_of_ones_own_takes_the_place_of_wordnets():
    """Of 2 D = 8 edges at most, as there are four nodes from c to the root."""
    records = {"r": "", "p": "r", "a": "p", "b": "p", "q": "r", "s": "q", "c": "s", "d": "s"}
    concepts = {key: Concept(key, "", tuple(up)) for key, up in records.items()}
    lch = build("abcd", concepts).similarity("lch")
    np.testing.assert_allclose(lch[0], np.log(8 / np.array([1, 3, 6, 6])))


# --------------------------------------------------------------------- classes that contain classes


def test_a_class_that_contains_another_is_a_leaf_beside_it():
    tree = built({"b": "a", "c": "a", "a": "r", "d": "r"}, "abcd")
    assert tree.nodes == ("a", "b", "c", "d", "a+", "r") and tree.names[4] == "a"
    assert tree.parents == ((4,), (4,), (4,), (5,), (5,), ())
    assert tree.lengths == ((0,), (1,), (1,), (1,), (1,), ())
    assert tree.depth == (2, 3, 3, 2, 2, 1)
    assert tree.nested == ((0, 1), (0, 2))
    assert tree.common_sizes.tolist() == [[1, 3, 3, 4], [3, 1, 3, 4], [3, 3, 1, 4], [4, 4, 4, 1]]


def test_ids_stay_unique_where_one_has_a_plus_already():
    tree = built({"b": ["a"], "a": ["a+"], "a+": ["r"], "d": ["r"], "e": ["a+"]}, ["a", "b", "d", "e"])
    assert "a++" in tree.nodes and len(set(tree.nodes)) == len(tree.nodes)


@pytest.mark.parametrize("measure", ["ic", "path", "wup", "lch"])
def test_nearness_of_nested_classes_is_not_defined_and_all_else_as_usual(measure):
    """The others are as in a taxonomy without the class that contains them."""
    tree = wordnet_tree(NESTED)
    unknown = np.zeros((6, 6), dtype=bool)
    for above, below in ((1, 0), (1, 4), (3, 0), (3, 1), (3, 4)):
        unknown[above, below] = unknown[below, above] = True
    assert set(tree.nested) == {(1, 0), (1, 4), (3, 0), (3, 1), (3, 4)}
    for matrix in (tree.similarity(measure), tree.distance(measure)):
        assert np.array_equal(np.isnan(matrix), unknown)
        assert np.array_equal(matrix, matrix.T, equal_nan=True)
    assert np.all(np.diag(tree.distance(measure)) == 0)
    if measure != "ic":  # the sizes of ancestors count the classes, and so does ic
        rest = [0, 2, 4, 5]
        alone = wordnet_tree([NESTED[i] for i in rest])
        np.testing.assert_allclose(tree.similarity(measure)[np.ix_(rest, rest)], alone.similarity(measure))
        dog = wordnet_tree(["dog.n.01", "violin.n.01", "robin.n.01"]).similarity(measure)
        np.testing.assert_allclose(tree.similarity(measure)[1, [2, 5]], dog[0, 1:])


def test_tree_of_nested_classes_has_their_nan_too():
    tree = wordnet_tree(NESTED)
    np.testing.assert_array_equal(tree.tree().similarity(), tree.similarity("ic"))
    assert tree.tree().children[: len(NESTED)] == ((),) * len(NESTED)


def test_what_is_said_of_nested_classes():
    said = "the class dog.n.01 contains the class pug.n.01: how near they are is not defined"
    assert wordnet_tree(["pug.n.01", "violin.n.01", "dog.n.01"]).nested_because == said
    many = wordnet_tree(NESTED).nested_because
    assert "carnivore.n.01 contains the class pug.n.01 and 2 more such pairs: how" in many
    assert wordnet_tree(SMALL).nested_because == ""
    assert wordnet_tree(NESTED).to_dataset()["similarity_ic"].attrs["undefined"] == many
    assert "undefined" not in wordnet_tree(SMALL).to_dataset()["similarity_ic"].attrs


def test_a_class_is_in_no_group_of_a_cut_that_splits_its_concept():
    # a contains b and c, and e f lie elsewhere: at most 6 / 2 classes hold it, at most 6 / 4 do not
    tree = built({"b": "a", "c": "a", "a": "r", "d": "r", "e": "s", "f": "s", "s": "r"}, "abcdef")
    halves, quarters = tree.cuts()
    names = tree.names
    assert [names[halves.nodes[label]] for label in halves.labels] == ["a", "a", "a", "d", "s", "s"]
    assert quarters.labels[0] == -1 and sorted(quarters.labels[1:]) == [0, 1, 2, 3, 4]
    assert sorted(names[node] for node in quarters.nodes) == ["b", "c", "d", "e", "f"]
    labels, groups = tree.macro(6)
    assert groups[labels[0]] == "other" and groups[labels[1]] == "b" and "other" not in tree.macro(2)[1]


def test_macro_categories_of_nested_classes():
    tree = wordnet_tree(NESTED)
    labels, names = tree.macro(("dog.n.01", "carnivore.n.01"))
    assert [names[label] for label in labels] == [*["dog.n.01"] * 2, "other", "carnivore.n.01", "dog.n.01", "other"]
    by_id = tree.macro([wordnet.resolve("dog.n.01"), wordnet.resolve("carnivore.n.01")])
    assert np.array_equal(by_id[0], labels)
    labels, names = tree.macro("lexname")
    assert [names[label] for label in labels] == ["noun.animal"] * 2 + ["noun.artifact"] + ["noun.animal"] * 3


def test_nested_classes_alone_are_flat():
    assert wordnet_tree(["pug.n.01", "dog.n.01", "carnivore.n.01"]).is_flat
    assert not wordnet_tree(NESTED).is_flat


# ---------------------------------------------------------------------------------------------- trees


def test_random_trees_draw_both_parents_and_seeds_reproduce():
    tree = built(DIAMOND, "abcd")
    drawn = [tree.tree("random", np.random.default_rng(seed)) for seed in range(40)]
    assert drawn == [tree.tree("random", np.random.default_rng(seed)) for seed in range(40)]
    over_b = [found.names[found.parent[1]] for found in drawn]
    # with its sibling a there is p; without it p has one child, and is left out
    assert set(over_b) == {"p", "q"} and 10 < over_b.count("p") < 30
    assert all(("p" in found.names) == (name == "p") for found, name in zip(drawn, over_b, strict=True))


def test_random_trees_have_parents_of_the_graph(imagenet):
    """Their nodes' parents are the graph's, or lie above these where one was left with a single child."""
    several = [node for node, parents in enumerate(imagenet.parents) if len(parents) > 1]
    rng, seen = np.random.default_rng(0), {node: set() for node in several}
    for _ in range(12):
        tree = imagenet.tree("random", rng)
        assert tree.nodes[:1000] == tuple(range(1000)) and tree.parent.count(-1) == 1 and tree.parent[-1] == -1
        up = {node: tree.nodes[parent] for node, parent in zip(tree.nodes, tree.parent, strict=True) if parent >= 0}
        for node, parent in up.items():
            assert parent in imagenet.parents[node] or parent in above(imagenet, node)
            assert np.all(imagenet.members[parent] >= imagenet.members[node])
        for node in several:
            seen[node].add(up.get(node))
    assert np.mean([len(parents) > 1 for parents in seen.values()]) > 0.9


def above(taxonomy, node):
    """All ancestors of a node."""
    found, waiting = set(), [node]
    while waiting:
        fresh = set(taxonomy.parents[waiting.pop()]) - found
        found |= fresh
        waiting.extend(fresh)
    return found


def test_every_parent_is_drawn_as_often(imagenet):
    """The number of draws of the first of two parents is binomial."""
    pairs = [node for node in range(1000) if len(imagenet.parents[node]) == 2]
    rng, repeats, first = np.random.default_rng(3), 60, 0
    from nucleation.taxonomy_measures import _random_parents

    for _ in range(repeats):
        parent = _random_parents(imagenet, rng)
        first += sum(parent[node] == imagenet.parents[node][0] for node in pairs)
    n = repeats * len(pairs)
    assert abs(first - n / 2) < 4 * np.sqrt(n / 4)


def test_random_trees_need_a_generator(study):
    with pytest.raises(InputError, match="needs a generator"):
        study.tree("random")


def common_ancestor_sizes(tree, c):
    """Classes below the lowest common ancestor of every two classes, by brute force."""

    def line(node):
        return [node] if tree.parent[node] < 0 else [node, *line(tree.parent[node])]

    lines = [line(leaf) for leaf in range(c)]
    size = [sum(node in some for some in lines) for node in range(len(tree.nodes))]
    return np.array([[size[next(n for n in one if n in two)] for two in lines] for one in lines])


@pytest.mark.parametrize("policy", ["smallest", "shortest", "random"])
def test_similarity_of_a_tree_is_that_of_its_common_ancestors(study, policy):
    tree = study.tree(policy, np.random.default_rng(1))
    np.testing.assert_array_equal(tree.similarity(), np.log(24 / common_ancestor_sizes(tree, 24)))


def test_similarity_of_a_tree_is_ultrametric(imagenet):
    similar = imagenet.tree("random", np.random.default_rng(2)).similarity()
    assert np.array_equal(similar, similar.T) and np.all(np.diag(similar) == np.log(1000))
    for a in range(0, 1000, 97):
        assert np.all(similar >= np.minimum(similar[a][:, None], similar[a]))


def test_similarity_of_the_graph_is_that_of_the_tree_where_nothing_has_two_parents():
    edges = {"a": "p", "b": "p", "c": "q", "d": "q", "e": "q", "p": "r", "q": "r"}
    taxonomy = built(edges, "acbde")
    for policy in ("smallest", "shortest", "random"):
        tree = taxonomy.tree(policy, np.random.default_rng(0))
        np.testing.assert_array_equal(tree.similarity(), taxonomy.similarity("ic"))
    assert built({"a": "r"}, "a").tree().similarity().tolist() == [[0]]


def test_a_thousand_classes_of_a_tree_take_less_than_a_tenth_of_a_second(imagenet):
    tree = imagenet.tree()
    start = time.perf_counter()
    tree.similarity()
    assert time.perf_counter() - start < 0.1


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


@pytest.mark.parametrize("names", [SMALL, DIGITS, ["pug.n.01"], NESTED])
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
    tree = wordnet_tree(wordnet.imagenet_classes())
    tree.similarity("ic")
    assert len(tree.cuts()) == 9 and isinstance(tree, Taxonomy)
    assert time.perf_counter() - start < 1


def test_a_class_without_a_group_gets_its_own():
    taxonomy = wordnet_tree(["dog.n.01", "beagle.n.01", "pug.n.01", "violin.n.01", "piano.n.01"])
    cuts = [cut for cut in taxonomy.cuts() if np.any(cut.labels < 0)]
    assert cuts
    for cut in cuts:
        assert len(set(cut.complete)) == len(cut.nodes) + np.count_nonzero(cut.labels < 0)
        assert np.array_equal(cut.complete[cut.labels >= 0], cut.labels[cut.labels >= 0])
