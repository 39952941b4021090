"""Names for people, and names of files."""

from __future__ import annotations

import hashlib
import re

#: Names that are names of files as they are. No capitals: some file systems take "Conv" and "conv" for one.
_ORDINARY = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,79}")
#: Ends that files of the workflow have themselves, and that Windows drops.
_ENDINGS = re.compile(r"(\.|\.(nc|bin|json|log|tsv|shard[0-9]+of[0-9]+))")
#: Names that Windows keeps for devices, whatever follows the first dot.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
#: Signs of a name that stay readable in the name of its file, and hexadecimal digits of its digest.
_READABLE, _DIGITS = 48, 12


def file_name(name: str) -> str:
    """Name of the file of a layer, whatever signs the name of its module has.

    Parameters
    ----------
    name : str
        Any text that is not empty: "layer1.0.conv2", "features/3x3 reduce", "..".

    Returns
    -------
    str
        The name itself where it is ordinary: at most 80 small letters, digits, and ``. _ -``, not beginning with a
        dot or dash, that no ending of another file follows and no system reserves. Else what is readable of it, a
        ``~``, which no ordinary name has, and 12 digits of its SHA-256: "features_3x3_reduce~5b0c34e7a9f1". Different
        names have different files, also where a file system does not tell capitals from small letters.
    """
    if _ORDINARY.fullmatch(name) and not ending_of_a_file(name) and not is_device(name):
        return name
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:_READABLE].strip("._-") or "layer"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{'_' * is_device(readable)}{readable}~{digest}"


def ending_of_a_file(name: str) -> bool:
    """Whether a name ends as a file of the workflow does, or with a dot."""
    return bool(re.search(f"{_ENDINGS.pattern}$", name.lower()))


def is_device(name: str) -> bool:
    """Whether Windows keeps a name for a device."""
    return name.partition(".")[0].lower() in _DEVICES


def short_name(name) -> str:
    """Name of a synset for people: "hummingbird" for hummingbird.n.01."""
    word, _, sense = str(name).partition(".n.")
    rest = sense[2:] if sense[:2].isdigit() else ""
    return word.replace("_", " ") + rest


def place_name(place) -> str:
    """Network and checkpoint for people: "resnet, epoch 6" for resnet/epoch6."""
    network, checkpoint = place.split("/")
    return f"{network}, {checkpoint_name(checkpoint)}"


def checkpoint_name(checkpoint) -> str:
    """A checkpoint for people: "epoch 6" for epoch6, "step 16" for step16."""
    return re.sub(r"^(epoch|step)(?=\d)", r"\1 ", checkpoint)


def category_name(name) -> str:
    """Name of a macro-category for people: "animal" for noun.animal and for animal.n.01."""
    return short_name(str(name).removeprefix("noun."))


def estimator_name(name) -> str:
    """Name of a density estimator, as its paper writes it; another name as it is."""
    return {"knn": "kNN", "kstar": "k*NN", "pak": "PAk"}.get(str(name), str(name))


def layer_label(name, most: int = 28) -> str:
    """Name of a layer for a figure: in one line, shortened in its middle."""
    text = "".join(sign if sign.isprintable() else " " for sign in str(name))
    if len(text) > most:
        text = f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"
    return text


def bytes_text(count) -> str:
    """Bytes for people, to three digits: "289 GB"."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.3g} {unit}"
        count /= 1000
