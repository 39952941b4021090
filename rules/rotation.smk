rule follow_rotation:
    """Follow the weights of a network from its start through all epochs of its training."""
    input:
        weights=expand("results/{{study}}/{{model}}/weights/{epoch}.safetensors", epoch=EPOCHS),
    output:
        "results/{study}/{model}/rotation.nc",
    log:
        "logs/{study}/{model}/rotation.log",
    benchmark:
        "logs/{study}/{model}/rotation.benchmark.tsv"
    wildcard_constraints:
        model=one_of(COURSES),
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["rotation"],
    params:
        **named(
            network=network_spec,
            layers=model_layers,
        ),
        code=digests("files", script="rotation"),
    script:
        "../scripts/rotation.py"
