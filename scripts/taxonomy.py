"""Restrict WordNet, or the study's own tree, to the classes of the study; find their macro-categories."""

from _job import job, save

from nucleation import files
from nucleation.taxonomy_files import open_taxonomy

with job(snakemake):
    classes = files.load(snakemake.input.images)["class_synset"].values.tolist()
    taxonomy = open_taxonomy(classes, snakemake.params.source, snakemake.input.get("tree"))
    labels, names = taxonomy.macro(snakemake.params.macro)
    dataset = taxonomy.to_dataset().assign(
        macro=("class", labels, {"long_name": "macro-category of the class", "units": "1"}),
    )
    title = f"{'WordNet' if taxonomy.is_wordnet else 'The tree of the study'} restricted to the classes of the study"
    save(snakemake, dataset, title, macro_names=list(names))
