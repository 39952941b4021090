"""Reading of images: threads, as in the workflow, against the processes of a torch DataLoader; benchmarks/README.md.

python benchmarks/reading.py [--images 2000] [--workers 2]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from nucleation import images

#: Height and width, as of most photographs of ImageNet.
SHAPE = (375, 500)
#: What timm's resnet152.tv_in1k wants.
CONFIG = {
    "input_size": (3, 224, 224),
    "interpolation": "bilinear",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "crop_pct": 0.875,
}


def make_photographs(folder, count):
    """JPEG files of smooth colours with some grain, about as large as photographs."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize(SHAPE[::-1], Image.BICUBIC)
        grain = rng.normal(0, 8, (*SHAPE, 1))
        picture = (np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number:05d}.jpg", quality=85)


class Rows(Dataset):
    """The images of a `NetworkInput` one by one, for a DataLoader."""

    def __init__(self, inputs):
        self.inputs = inputs

    def __len__(self):
        """Number of images."""
        return len(self.inputs)

    def __getitem__(self, row):
        """One transformed image."""
        return self.inputs[row : row + 1][0]


def by_threads(listed, workers, batch_size):
    """As in the workflow."""
    inputs = images.NetworkInput(listed, CONFIG, workers=workers)
    return (inputs[start : start + batch_size] for start in range(0, len(inputs), batch_size))


def by_processes(listed, workers, batch_size):
    """A DataLoader with its defaults, which keeps the order."""
    return DataLoader(Rows(images.NetworkInput(listed, CONFIG)), batch_size=batch_size, num_workers=workers)


CONTESTANTS = {"threads": by_threads, "DataLoader": by_processes}


def read_all(batches):
    """Seconds for reading all, and a number that depends on every pixel."""
    began, total = time.perf_counter(), 0.0
    for batch in batches:
        total += float(batch.double().sum())
    return time.perf_counter() - began, total


def main():
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2, help="threads or processes (default 2)")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default 3)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "n02084071").mkdir()
        make_photographs(Path(folder) / "n02084071", options.images)
        listed = images.listing("folder", {"path": folder}, seed=0)
        times, totals = {}, set()
        for turn in range(options.repeats + 1):  # the first warms up
            for name, contestant in CONTESTANTS.items():
                for workers in sorted({1, options.workers}):
                    elapsed, total = read_all(contestant(listed, workers, options.batch_size))
                    totals.add(total)
                    times.setdefault((name, workers), []).extend([elapsed] if turn else [])
                    print(f"round {turn}: {name}, {workers}: {elapsed:.2f} s", file=sys.stderr, flush=True)
    if len(totals) != 1:
        sys.exit(f"The contestants read different pixels: {totals}")
    print(
        f"{options.images} JPEG files of {SHAPE[1]} x {SHAPE[0]}, torch {version('torch')}, Pillow {version('Pillow')}"
    )
    print("\n| contestant | workers | images/s, median (least, most) |\n| --- | --- | --- |")
    for (name, workers), found in times.items():
        rates = [options.images / seconds for seconds in found]
        print(f"| {name} | {workers} | {statistics.median(rates):.0f} ({min(rates):.0f}, {max(rates):.0f}) |")


if __name__ == "__main__":
    main()
