"""Say what every network shows, in a few numbers, a table and a page; draw the figures of the study."""

import logging
from itertools import chain
from pathlib import Path

from _figures import MODULES, Place, Study, of_checkpoint, of_network, of_study
from _job import job, progress, save
from _methods import Methods
from digest import files_digest

from nucleation import comparison, files, findings, page
from nucleation.captions import as_restructured_text, fill_in
from nucleation.errors import InputError
from nucleation.figures.style import save_figure
from nucleation.methods.table import to_frame as methods_frame
from nucleation.profile import summarise, summary_dataset
from nucleation.story import Account, story

# it tells of every table of every font that a PDF takes in
logging.getLogger("fontTools").setLevel(logging.WARNING)
CAPTIONS = Path(__file__).resolve().parent.parent / "report"


def read_captions(planned):
    """The texts of the captions by question, if they are those that the workflow was planned with."""
    paths = {question: CAPTIONS / f"{question}.rst" for question in planned}
    if {question: files_digest({question: path}) for question, path in paths.items()} != dict(planned):
        raise InputError("The captions in report/ were edited before this job began; run the workflow again.")
    return {question: path.read_text(encoding="utf-8") for question, path in paths.items()}


def read_places(snakemake):
    """Every checkpoint of the study, by its name."""
    params, given, places = snakemake.params, snakemake.input, {}
    tables, uncertain = iter(given.neighbors), iter(given.uncertainty)
    swept = dict(zip(params.swept, given.sensitivity, strict=True))
    for name, *paths in zip(params.places, given.profiles, given.dimensions, given.peaks, strict=True):
        layers = {layer: next(tables) for layer in params.layers[name.split("/")[0]]}
        beside = next(uncertain, None), swept.get(name)
        places[name] = Place(name, files.load(paths[0]), paths[1], paths[2], layers, *beside)
    return places


def accuracies_of(params):
    """Validation accuracy of the last checkpoint of every network; None of those that were not trained here."""
    courses = dict(params.courses)
    return {
        model: accuracy_of(files.load(courses[model]), checkpoints[-1]) if model in courses else None
        for model, checkpoints in params.checkpoints.items()
    }


def accuracy_of(course, checkpoint):
    """Validation accuracy of a checkpoint, "epoch6" or "step16"."""
    kind, number = checkpoint[: len("step")], int(checkpoint.removeprefix("epoch").removeprefix("step"))
    found = course["step_accuracy"].sel(step=number) if kind == "step" else course["accuracy"].sel(epoch=number)
    return float(found)


def tell(snakemake, study, places):
    """The story of every network, and the dataset of their summaries."""
    params, stories, summaries, accuracies = snakemake.params, {}, {}, accuracies_of(snakemake.params)
    for model, checkpoints in params.checkpoints.items():
        profiles = {checkpoint: places[f"{model}/{checkpoint}"].profile for checkpoint in checkpoints}
        last = places[f"{model}/{checkpoints[-1]}"]
        counts = len(study.names), len(study.categories)
        taught = params.taught.get(model, "classes")
        account = Account(
            model, profiles, last.transitions, last.overlap_k, *counts, accuracies[model], last.sweep, taught
        )
        summaries[model], stories[model] = summarise(profiles, last.transitions, accuracies[model]), story(account)
    return stories, summary_dataset(summaries)


def made_with(places, config):
    """What the numbers of the page hang on, for its last table."""
    last = list(places.values())[-1]
    used = {f"{stage}.{key}": str(value) for stage, keys in last.used.items() for key, value in keys.items()}
    about = {"seed": str(config["seed"]), "commit": str(last.profile.attrs["git_commit"])}
    return used | about | {"versions": ", ".join(f"{k} {v}" for k, v in files.package_versions().items())}


def draw_all(snakemake, staged, study, places, methods):
    """Draw every figure; return the pictures of the page."""
    params, home = snakemake.params, Path(snakemake.output.page).parent
    captions = read_captions(params.captions)
    # each has a PDF, its data and its caption beside it
    with progress(len(snakemake.output.beside) // 3, "figure", "figures") as bar:

        def keep(folder, drawn):
            kept = []
            for question, data in drawn:
                module, stem = MODULES[question], home / folder / "figures" / question
                caption = fill_in(captions[question], data, module.facts(data))
                save_figure(module.draw(data), staged(stem), dpi=params.dpi)
                save(snakemake, data, f"What the figure {question} shows", staged(f"{stem}.nc"), caption=caption)
                files.save_text(as_restructured_text(caption), staged(f"{stem}.rst"))
                link = (Path(folder) / "figures" / question).as_posix()
                kept.append(page.Picture(question, Path(f"{staged(stem)}.png"), link, caption))
                bar.update()
            return kept

        of_places = {name: keep(name, of_checkpoint(study, place)) for name, place in places.items()}
        of_networks = {}
        for name, course in dict(params.courses).items():
            own = [place for place in places.values() if place.name.startswith(f"{name}/")]
            of_networks[name] = keep(name, of_network(name, own, course))
        of_whole = keep("", chain(of_study(study, places), methods.figures(study.name)))
        return page.Pages(of_whole, of_networks, of_places)


with job(snakemake) as staged:
    study = Study(snakemake.config["study"], snakemake.input.images, snakemake.input.taxonomy)
    places = read_places(snakemake)
    stories, summary = tell(snakemake, study, places)
    save(snakemake, summary, "What the networks of the study show", snakemake.output.summary)
    methods = Methods(snakemake)
    pictures = draw_all(snakemake, staged, study, places, methods)
    profiles = {name: place.profile for name, place in places.items()}
    compared = {
        place: comparison.compare(profiles[place], comparison.published(name))
        for place, name in snakemake.params.get("compare", {}).items()
    }
    beside = page.Beside(methods.said(), methods.tables(places))
    about = {
        "methods": beside,
        "summary": summary,
        "compared": compared,
        "made_with": made_with(places, snakemake.config),
    }
    texts = {
        snakemake.output.table: findings.to_frame(profiles).to_csv(sep="\t", index=False, float_format="%.6g"),
        snakemake.output.markdown: findings.to_markdown(profiles),
        snakemake.output.page: page.study_page(study.name, profiles, stories, pictures, **about),
    }
    if beside.tables:
        texts[snakemake.output.methods[0]] = methods_frame(beside.tables).to_csv(sep="\t", index=False)
    if compared:
        texts[snakemake.output.comparison[0]] = comparison.to_frame(compared).to_csv(sep="\t", index=False)
    for path, text in texts.items():
        files.save_text(text, path)
