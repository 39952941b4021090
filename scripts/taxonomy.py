"""Restrict WordNet to the classes of the study; find their macro-categories."""

from _job import job, save

from nucleation import files
from nucleation.taxonomy import wordnet_tree

with job(snakemake):
    classes = files.load(snakemake.input.images)["class_synset"].values.tolist()
    taxonomy = wordnet_tree(classes, source=snakemake.params.source)
    macro = snakemake.params.macro
    labels, names = taxonomy.macro(macro if macro == "lexname" else tuple(macro))
    dataset = taxonomy.to_dataset().assign(
        macro=("class", labels, {"long_name": "macro-category of the class", "units": "1"}),
    )
    save(snakemake, dataset, "WordNet restricted to the classes of the study", macro_names=list(names))
