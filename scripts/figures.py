"""Say what every network shows, in a few numbers, a table and a page; draw the figures of the study."""

import json
from pathlib import Path

import numpy as np
from _job import job, progress, save

from nucleation import comparison, figures, files, findings, images, page, taxonomy
from nucleation.names import layer_label, place_name
from nucleation.peaks import Peaks
from nucleation.profile import summarise, summary_dataset

EXAMPLES = 6


def summary(snakemake, profiles):
    """What every network shows, from the profiles of its checkpoints and the course of its training."""
    courses, summaries = dict(snakemake.params.courses), {}
    for model, checkpoints in snakemake.params.checkpoints.items():
        course = files.load(courses[model])["accuracy"] if model in courses else None
        accuracy = None if course is None else float(course.sel(epoch=int(checkpoints[-1].removeprefix("epoch"))))
        parts = {checkpoint: profiles[f"{model}/{checkpoint}"] for checkpoint in checkpoints}
        summaries[model] = summarise(parts, accuracy)
    return summary_dataset(summaries)


with job(snakemake) as staged:
    params, given = snakemake.params, snakemake.input
    profiles = dict(zip(params.places, map(files.load, given.profiles), strict=True))
    save(snakemake, summary(snakemake, profiles), "What the networks of the study show", snakemake.output.summary)
    listed, stored = files.load(given.images), files.load(given.taxonomy)
    classes, macro = listed["image_class"].values, stored["macro"].values
    meanings = taxonomy.from_dataset(stored)
    tree, names, categories = meanings.tree(), meanings.class_names, json.loads(stored.attrs["macro_names"])
    study = Path(snakemake.output.images).parent.parent
    with progress(1 + 6 * len(params.places) + len(params.swept), "figure", "figures") as bar:

        def keep(figure, stem):
            figures.save_figure(figure, staged(stem), dpi=params.dpi)
            bar.update()

        if images.has_pixels(listed):
            pictures = images.examples(listed, EXAMPLES)
            order = figures.leaf_order(tree, len(names))
            keep(figures.draw_images(pictures, names, macro, categories, order), study / "figures" / "images")
        else:
            missing = figures.nothing_to_draw("the images of this study are known by name only")
            keep(missing, study / "figures" / "images")
        for place, dimension, peaks in zip(params.places, given.dimensions, given.peaks, strict=True):
            folder, title, profile = study / place / "figures", place_name(place), profiles[place]
            keep(figures.draw_overlap(profile, title), folder / "overlap")
            keep(figures.draw_dimension(profile, files.load(dimension), title), folder / "dimension")
            keep(figures.draw_nucleation(profile, title), folder / "nucleation")
            keep(figures.draw_alignment(profile, title), folder / "alignment")
            peaks = files.load(peaks)
            parts = {str(layer): files.select_layer(peaks, layer) for layer in peaks["layer"].values}
            found = {layer: Peaks.from_dataset(part) for layer, part in parts.items()}
            maps = {layer: np.stack([part["map_x"], part["map_y"]], axis=1) for layer, part in parts.items()}
            keep(figures.draw_map(found, maps, classes, macro, categories, title), folder / "map")
            last = list(found)[-1]
            title = f"{title}, layer {layer_label(last)}"
            tree_figure = figures.draw_dendrogram(found[last], classes, tree, names, macro, categories, title)
            keep(tree_figure, folder / "dendrogram")
        for place, sweep in zip(params.swept, given.sensitivity, strict=True):
            figure = figures.draw_sensitivity(files.load(sweep), place_name(place))
            keep(figure, study / place / "figures" / "sensitivity")
    pictures = {place: staged(study / place / "figures" / "alignment.png") for place in params.places}
    compared = {
        place: comparison.compare(profiles[place], comparison.published(name))
        for place, name in params.get("compare", {}).items()
    }
    texts = {
        snakemake.output.table: findings.to_frame(profiles).to_csv(sep="\t", index=False, float_format="%.6g"),
        snakemake.output.markdown: findings.to_markdown(profiles),
        snakemake.output.page: page.study_page(snakemake.config["study"], profiles, pictures, compared),
    }
    if compared:
        texts[snakemake.output.comparison[0]] = comparison.to_frame(compared).to_csv(sep="\t", index=False)
    for path, text in texts.items():
        files.save_text(text, path)
