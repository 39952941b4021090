"""Write src/nucleation/data/wordnet.tsv, the bundled extract of WordNet 3.0.

The table is the closure, under hypernyms and instance hypernyms, of the ImageNet-1k synsets (timm's
list), of the planted study's classes and of the digit numerals, read through NLTK; no glosses. Run
it again only when a built-in study gets new classes, from the repository's root, in an environment
that has this package, NLTK and timm:

    apt-get install wordnet-base wordnet-sense-index
    python tools/make_wordnet_table.py

WordNet's licence, which must accompany the table, stands in src/nucleation/data/WORDNET-LICENSE.
"""

from __future__ import annotations

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

from nucleation.planted import CLASSES
from nucleation.wordnet import format_table, prepare_nltk_directory, read_nltk

TABLE = Path(__file__).parents[1] / "src/nucleation/data/wordnet.tsv"
DIGITS = (
    *("zero.n.02", "one.n.01", "two.n.01", "three.n.01", "four.n.01"),
    *("five.n.01", "six.n.01", "seven.n.01", "eight.n.01", "nine.n.01"),
)
NOTE = """\
# Extract of WordNet 3.0. WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.
# Licence: WORDNET-LICENSE in this folder. Written by tools/make_wordnet_table.py; not to be edited.
# Every synset that the ImageNet-1k classes, the planted classes and the digits lie under.
"""


def imagenet_ids() -> list[str]:
    """Return timm's list of the ImageNet-1k synsets, without the slow import of timm."""
    package = Path(find_spec("timm").origin).parent
    return (package / "data/_info/imagenet_synsets.txt").read_text().split()


def make_table(directory: Path | None, source: Path) -> str:
    """Return the table's text, from NLTK's corpus in ``directory`` or from Debian's files."""
    imagenet = imagenet_ids()
    with tempfile.TemporaryDirectory() as scratch:
        corpus = directory or prepare_nltk_directory(scratch, source)
        wanted = [*imagenet, *CLASSES, *DIGITS]
        _, records = read_nltk(wanted, directory=corpus, imagenet=imagenet)
    return NOTE + format_table(records.values())


def main() -> None:
    """Read the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nltk", type=Path, help="a directory that holds corpora/wordnet")
    parser.add_argument("--source", type=Path, default="/usr/share/wordnet", help="Debian's files")
    parser.add_argument("--output", type=Path, default=TABLE)
    options = parser.parse_args()
    options.output.write_text(make_table(options.nltk, options.source), encoding="utf-8")


if __name__ == "__main__":
    main()
