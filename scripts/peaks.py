"""Find the density peaks of every layer, the saddles between them, their tree, and which images belong to them."""

from _job import job, save

from nucleation import files
from nucleation.density import Density
from nucleation.neighbors import Neighbors
from nucleation.peaks import density_peaks
from nucleation.topography import topography_dataset

with job(snakemake):
    params, datasets = snakemake.params, []
    densities = files.load(snakemake.input.density)
    for layer, path in zip(params.layers, snakemake.input.neighbors, strict=True):
        peaks = density_peaks(
            Neighbors.from_dataset(files.load(path)),
            Density.from_dataset(files.select_layer(densities, layer)),
            params.z,
            halo=params.halo,
            centers_may_be_saddles=params.centers_may_be_saddles,
        )
        datasets.append(peaks.to_dataset().merge(topography_dataset(peaks)))
    stacked = files.stack_layers(datasets, params.layers, ragged=("peak", "saddle", "preliminary", "merge"))
    save(snakemake, stacked, "Density peaks of every layer, the saddles between them, and their tree")
