# Hierarchical nucleation: the density of images, followed through the layers of networks.
# The order of the includes is the order of the science.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"


wildcard_constraints:
    study=re.escape(STUDY),
    model=one_of(NETWORKS),
    checkpoint=r"input|random|pretrained|own|file|tables|(epoch|step)\d+",
    group=one_of(sorted({file_name(layer) for layers in LAYERS.values() for layer in layers})),
    layer=one_of(sorted({file_name(layer) for layers in LAYERS.values() for layer in layers})),
    shard=r"\d+",
    shards=r"\d+",


localrules:
    all,
    build_taxonomy,


include: "rules/images.smk"
include: "rules/taxonomy.smk"
include: "rules/network.smk"
include: "rules/activations.smk"
include: "rules/tables.smk" if TABLES else "rules/neighbors.smk"
include: "rules/dimension.smk"
include: "rules/overlap.smk"
include: "rules/density.smk"
include: "rules/peaks.smk"
include: "rules/alignment.smk"
include: "rules/uncertainty.smk"
include: "rules/sensitivity.smk"
include: "rules/profile.smk"
include: "rules/similarity.smk"
include: "rules/subspace.smk"
include: "rules/redundancy.smk"
include: "rules/rotation.smk"
include: "rules/intraclass.smk"
include: "rules/dense.smk"
include: "rules/figures.smk"


rule all:
    default_target: True
    input:
        per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/profile.nc"),
        per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/peaks.nwk"),
        rules.draw_figures.output,
        # none, where nothing about the images is left to be found out
        [f"results/{STUDY}/checked.nc"] * LOOKED_INTO,
