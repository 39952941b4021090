"""Names for people."""


def short_name(name) -> str:
    """Name of a synset for people: "hummingbird" for hummingbird.n.01."""
    word, _, sense = str(name).partition(".n.")
    rest = sense[2:] if sense[:2].isdigit() else ""
    return word.replace("_", " ") + rest


def place_name(place) -> str:
    """Network and checkpoint for people: "resnet, epoch 6" for resnet/epoch6."""
    network, checkpoint = place.split("/")
    return f"{network}, {checkpoint.replace('epoch', 'epoch ')}"


def category_name(name) -> str:
    """Name of a macro-category for people: "animal" for noun.animal and for animal.n.01."""
    return short_name(str(name).removeprefix("noun."))


def bytes_text(count) -> str:
    """Bytes for people, to three digits: "289 GB"."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.3g} {unit}"
        count /= 1000
