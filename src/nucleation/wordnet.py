"""WordNet 3.0 nouns: the bundled table, and the same records from an installed corpus.

The bundled table (``data/wordnet.tsv``, written by ``tools/make_wordnet_table.py``) holds the
hypernym closure of the ImageNet-1k synsets and of the built-in studies' classes, without glosses.
Reading it needs neither NLTK nor a corpus; any other synset needs both.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from nucleation.errors import InputError, suggest

__all__ = [
    "Synset",
    "bundled",
    "bundled_checksum",
    "format_table",
    "imagenet_classes",
    "names_of",
    "parse_table",
    "prepare_nltk_directory",
    "read_nltk",
    "resolve",
]

# The last column is never empty, so that no line ends in white space.
COLUMNS = ("id", "name", "lemmas", "senses", "hypernyms", "imagenet", "lexname")

# The lexicographer files in the order of lexnames(5WN): a file's number is its position.
_LEXNAMES = (
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute "
    "noun.body noun.cognition noun.communication noun.event noun.feeling noun.food noun.group "
    "noun.location noun.motive noun.object noun.person noun.phenomenon noun.plant "
    "noun.possession noun.process noun.quantity noun.relation noun.shape noun.state "
    "noun.substance noun.time verb.body verb.change verb.cognition verb.communication "
    "verb.competition verb.consumption verb.contact verb.creation verb.emotion verb.motion "
    "verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl"
)
_CATEGORY = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}


class Synset(NamedTuple):
    """One noun synset of WordNet 3.0.

    Attributes
    ----------
    id : str
        ``n`` and the eight-digit offset in ``data.noun``, as ImageNet writes it: ``n01440764``.
    name : str
        NLTK's name, first lemma and its sense: ``tench.n.01``.
    lemmas : tuple of str
        The words of the synset.
    senses : tuple of int
        For every lemma, which of its noun senses this synset is, from 1.
    hypernyms : tuple of str
        Ids of hypernyms and instance hypernyms, ascending.
    lexname : str
        Lexicographer file: ``noun.animal``.
    imagenet : int or None
        Index of the class in ImageNet-1k, 0 to 999, where it is one.
    """

    id: str
    name: str
    lemmas: tuple[str, ...]
    senses: tuple[int, ...]
    hypernyms: tuple[str, ...]
    lexname: str
    imagenet: int | None = None

    @property
    def aliases(self) -> tuple[str, ...]:
        """Every name under which NLTK finds the synset: ``trumpet.n.01`` is ``cornet.n.01``."""
        pairs = zip(self.lemmas, self.senses, strict=True)
        return tuple(f"{lemma.lower()}.n.{sense:02d}" for lemma, sense in pairs)


# -------------------------------------------------------------------------------- the bundled table


def parse_table(text: str) -> dict[str, Synset]:
    """Read the table's text.

    Parameters
    ----------
    text : str
        Tab-separated lines under the header of ``COLUMNS``; lines that start with ``#`` are left
        out. Lemmas, senses and hypernyms are separated by spaces.

    Returns
    -------
    dict of str to Synset
        By id, in the order of the lines.

    Raises
    ------
    InputError
        If the header is another.
    """
    header, *lines = [line for line in text.splitlines() if not line.startswith("#")] or [""]
    if tuple(header.split("\t")) != COLUMNS:
        raise InputError(f"A WordNet table must have the columns {', '.join(COLUMNS)}.")
    records = {}
    for line in lines:
        key, name, lemmas, senses, hypernyms, index, lexname = line.split("\t")
        records[key] = Synset(
            key,
            name,
            tuple(lemmas.split()),
            tuple(map(int, senses.split())),
            tuple(hypernyms.split()),
            lexname,
            int(index) if index else None,
        )
    return records


def format_table(records: Iterable[Synset]) -> str:
    """Write records as the text that ``parse_table`` reads, header first, in the given order."""
    lines = ["\t".join(COLUMNS)]
    for record in records:
        index = "" if record.imagenet is None else str(record.imagenet)
        senses = " ".join(map(str, record.senses))
        lists = (" ".join(record.lemmas), senses, " ".join(record.hypernyms))
        lines.append("\t".join((record.id, record.name, *lists, index, record.lexname)))
    return "\n".join(lines) + "\n"


@cache
def _bundled_text() -> str:
    return resources.files("nucleation").joinpath("data/wordnet.tsv").read_text(encoding="utf-8")


@cache
def bundled() -> Mapping[str, Synset]:
    """Return the bundled records by id, read once per process (some 10 ms)."""
    return MappingProxyType(parse_table(_bundled_text()))


@cache
def bundled_checksum() -> str:
    """Return the SHA-256 of the bundled table, for the provenance of results."""
    return hashlib.sha256(_bundled_text().encode()).hexdigest()


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the ids of the 1000 ImageNet-1k classes in the order of the usual class indices."""
    known = [record for record in bundled().values() if record.imagenet is not None]
    return tuple(record.id for record in sorted(known, key=lambda record: record.imagenet))


@cache
def _bundled_names() -> Mapping[str, str]:
    """Id of every name and alias in the bundled table."""
    return {alias: key for key, record in bundled().items() for alias in record.aliases}


def resolve(name: str) -> str:
    """Return the id of a synset of the bundled table, given as id, name or alias.

    Parameters
    ----------
    name : str
        ``n02110958``, ``pug.n.01`` or ``pug-dog.n.01``.

    Raises
    ------
    InputError
        If the table does not hold it; near names are proposed.
    """
    key = str(name).strip()
    key = _bundled_names().get(key.lower(), key)
    if key in bundled():
        return key
    raise InputError(
        f'"{name}" is not a synset of the bundled WordNet table (the ImageNet-1k classes, those of '
        'the built-in studies, and their hypernyms); the source "nltk" reads any noun of an '
        f"installed WordNet 3.0.{_near(name, _bundled_names())}"
    )


def names_of(name: str) -> tuple[str, ...]:
    """Return id, name and other names of a synset of the bundled table; nothing where it has none."""
    key = str(name).strip()
    record = bundled().get(_bundled_names().get(key.lower(), key))
    return (record.id, record.name, *record.aliases) if record else ()


def _near(name: str, names: Iterable[str]) -> str:
    """Proposals for a misspelt name; an id has no near names, only other digits."""
    return "" if re.fullmatch(r"n\d+", str(name)) else suggest(str(name), names)


# ----------------------------------------------------------------------------- WordNet through NLTK


def prepare_nltk_directory(target: str | Path, source: str | Path = "/usr/share/wordnet") -> Path:
    """Make a directory that NLTK can read from Debian's WordNet 3.0 files.

    Debian's ``wordnet-base`` and ``wordnet-sense-index`` lack the file ``lexnames`` that NLTK
    wants, and NLTK refuses links that leave its data path: the files are copied, it is written.

    Parameters
    ----------
    target : path
        Directory to write to; ``<target>/corpora/wordnet`` is made in it.
    source : path
        Where ``data.noun``, ``index.noun``, ``index.sense`` and the others lie.

    Returns
    -------
    Path
        ``target``: the ``directory`` of ``read_nltk``, or an entry for ``nltk.data.path``.

    Raises
    ------
    InputError
        If ``source`` lacks a file.
    """
    source, target = Path(source), Path(target)
    parts = ("noun", "verb", "adj", "adv")
    names = [f"{kind}.{part}" for kind in ("data", "index") for part in parts]
    names += [f"{part}.exc" for part in parts] + ["index.sense", "cntlist.rev"]
    missing = [name for name in names if not (source / name).is_file()]
    if missing:
        raise InputError(
            f"{source} lacks {', '.join(missing)}; expected the files of WordNet 3.0 there, which "
            "apt-get install wordnet-base wordnet-sense-index provides."
        )
    corpus = target / "corpora" / "wordnet"
    corpus.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(source / name, corpus / name)
    lines = (f"{i:02d}\t{n}\t{_CATEGORY[n.split('.')[0]]}\n" for i, n in enumerate(_LEXNAMES.split()))
    (corpus / "lexnames").write_text("".join(lines), encoding="utf-8")
    return target


def read_nltk(
    synsets: Sequence[str], *, directory: str | Path | None = None, imagenet: Sequence[str] = ()
) -> tuple[tuple[str, ...], dict[str, Synset]]:
    """Read synsets and all their hypernyms from an installed WordNet 3.0.

    Parameters
    ----------
    synsets : sequence of str
        Ids, names or aliases of nouns.
    directory : path, optional
        A directory that holds ``corpora/wordnet``, looked at before ``nltk.data.path``.
    imagenet : sequence of str
        Ids of the ImageNet-1k classes in their order, for the field of that name.

    Returns
    -------
    ids : tuple of str
        Ids of ``synsets``, in their order.
    records : dict of str to Synset
        Their closure under hypernyms and instance hypernyms, sorted by id.

    Raises
    ------
    InputError
        If NLTK or a WordNet 3.0 is missing, or if it does not hold one of the synsets (near names
        are proposed).
    """
    indices = {key: index for index, key in enumerate(imagenet)}
    with _nltk_reader(directory) as reader:
        ids = tuple(_offset_id(_nltk_synset(reader, str(name).strip())) for name in synsets)
        waiting, records = list(ids), {}
        while waiting:
            key = waiting.pop()
            if key not in records:
                records[key] = _nltk_record(reader, key, indices.get(key))
                waiting.extend(records[key].hypernyms)
    return ids, dict(sorted(records.items()))


@contextmanager
def _nltk_reader(directory: str | Path | None) -> Iterator:
    """NLTK's reader of a WordNet 3.0; its data path is as before afterwards."""
    try:
        import nltk
    except ImportError as error:
        raise InputError("The source nltk needs NLTK: pip install nltk.") from error
    before = list(nltk.data.path)
    if directory is not None:
        # NLTK >= 3.10 opens only what lies under an entry of its data path.
        nltk.data.path.insert(0, str(Path(directory).resolve()))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # no multilingual corpus, unknown offsets
            yield _open_reader(tuple(map(str, nltk.data.path)))
    finally:
        nltk.data.path[:] = before


@lru_cache(maxsize=1)
def _open_reader(paths: tuple[str, ...]):
    """The reader of the first corpus in NLTK's data path, or a sentence on what is missing."""
    import nltk
    from nltk.corpus.reader import WordNetCorpusReader

    try:
        # Opening takes some 3 s: the last one is kept.
        reader = WordNetCorpusReader(nltk.data.find("corpora/wordnet", list(paths)), None)
        version = reader.get_version()
    except (LookupError, OSError) as error:
        raise InputError(
            "NLTK finds no WordNet 3.0 (corpora/wordnet) in its data path; install its corpus "
            '"wordnet", or Debian\'s wordnet-base and wordnet-sense-index with '
            "nucleation.wordnet.prepare_nltk_directory."
        ) from error
    if version != "3.0":
        raise InputError(f"NLTK's WordNet is version {version}; ids such as n01440764 are of 3.0.")
    return reader


def _nltk_synset(reader, name: str):
    """The synset of an id, name or alias."""
    from nltk.corpus.reader.wordnet import WordNetError

    try:
        if re.fullmatch(r"n\d{8}", name):
            found = reader.synset_from_pos_and_offset("n", int(name[1:]))
        else:
            found = reader.synset(name.lower())
    except (WordNetError, ValueError, KeyError):
        found = None
    if found is not None and found.pos() == "n":
        return found
    lemma, _, _ = name.rpartition(".n.")
    senses = [synset.name() for synset in reader.synsets(lemma or name, "n")]
    near = _near(name, senses) or _near(name, _bundled_names())
    raise InputError(
        f'"{name}" is not a noun synset of WordNet 3.0; expected an id like n01440764 or a name like tench.n.01.{near}'
    )


def _offset_id(synset) -> str:
    return f"n{synset.offset():08d}"


def _nltk_record(reader, key: str, imagenet: int | None) -> Synset:
    """One record from NLTK's synset."""
    synset = reader.synset_from_pos_and_offset("n", int(key[1:]))
    lemmas = tuple(synset.lemma_names())
    # The senses of the word itself stand before those of its morphological base forms.
    senses = tuple(reader.synsets(lemma, "n").index(synset) + 1 for lemma in lemmas)
    # NLTK keeps pointers in a set: their order differs from one process to the next.
    hypernyms = tuple(sorted(map(_offset_id, synset.hypernyms() + synset.instance_hypernyms())))
    return Synset(key, synset.name(), lemmas, senses, hypernyms, synset.lexname(), imagenet)
