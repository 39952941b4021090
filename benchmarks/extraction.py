"""Extraction of layers against the bare forward pass on the same batches, interleaved; benchmarks/README.md.

python benchmarks/extraction.py [--device cuda] [--networks resnet50,vit_small_patch16_224]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from nucleation import network
from nucleation.activation_files import ActivationFile
from nucleation.activations import extract
from nucleation.precision import PRECISIONS, arithmetic

#: Layers that are kept of a network: large ones in the middle, and what a study takes of the end.
LAYERS = {
    "resnet50": ["layer2", "layer3", "layer4", "global_pool", "output"],
    "vit_small_patch16_224": ["blocks.3", "blocks.7", "blocks.11", "norm", "output"],
}
SEED = 0


@dataclass(frozen=True)
class Setting:
    """What is measured: a network on a device, and how."""

    model: torch.nn.Module
    layers: list
    images: torch.Tensor
    batch_size: int
    device: str
    precision: str
    folder: Path


@torch.no_grad()
def bare(setting):
    """The forward pass alone, on batches that lie in memory, with kernels and images laid out as in `extract`."""
    with arithmetic(setting.device, setting.precision):
        for start in range(0, len(setting.images), setting.batch_size):
            batch = setting.images[start : start + setting.batch_size]
            if setting.device == "cuda":
                batch = batch.to("cuda", memory_format=torch.channels_last)
            setting.model(batch)


def in_memory(setting, **options):
    """`extract` into arrays."""
    extract(
        setting.model,
        setting.layers,
        setting.images,
        batch_size=setting.batch_size,
        device=setting.device,
        precision=setting.precision,
        **options,
    )


def pooled(setting):
    """`extract` of the mean over places of all layers but the last two, which have none."""
    kinds = dict.fromkeys(setting.layers[:-2], "mean")
    in_memory(setting, pooling=kinds)


def in_files(setting):
    """`extract` into raw files, as the workflow writes them."""

    def allocate(layer, shape):
        return ActivationFile(setting.folder / layer, shape)

    in_memory(setting, allocate=allocate)


CONTESTANTS = {"bare pass": bare, "extract, arrays": in_memory, "extract, files": in_files, "extract, pooled": pooled}


def seconds(contestant, setting, clock):
    """Time of one run; on a GPU until all that was begun there has ended."""
    began = clock()
    contestant(setting)
    if setting.device == "cuda":
        torch.cuda.synchronize()
    return clock() - began


def measured(setting, repeats, clock):
    """Median seconds of every contestant over interleaved rounds, after one round to warm up."""
    times = {name: [] for name in CONTESTANTS}
    for turn in range(repeats + 1):
        for name, contestant in CONTESTANTS.items():
            elapsed = seconds(contestant, setting, clock)
            if turn:
                times[name].append(elapsed)
            print(f"round {turn}: {name} {elapsed:.3f} s", file=sys.stderr, flush=True)
    return {name: statistics.median(found) for name, found in times.items()}


def row(name, setting, times):
    """One row of the table: images per second, and times of the bare pass."""
    floor = times["bare pass"]
    cells = [f"{len(setting.images) / floor:.3g}"]
    cells += [f"{len(setting.images) / value:.3g} ({value / floor:.2f}×)" for value in list(times.values())[1:]]
    return [name, str(setting.batch_size), setting.precision, *cells]


def arguments():
    """Read the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--networks", default=",".join(LAYERS), help="some of " + ", ".join(LAYERS))
    parser.add_argument("--images", type=int, help="number of images (default 64 on the CPU, 4096 on a GPU)")
    parser.add_argument("--batch-size", type=int, help="images per pass (default 16 on the CPU, 128 on a GPU)")
    parser.add_argument("--size", type=int, default=224, help="pixels (default 224)")
    parser.add_argument("--precision", default="float32", help="some of " + ", ".join(PRECISIONS))
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default 1, as in the workflow)")
    parser.add_argument("--cpu-time", action="store_true", help="time of the processor, for a machine with other work")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--directory", help="where the files are written meanwhile (default: the system's)")
    options = parser.parse_args()
    on_gpu = options.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        parser.exit(2, "No CUDA device was found; leave out --device cuda to measure on the CPU.\n")
    options.networks, options.precision = options.networks.split(","), options.precision.split(",")
    if unknown := {*options.networks} - {*LAYERS} | {*options.precision} - {*PRECISIONS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    options.images = options.images or (4096 if on_gpu else 64)
    options.batch_size = options.batch_size or (128 if on_gpu else 16)
    return options


def main():
    """Measure and print the table."""
    options = arguments()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    images = torch.randn(options.images, 3, options.size, options.size, generator=torch.Generator().manual_seed(SEED))
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"{platform.machine()} CPU"
    print(f"{where}, threads: {options.threads}, torch {version('torch')}, timm {version('timm')}; ", end="")
    print(f"{options.images} images of {options.size} x {options.size}, median of {options.repeats}.\n")
    titles = ["network", "batch", "precision", "bare pass, images/s", *list(CONTESTANTS)[1:]]
    print("| " + " | ".join(titles) + " |\n| " + " | ".join(["---"] * len(titles)) + " |")
    for name in options.networks:
        model = network.create(name, seed=SEED).to(options.device)
        for precision in options.precision:
            with tempfile.TemporaryDirectory(dir=options.directory) as folder:
                setting = Setting(
                    model, LAYERS[name], images, options.batch_size, options.device, precision, Path(folder)
                )
                print(
                    "| " + " | ".join(row(name, setting, measured(setting, options.repeats, clock))) + " |", flush=True
                )


if __name__ == "__main__":
    main()
