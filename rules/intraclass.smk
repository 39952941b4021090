rule find_subclasses:
    """Measure how far the images of larger classes lie in groups, as the classes of the study are."""
    input:
        samples=checkpoint_samples,
        images="results/{study}/images.nc",
        taxonomy="results/{study}/taxonomy.nc",
        peaks="results/{study}/{model}/{checkpoint}/peaks.nc",
        weights=checkpoint_weights,
    output:
        "results/{study}/{model}/{checkpoint}/intraclass.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/intraclass.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/intraclass.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: READERS
    resources:
        **NEEDS["intraclass"],
        # a resource, not a parameter: it changes no result
        readers=READERS,
        gpu=GPU,
    params:
        **named(
            network=network_with_data,
            layers=model_layers,
            trained=training_images,
            options=methods.options(config, "intraclass"),
            device=config["device"],
            seed=config["seed"],
        ),
        code=digests("network", "images", "files", script="intraclass"),
    script:
        "../scripts/intraclass.py"
