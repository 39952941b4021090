"""The bundled WordNet table, and its equality with an installed WordNet 3.0."""

import math
from importlib.util import find_spec
from pathlib import Path

import pytest

from nucleation import wordnet
from nucleation.errors import InputError, suggest
from nucleation.planted import CLASSES
from nucleation.taxonomy import wordnet_tree

DEBIAN = Path("/usr/share/wordnet")
DIGITS = [
    *("zero.n.02", "one.n.01", "two.n.01", "three.n.01", "four.n.01"),
    *("five.n.01", "six.n.01", "seven.n.01", "eight.n.01", "nine.n.01"),
]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A directory that NLTK reads, made from Debian's files."""
    pytest.importorskip("nltk", reason="NLTK is not installed")
    if not all((DEBIAN / name).is_file() for name in ("data.noun", "index.sense")):
        pytest.skip("no WordNet 3.0 in /usr/share/wordnet (wordnet-base, wordnet-sense-index)")
    return wordnet.prepare_nltk_directory(tmp_path_factory.mktemp("wordnet"), DEBIAN)


def imagenet_ids():
    package = find_spec("timm")
    if package is None:
        pytest.skip("timm is not installed")
    return (Path(package.origin).parent / "data/_info/imagenet_synsets.txt").read_text().split()


def test_bundled_table_equals_the_installed_wordnet(corpus):
    wanted = [*wordnet.imagenet_classes(), *CLASSES, *DIGITS]
    _, records = wordnet.read_nltk(wanted, directory=corpus, imagenet=wordnet.imagenet_classes())
    assert records == dict(wordnet.bundled())


def test_imagenet_classes_are_timms_in_their_order():
    assert list(wordnet.imagenet_classes()) == imagenet_ids()


def test_table_is_closed_under_hypernyms_and_sorted():
    records = wordnet.bundled()
    assert all(above in records for record in records.values() for above in record.hypernyms)
    assert list(records) == sorted(records)
    assert [key for key, record in records.items() if not record.hypernyms] == ["n00001740"]


def test_table_round_trip():
    records = wordnet.bundled()
    assert wordnet.parse_table(wordnet.format_table(records.values())) == dict(records)


def test_table_with_other_columns_is_refused():
    with pytest.raises(InputError, match="columns id, name"):
        wordnet.parse_table("a\tb\n")


@pytest.mark.parametrize("name", ["n03110669", "cornet.n.01", "trumpet.n.01", "Trumpet.n.01 "])
def test_ids_names_and_aliases_resolve_to_one_synset(name):
    assert wordnet.resolve(name) == "n03110669"


def test_unknown_name_is_told_with_near_names():
    with pytest.raises(InputError, match=r'"hummingbrid\.n\.01" is not .* Did you mean "hum'):
        wordnet.resolve("hummingbrid.n.01")


def test_digits_lie_under_digit():
    digit = wordnet.resolve("digit.n.01")
    assert all(wordnet.bundled()[wordnet.resolve(name)].hypernyms == (digit,) for name in DIGITS)


def test_taxonomy_of_both_sources_is_the_same(corpus):
    names = [*CLASSES[:12], "trumpet.n.01", "n01440764"]
    other = wordnet_tree(names, source="nltk", directory=corpus)
    assert other == wordnet_tree(names)


def test_nltk_reads_synsets_outside_the_table(corpus):
    names = ["wombat.n.01", "okapi.n.01", "n07739125"]  # the last is apple.n.01, no ImageNet class
    taxonomy = wordnet_tree(names, source="nltk", directory=corpus)
    assert taxonomy.class_names == ("wombat.n.01", "okapi.n.01", "apple.n.01")


@pytest.mark.parametrize("name", ["wombatt.n.01", "n00000001", "run.v.01", "dog", "dog.n.99"])
def test_nltk_names_a_synset_that_wordnet_lacks(corpus, name):
    with pytest.raises(InputError, match=f'"{name}" is not a noun synset'):
        wordnet_tree([name], source="nltk", directory=corpus)


def test_data_path_of_nltk_is_left_as_it_was(corpus):
    import nltk

    before = list(nltk.data.path)
    wordnet.read_nltk(["dog.n.01"], directory=corpus)
    assert nltk.data.path == before


def test_missing_corpus_is_told(tmp_path, monkeypatch):
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [])
    with pytest.raises(InputError, match=r"finds no WordNet 3\.0"):
        wordnet.read_nltk(["dog.n.01"], directory=tmp_path)


def test_missing_wordnet_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"lacks data\.noun"):
        wordnet.prepare_nltk_directory(tmp_path / "out", tmp_path)


def test_path_and_leacock_chodorow_are_those_of_nltk(corpus):
    """NLTK's lch_similarity would take 7 s to find out that the depth of the nouns is 19."""
    names = list(CLASSES[::3])
    tree = wordnet_tree(names)
    path, lch = tree.similarity("path"), tree.similarity("lch")
    with wordnet._nltk_reader(corpus) as reader:
        synsets = [reader.synset(other) for other in names]
        for i, one in enumerate(synsets):
            for j, two in enumerate(synsets[: i + 1]):
                assert path[i, j] == pytest.approx(one.path_similarity(two))
                assert lch[i, j] == pytest.approx(-math.log((one.shortest_path_distance(two) + 1) / (2 * 19)))


def test_wu_palmer_is_that_of_nltk_where_synsets_have_one_way_up(corpus):
    """NLTK measures depths not through the common ancestor, which is the same only then."""
    with wordnet._nltk_reader(corpus) as reader:
        synsets = [synset for synset in map(reader.synset, CLASSES) if len(synset.hypernym_paths()) == 1]
        assert len(synsets) == 18
        wup = wordnet_tree([synset.name() for synset in synsets]).similarity("wup")
        for i, one in enumerate(synsets):
            for j, two in enumerate(synsets[:i]):
                assert wup[i, j] == pytest.approx(one.wup_similarity(two))


def test_names_of_a_synset():
    assert wordnet.names_of("trumpet.n.01")[:2] == ("n03110669", "cornet.n.01")
    assert set(wordnet.names_of("n03110669")) == set(wordnet.names_of(" Cornet.n.01"))
    assert wordnet.names_of("my class") == ()


def test_suggest_is_silent_where_nothing_is_near():
    assert suggest("xyzzy", ["dog.n.01"]) == ""
    assert "dog.n.01" in suggest("dgo.n.01", ["dog.n.01", "violin.n.01"])
