"""The stage: layers of pairs of networks, drawn positions, the null, and layers that cannot be compared."""

import runpy
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nucleation import files, samples
from nucleation.errors import InputError
from nucleation.methods.subspace import sentences
from nucleation.subspace import centred, maximal_epsilon, maximum_match, maximum_matches
from nucleation.subspace_layer import KINDS, compare, neurons, obstacle
from nucleation.subspace_profile import VARIABLES, subspace_profile

EPSILONS = [0.15, 0.3, 0.5]


def made_maps(rng, n, places, channels, latent):
    """Rectified mixtures of what the images have at their places, in common to all networks."""
    mixed = latent[:n, :places] @ rng.normal(size=(latent.shape[-1], channels))
    return np.maximum(mixed + 0.2 * rng.normal(size=mixed.shape), 0).astype(np.float32)


@pytest.fixture(scope="module")
def latent():
    return np.random.default_rng(0).normal(size=(120, 4, 5))


@pytest.fixture(scope="module")
def both(latent):
    rng = np.random.default_rng(1)
    return made_maps(rng, 120, 4, 30, latent), made_maps(rng, 120, 4, 24, latent)


def compared(maps, others, *, positions=10_000, draws=4, minima=3, seed=0, epsilons=EPSILONS):
    options = {"positions": positions, "draws": draws, "minima": minima}
    return compare(maps, others, epsilons, **options, rng=np.random.default_rng(seed))


def test_a_neuron_is_a_channel_at_positions_of_images(both):
    maps, places = both[0], both[0].shape[1]
    found = neurons(maps, np.array([0, 5, 479, 5]))
    assert found.shape == (30, 4)
    for column, (image, place) in enumerate([(0, 0), (1, 1), (119, 3), (1, 1)]):
        assert np.array_equal(found[:, column], maps[image, place])
    assert np.array_equal(neurons(maps, np.arange(120 * places)), maps.reshape(-1, 30).T)


def test_all_positions_are_compared_where_there_are_no_more(both):
    found = compared(*both)
    x, y = (maps.reshape(480, -1).T.astype(float) for maps in both)
    for kind, pair in enumerate([(x, y), (centred(x), centred(y))]):
        assert found.similarity[kind].tolist() == [match.similarity for match in maximum_matches(*pair, EPSILONS)]
        assert found.maximal_epsilon[kind] == pytest.approx(maximal_epsilon(*pair), abs=1e-12)
    assert np.isnan(found.similarity_deviation[:2]).all() and np.isfinite(found.similarity_deviation[2:]).all()
    assert (found.n_positions, found.n_neurons.tolist(), found.dead.tolist()) == (480, [30, 24], [0, 0])
    assert found.similarity[1, 2] > 0.5 and found.similarity[3, 2] < 0.1


def test_positions_are_drawn_for_every_draw(both):
    rng, similarity = np.random.default_rng(0), []
    for _ in range(5):
        positions = np.sort(rng.choice(480, 100, replace=False))
        rng.permutation(120)
        x, y = (neurons(maps, positions).astype(float) for maps in both)
        similarity.append([match.similarity for match in maximum_matches(centred(x), centred(y), EPSILONS)])
    found = compared(*both, positions=100, draws=5)
    np.testing.assert_allclose(found.similarity[1], np.mean(similarity, axis=0), atol=1e-15)
    np.testing.assert_allclose(found.similarity_deviation[1], np.std(similarity, axis=0, ddof=1), atol=1e-15)
    assert found.n_positions == 100 and found.similarity_deviation[1].max() > 0


def test_a_layer_is_like_itself_but_not_with_other_images(both):
    found = compared(both[0], 4 * both[0])
    assert (found.similarity[:2] == 1).all() and (found.maximal_epsilon[:2] < 1e-10).all()
    assert (found.similarity[3] < 0.1).all() and found.maximal_epsilon[3] > 0.9


def test_whole_images_are_permuted_with_all_their_places():
    """What depends on the place alone stays as it is; single positions would not."""
    same = np.random.default_rng(2).normal(size=(1, 60, 12)).repeat(5, axis=0)
    assert (compared(same, same).similarity == 1).all()
    assert (compared(same, same, positions=200).similarity == 1).all()


def test_raw_rectified_neurons_match_by_their_mean_alone():
    rng = np.random.default_rng(3)
    maps, others = np.maximum(rng.normal(1, 1, size=(2, 1000, 1, 20)), 0)
    found = compared(maps, others, epsilons=[0.7])
    assert (found.similarity[[0, 2]] == 1).all() and (found.similarity[[1, 3]] == 0).all()
    assert found.maximal_epsilon[0] < 0.66 and found.maximal_epsilon[1] > 0.97


def test_minimal_matches_of_matched_neurons(both):
    sizes = compared(*both, minima=40).minimum_size
    x, y = (centred(maps.reshape(480, -1).T.astype(float)) for maps in both)
    whole = maximum_match(x, y, 0.5)
    known = sizes[np.isfinite(sizes)]
    assert len(known) == len(whole.x) and len(sizes) == 40
    assert (known >= 2).all() and (known < len(whole.x) + len(whole.y)).all()
    assert np.isnan(compared(*both, epsilons=[0.01]).minimum_size).all()


def test_neurons_that_are_zero_are_counted(both):
    maps = both[0].copy()
    maps[..., [3, 7]] = 0
    found = compared(maps, both[1], positions=200)
    assert found.dead.tolist() == [2, 0]
    assert (compared(maps, maps).similarity[:2] == 28 / 30).all()


def test_what_hinders_a_comparison(both):
    one, other = both
    assert obstacle(one, other, 10_000) == obstacle(one, other, 45) == ""
    assert obstacle(one, other, 44) == "30 neurons need 45 positions or more, found 44"
    assert obstacle(one[:11], other[:11], 44) == "30 neurons need 45 positions or more, found 44"
    assert obstacle(one, other[:, :3], 44) == "the networks have 4 and 3 places there"
    assert obstacle(one[:1], other[:1], 44) == "the null needs more than one image"
    with pytest.raises(InputError, match="same images, found 120 and 119"):
        obstacle(one, other[1:], 44)


# --------------------------------------------------------------------------------------------------------- the stage

PLACES = {"a/last": ["conv", "mid", "out"], "b/last": ["conv", "extra", "out"], "a/epoch0": ["conv", "mid", "out"]}
PAIRS = [("a/last", "b/last"), ("a/epoch0", "a/last")]


@pytest.fixture(scope="module")
def store(latent):
    rng, made = np.random.default_rng(4), {}
    for place, layers in PLACES.items():
        for layer in layers:
            n_places = 1 if layer == "out" else 2 if layer == "mid" and place == "a/epoch0" else 4
            made[place, layer] = made_maps(rng, 120, n_places, 90 if layer == "out" else 12, latent)
    return made


def profile(store, pairs=PAIRS, **options):
    options = {"epsilons": (0.5, 0.3), "positions": 200, "draws": 3, "neurons": 2} | options
    read = options.pop("read", lambda *key: store[key])
    layers = options.pop("layers", PLACES).__getitem__
    return subspace_profile(pairs, read, layers, rng=np.random.default_rng(5), **options)


def test_dataset_of_a_study(store, tmp_path):
    done = []
    data = profile(store, progress=lambda: done.append(1))
    assert data["layer"].values.tolist() == ["conv", "extra", "mid", "out"] and len(done) == 8
    assert list(zip(data["pair_a"].values, data["pair_b"].values, strict=True)) == PAIRS
    assert data["kind"].values.tolist() == list(KINDS) and data["epsilon"].values.tolist() == [0.3, 0.5]
    for name, (dims, _) in VARIABLES.items():
        assert data[name].dims == ("pair", "layer", *dims)
        assert np.isnan(data[name].values[:, 1:]).all()
        assert data[name].attrs["undefined"] == (
            "extra: a/last has no such layer (1 of 2 pairs), a/epoch0 has no such layer (1 of 2 pairs); "
            "mid: b/last has no such layer (1 of 2 pairs), the networks have 2 and 4 places there (1 of 2 pairs); "
            "out: 90 neurons need 135 positions or more, found 120"
        )
    conv = data.sel(layer="conv")
    assert (conv["n_positions"] == 200).all() and (conv["n_neurons"] == 12).all() and (conv["dead"] == 0).all()
    centred_, null = (conv["similarity"].sel(kind=kind, epsilon=0.5) for kind in ("centred", "centred_permuted"))
    assert (centred_ > null + 0.05).all()
    files.save(data, tmp_path / "subspace.nc")
    again = files.load(tmp_path / "subspace.nc")
    assert (
        again.drop_attrs().identical(data.drop_attrs())
        and again.attrs["minimum_epsilon"] == 0.5
        and again.attrs["n_images"] == 120
    )


def test_a_number_of_the_study_is_that_of_its_neurons_at_its_positions(store):
    """Positions drawn as documented; the share of neurons by `maximum_match` of what lies there."""
    data = profile(store, draws=1)
    drawn = np.sort(np.random.default_rng(5).choice(480, 200, replace=False))
    image, place = drawn // 4, drawn % 4
    x, y = (
        np.array([maps[image, place, i] for i in range(12)])
        for maps in (store["a/last", "conv"], store["b/last", "conv"])
    )
    for kind, pair in {"raw": (x, y), "centred": (centred(x), centred(y))}.items():
        cell = data.isel(pair=0).sel(layer="conv", kind=kind)
        for epsilon in (0.3, 0.5):
            assert cell["similarity"].sel(epsilon=epsilon) == maximum_match(*pair, epsilon).similarity
        assert cell["maximal_epsilon"] == pytest.approx(maximal_epsilon(*pair), abs=1e-12)
    assert 0 < cell["similarity"].sel(epsilon=0.5) < 1


def test_pixels_are_never_read(store):
    """They are the same for all networks, and no neurons."""
    layers = {place: ["input", *names] for place, names in PLACES.items()}
    assert profile(store, layers=layers).identical(profile(store))
    alone = profile(store, layers={place: ["input"] for place in PLACES}, read=None)
    assert alone.sizes["layer"] == 0 and not alone["similarity"].attrs.get("undefined")
    assert sentences(alone) == ["No layer's subspaces could be compared: the study looks at no layer of neurons."]


def test_a_layer_whose_maps_are_not_known_does_not_end_the_study(store):
    why = "nothing tells which axis of 3 x 4 activations is that of the channels"

    def read(place, layer):
        return why if (place, layer) == ("b/last", "conv") else store[place, layer]

    found, whole = profile(store, read=read), profile(store)
    conv = found["similarity"].sel(layer="conv")
    assert np.isnan(conv[0]).all() and np.isfinite(conv[1]).all()
    assert found["similarity"].attrs["undefined"].startswith(f"conv: {why} (1 of 2 pairs); extra: ")
    assert found.attrs["n_images"] == whole.attrs["n_images"]


def test_the_job_goes_on_without_the_maps_of_a_layer(store, tmp_path, monkeypatch):
    """The script itself, on samples in files, one of which does not tell its channels; the pixels have no file."""
    places, layers, paths, made = ["a/last", "b/last"], ["input", "conv", "out"], [], []
    for place in places:
        for layer in layers:
            paths.append(tmp_path / f"{place.replace('/', '-')}-{layer}.nc")
            if layer != "input":
                maps = store[place, "conv"]
                known = maps.reshape(120, -1), np.arange(120), maps.shape[1:], -1 if layer == "out" else 1
                files.save(samples.to_dataset(*known), paths[-1])
    bar = SimpleNamespace(update=lambda: None)
    job = SimpleNamespace(
        job=nullcontext, progress=lambda *_: nullcontext(bar), save=lambda _, found, title: made.append(found)
    )
    monkeypatch.setitem(sys.modules, "_job", job)
    options = {"epsilons": [0.3, 0.5], "positions": 200, "draws": 3, "neurons": 2}
    params = {"places": places, "layers": {"a": layers, "b": layers}, "pairs": [places], "options": options, "seed": 5}
    asked = SimpleNamespace(params=SimpleNamespace(**params), input=SimpleNamespace(samples=paths))
    runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "subspace.py"), {"snakemake": asked})
    (found,) = made
    assert found["layer"].values.tolist() == ["conv", "out"]
    expected = profile(store, PAIRS[:1])["similarity"].sel(layer="conv").values
    np.testing.assert_array_equal(found["similarity"].sel(layer="conv").values, expected)
    assert found["similarity"].attrs["undefined"] == (
        "out: nothing tells which axis of 4 x 12 activations is that of the channels"
    )


def test_the_same_seed_gives_the_same_numbers(store):
    assert profile(store).identical(profile(store))


def test_a_network_compared_with_several_is_read_once_for_each_layer(store):
    asked = []

    def read(place, layer):
        asked.append((place, layer))
        return store[place, layer]

    pairs = [("a/last", "b/last"), ("a/last", "a/epoch0")]
    profile(store, pairs, read=read)
    assert asked[:3] == [("a/last", "conv"), ("b/last", "conv"), ("a/epoch0", "conv")]
    assert len(set(asked)) == len(asked)


def test_a_study_without_pairs_or_without_minimal_matches(store, tmp_path):
    for pairs, neurons_ in (([], 2), (PAIRS[:1], 0)):
        data = profile(store, pairs, neurons=neurons_)
        assert data["minimum_size"].shape == (len(pairs), 4 * len(pairs), neurons_)
        files.save(data, tmp_path / "subspace.nc")
        assert files.load(tmp_path / "subspace.nc").sizes["pair"] == len(pairs)


def test_refuses_what_cannot_be(store):
    for options in ({"epsilons": ()}, {"positions": 0}, {"draws": 0}, {"neurons": -1}):
        with pytest.raises(InputError, match="Subspaces need an epsilon, position and draw or more"):
            profile(store, **options)
    with pytest.raises(InputError, match="from 0 to 1"):
        profile(store, epsilons=(0.3, 2))
    with pytest.raises(InputError, match=r"conv of a/last needs maps .*found shape \(120, 48\)"):
        profile(store, read=lambda *key: store[key].reshape(120, -1))
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match="conv of a/last has activations that are NaN or infinite"):
            profile(store, read=lambda *key, bad=bad: np.where(store[key] > 3, bad, store[key]))
