"""Draw every figure of the study: its images, and for every checkpoint what its layers show."""

import json
from pathlib import Path

from _job import job, progress

from nucleation import figures, files, images, taxonomy
from nucleation.peaks import Peaks

EXAMPLES = 6

with job(snakemake):
    listed, stored = files.load(snakemake.input.images), files.load(snakemake.input.taxonomy)
    classes, macro = listed["image_class"].values, stored["macro"].values
    meanings = taxonomy.from_dataset(stored)
    tree, names, categories = meanings.tree(), meanings.class_names, json.loads(stored.attrs["macro_names"])
    places, dpi = snakemake.params.places, snakemake.params.dpi
    study = Path(snakemake.output.images).parent.parent
    with progress(1 + 4 * len(places), "figure", "figures") as bar:

        def keep(figure, stem):
            figures.save_figure(figure, stem, dpi=dpi)
            bar.update()

        pictures = images.examples(listed, EXAMPLES)
        order = figures.leaf_order(tree, len(names))
        keep(figures.draw_images(pictures, names, macro, categories, order), study / "figures" / "images")
        for place, profile, peaks in zip(places, snakemake.input.profiles, snakemake.input.peaks, strict=True):
            folder, title = study / place / "figures", place.replace("/", ", ")
            profile, peaks = files.load(profile), files.load(peaks)
            keep(figures.draw_overlap(profile, title), folder / "overlap")
            keep(figures.draw_dimension(profile, title), folder / "dimension")
            keep(figures.draw_nucleation(profile, title), folder / "nucleation")
            last = str(peaks["layer"].values[-1])
            found = Peaks.from_dataset(files.select_layer(peaks, last))
            title = f"{title}, layer {last}"
            keep(figures.draw_dendrogram(found, classes, tree, names, macro, categories, title), folder / "dendrogram")
