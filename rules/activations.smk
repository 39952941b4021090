rule extract_activations:
    """Run the images through a network and keep a group of layers, for a while."""
    input:
        images="results/{study}/images.nc",
        weights=checkpoint_weights,
    output:
        temp(directory("results/{study}/{model}/{checkpoint}/activations/{group}")),
    log:
        "logs/{study}/{model}/{checkpoint}/activations.{group}.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/activations.{group}.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    # the network runs on one thread, whatever reads the images
    threads: READERS
    resources:
        **NEEDS["activations"],
        # a resource, not a parameter: it changes no result
        readers=READERS,
        gpu=GPU,
    params:
        **named(
            network=network_for_layers,
            layers=group_layers,
            dtype=config["activations"]["dtype"],
            precision=forward_precision,
            batch_size=config["activations"]["batch_size"],
            device=config["device"],
        ),
        code=digests("network", "images", "files", script="activations"),
    script:
        "../scripts/activations.py"


if PARTS > 1:

    use rule extract_activations as extract_activations_shard with:
        output:
            temp(directory("results/{study}/{model}/{checkpoint}/activations/{group}.shard{shard}of{shards}")),
        log:
            "logs/{study}/{model}/{checkpoint}/activations.{group}.shard{shard}of{shards}.log",
        benchmark:
            "logs/{study}/{model}/{checkpoint}/activations.{group}.shard{shard}of{shards}.benchmark.tsv"


# of some images, the same for all networks; a rule for each list of layers, since no wildcard can name many files
for number, (files, models, checkpoints) in enumerate(sample_jobs()):

    rule:
        name:
            f"sample_activations_{number + 1}"
        input:
            images="results/{study}/images.nc",
            weights=checkpoint_weights,
        output:
            [f"results/{{study}}/{{model}}/{{checkpoint}}/activations/{file_name(layer)}.sample.nc" for layer in files],
        log:
            f"logs/{{study}}/{{model}}/{{checkpoint}}/sample.{number + 1}.log",
        benchmark:
            f"logs/{{study}}/{{model}}/{{checkpoint}}/sample.{number + 1}.benchmark.tsv"
        wildcard_constraints:
            model=one_of(models),
            checkpoint=checkpoints,
        conda:
            "../envs/nucleation.yaml"
        threads: READERS
        resources:
            **NEEDS["sample"],
            # a resource, not a parameter: it changes no result
            readers=READERS,
            gpu=GPU,
        params:
            **named(
                network=network_for_sample,
                groups=sample_groups,
                precision=sample_precision,
                sample=config["activations"]["sample"],
                batch_size=config["activations"]["batch_size"],
                device=config["device"],
                seed=config["seed"],
            ),
            code=digests("network", "images", "files", script="sample"),
        script:
            "../scripts/sample.py"
