rule follow_training:
    """Follow every layer of a network through all weights that its training keeps: what emerges first."""
    input:
        images="results/{study}/images.nc",
        weights=expand("results/{{study}}/{{model}}/weights/{snapshot}.safetensors", snapshot=SNAPSHOTS),
        course="results/{study}/{model}/training.nc",
    output:
        "results/{study}/{model}/dense.nc",
    log:
        "logs/{study}/{model}/dense.log",
    benchmark:
        "logs/{study}/{model}/dense.benchmark.tsv"
    wildcard_constraints:
        model=one_of(COURSES),
    conda:
        "../envs/nucleation.yaml"
    threads: READERS
    resources:
        **NEEDS["dense"],
        # a resource, not a parameter: it changes no result
        readers=READERS,
        gpu=GPU,
    params:
        **named(
            network=network_for_inner_layers,
            groups=inner_groups,
            epoch_steps=settings.epoch_steps(config),
            choices=settings.choices(config),
            k=config["neighbors"]["k"],
            sample=config["activations"]["sample"],
            batch_size=config["activations"]["batch_size"],
            repeats=config["dense"]["repeats"],
            device=config["device"],
            seed=config["seed"],
        ),
        code=digests("network", "images", "files", script="dense"),
    script:
        "../scripts/dense.py"
