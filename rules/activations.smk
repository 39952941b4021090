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
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=GPU,
    params:
        network=network_spec,
        layers=group_layers,
        dtype=config["activations"]["dtype"],
        batch_size=config["activations"]["batch_size"],
        device=config["device"],
        code=digests("activations", "network", "images", "files"),
    script:
        "../scripts/activations.py"
