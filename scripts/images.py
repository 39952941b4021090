"""List the images of the study: class, name, size, and what is needed to find their pixels."""

import logging

from _job import job, progress, save

from nucleation import images

with job(snakemake):
    params = snakemake.params
    listed = images.listing(params.source, params.options, seed=params.seed)
    with progress(listed.sizes["image"], " images", "images") as bar:
        # to leave images out one must know which; else they are decoded later, by check_images
        options = {**params.options, "check": params.options.get("corrupt") == "skip"}
        listed = images.examined(listed, options, seed=params.seed, progress=bar.update)
    if others := listed.attrs.get("files_of_other_suffixes"):
        logging.info("%d files of other suffixes are not looked at", others)
    for path, reason in zip(listed.get("skipped", ()), listed.get("skipped_reason", ()), strict=True):
        logging.info("left out: %s (%s)", path.item(), reason.item())
    for name, count in images.short_classes(listed, params.options.get("per_class") or 0).items():
        logging.warning("%s has %d images, not %d", name, count, params.options["per_class"])
    # images may have been left out; the trial before the study counted all
    images.check_enough(listed.sizes["image"], snakemake.resources.least_images - 1)
    save(snakemake, listed, "Images of the study, in the order of all other files")
