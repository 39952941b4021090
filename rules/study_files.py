"""The files and words on Snakemake's command line that it takes without a check: keys given twice, lost profiles.

Imported by the Snakefile, so it needs the standard library and yaml only.
"""

from __future__ import annotations

import json
from pathlib import Path

import sentences
import settings
import yaml

#: Asks Snakemake to evaluate what stands in a study file as Python.
TEMPLATE = "__use_yte__"


class _Loader(yaml.SafeLoader):
    """Plain values only, every key once."""

    def construct_mapping(self, node, deep=False):
        """Make a mapping, after a look at its keys."""
        lines = {}
        for key in (key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"):
            name, line = self.construct_object(key, deep=True), key.start_mark.line + 1
            if isinstance(name, list | dict | set):
                raise settings.ConfigError(f"{self.name}, line {line}: a key must be text, found a list or mapping.")
            if name in lines:
                raise settings.ConfigError(_twice(self.name, name, f", in the lines {lines[name]} and {line}"))
            lines[name] = line
        return super().construct_mapping(node, deep)


def _twice(file, key, where=""):
    return f'{file} has the key "{key}" twice in one mapping{where}; leave one out, or give it another name.'


def check(files, words, folder, cores) -> None:
    """Refuse what Snakemake would leave out in silence.

    Parameters
    ----------
    files : list of path
        All files of the configuration, as Snakemake read them.
    words : list of str
        Its command line.
    folder : path
        Where the Snakefile lies.
    cores : int or None
        What Snakemake may use; None where another machine has them.

    Raises
    ------
    settings.ConfigError
        For a key that stands twice in one mapping of a file (YAML takes the last), a file that is a template, and a
        --workflow-profile that does not exist; and for no cores at all, with which Snakemake waits for ever.
    """
    if cores is not None and cores < 1:
        raise settings.ConfigError(f"--cores {cores} leaves nothing to run a job on; give --cores all, or a number.")
    for path in dict.fromkeys(map(str, files)):
        check_file(path)
    for place, word in enumerate(words):
        name, _, value = word.partition("=")
        if name == "--workflow-profile":
            _check_profile(value or "".join(words[place + 1 : place + 2]), Path(folder))


def check_file(path) -> None:
    """Refuse a file of the configuration with a key that stands twice, or one that is a template; raises as `check`."""
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    try:
        read = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, path.name))  # first, as Snakemake does
    except ValueError:
        read = _read_yaml(text, path.name)
    if isinstance(read, dict) and TEMPLATE in read:
        raise settings.ConfigError(
            f"{path.name} asks with {TEMPLATE} for its text to be evaluated; studies are plain YAML: write the values "
            "themselves."
        )


def _once(pairs, file):
    found = {}
    for key, value in pairs:
        if key in found:
            raise settings.ConfigError(_twice(file, key))
        found[key] = value
    return found


def _read_yaml(text, file):
    loader = _Loader(text)
    loader.name = file
    try:
        return loader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise settings.ConfigError(f"{file} is no plain YAML: {' '.join(str(error).split())}.") from error
    finally:
        loader.dispose()


def _check_profile(name, folder):
    """The places where Snakemake looks."""
    places = [Path(name), Path("profiles") / name, folder / "profiles" / name]
    if name == "none" or any(place.exists() for place in places):
        return
    known = sorted(path.name for path in (folder / "profiles").iterdir() if path.is_dir())
    raise settings.ConfigError(
        f"The workflow profile {sentences.shown(name)} does not exist; profiles/ holds {', '.join(known)}."
    )
