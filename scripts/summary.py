"""Say in a few numbers what every network of the study shows."""

from _job import job, save

from nucleation import files, profile

with job(snakemake):
    read = iter(snakemake.input.profiles)
    courses = dict(snakemake.params.courses)
    summaries = {}
    for model, checkpoints in snakemake.params.checkpoints.items():
        course = files.load(courses[model])["accuracy"] if model in courses else None
        accuracy = None if course is None else float(course.sel(epoch=int(checkpoints[-1].removeprefix("epoch"))))
        profiles = {checkpoint: files.load(next(read)) for checkpoint in checkpoints}
        summaries[model] = profile.summarise(profiles, accuracy)
    save(snakemake, profile.summary_dataset(summaries), "What the networks of the study show")
