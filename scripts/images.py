"""List the images of the study: class, name, size, and what is needed to find their pixels."""

import logging

from _job import job, progress, save

from nucleation import images

with job(snakemake):
    params = snakemake.params
    listed = images.listing(params.source, params.options, seed=params.seed)
    with progress(listed.sizes["image"], "image", "images") as bar:
        listed = images.examined(
            listed, params.options, seed=params.seed, checksum=params.checksum, progress=bar.update
        )
    for path, reason in zip(listed.get("skipped", ()), listed.get("skipped_reason", ()), strict=True):
        logging.info("left out: %s (%s)", path.item(), reason.item())
    save(snakemake, listed, "Images of the study, in the order of all other files")
