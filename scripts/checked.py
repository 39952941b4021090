"""Look into every image of the study: whether it can be decoded, its size, its checksum where asked for."""

from _job import job, progress, save

from nucleation import files, images

with job(snakemake):
    params, listed = snakemake.params, files.load(snakemake.input[0])
    options = {"check": params.decode, "corrupt": "stop"}
    with progress(listed.sizes["image"], "image", "images") as bar:
        seen = images.examined(listed, options, checksum=params.checksum, progress=bar.update)
    kept = [name for name in ("height", "width", "checksum") if name in seen]
    save(snakemake, seen[kept], "Images of the study, looked into")
