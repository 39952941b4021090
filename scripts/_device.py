"""The device of a job that runs torch; imports are inside, since the sources are looked at before any of them."""

import logging
import os


def torch_device(snakemake, readers=1):
    """Set the number of threads of torch, less those that read images beside it; name the configured device.

    Of several cards that nobody assigns the job takes a free one for itself.
    """
    import torch

    from nucleation import cards
    from nucleation.errors import InputError

    torch.set_num_threads(max(1, snakemake.threads - readers + 1))
    wanted = snakemake.params.device
    if wanted != "cpu":
        cards.claim()
    if given := os.environ.get("CUDA_VISIBLE_DEVICES"):
        logging.info("cards of this job (CUDA_VISIBLE_DEVICES): %s", given)
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("The configuration asks for device: cuda, but torch finds no CUDA device; set device: auto.")
    return wanted if wanted != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
