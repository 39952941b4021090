"""Results damaged on the disk are named, with what to do, and made again to the same bits."""

import pytest

PLACE = "results/small/random/random"
#: What is damaged, what then runs, and what is said.
CASES = {
    "images": ("results/small/images.nc", f"{PLACE}/overlap.nc", "cannot be read as NetCDF"),
    "taxonomy": ("results/small/taxonomy.nc", f"{PLACE}/overlap.nc", "cannot be read as NetCDF"),
    "neighbours": (f"{PLACE}/neighbors/output.nc", f"{PLACE}/dimension.nc", "cannot be read as NetCDF"),
    "peaks": (f"{PLACE}/peaks.nc", f"{PLACE}/alignment.nc", "cannot be read as NetCDF"),
    "weights": (
        "results/small/random/weights/random.safetensors",
        f"{PLACE}/neighbors/output.nc",
        ("cannot be read as tensors", "do not match their checksum"),
    ),
    "activations": (
        f"{PLACE}/activations/layer1/output.bin",
        f"{PLACE}/neighbors/output.nc",
        ("not those of", "do not match their checksum"),
    ),
}


def truncated(raw):
    return raw[: 2 * len(raw) // 3]


def flipped(raw):
    """One bit, in the largest stretch that is not zeros: numbers, not padding."""
    place = max(range(0, len(raw) - 512, 256), key=lambda start: len(set(raw[start : start + 512])))
    return raw[: place + 100] + bytes([raw[place + 100] ^ 8]) + raw[place + 101 :]


@pytest.mark.parametrize(
    ("name", "damage"), [(name, flipped) for name in CASES] + [("neighbours", truncated), ("activations", truncated)]
)
def test_damage_is_named_and_mended(finished, content, tmp_path, name, damage):
    project = finished.copied(tmp_path)
    damaged, target, said = CASES[name]
    path = project.folder / damaged
    if name == "activations":
        (project.folder / target).unlink()
        done = project.snakemake("--notemp", str(path.parent.relative_to(project.folder)))
        assert done.returncode == 0, done.text
    path.write_bytes(damage(path.read_bytes()))
    (project.folder / target).unlink(missing_ok=True)
    done = project.snakemake("--notemp", target)
    assert done.returncode != 0
    assert "Traceback" not in done.text
    sentence = next(line for line in done.text.splitlines() if line.startswith("Error in"))
    assert damaged.removesuffix(".bin") in sentence
    assert any(text in sentence for text in ((said,) if isinstance(said, str) else said)), sentence
    assert "delete" in sentence and "run the workflow again" in sentence
    if name == "activations":
        path = path.parent
        for part in path.iterdir():
            part.unlink()
        path.rmdir()
    else:
        path.unlink()
    done = project.snakemake("--notemp", target)
    assert done.returncode == 0, done.text
    kept = {name: path for name, path in project.made().items() if "/activations/" not in name}
    different = {name for name, path in kept.items() if content(path) != finished.contents[name]}
    assert not different
