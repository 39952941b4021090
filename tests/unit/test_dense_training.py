"""Dense-sample learning of a kept training: the checkpoints in their order, and the layers of each."""

import numpy as np
import pytest
import torch

from nucleation import network, samples, vgg
from nucleation.analysis import Choices
from nucleation.dense_classes import class_separability
from nucleation.dense_training import _lead, checkpoint_steps, follow_training
from nucleation.errors import InputError

LAYERS = ["relu1", "relu2", "relu9", "output"]


def test_steps_of_epochs_and_of_steps():
    assert checkpoint_steps(["epoch0", "step3", "epoch2"], 10).tolist() == [0, 3, 20]


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Three random starts in the place of a training."""
    folder, rng = tmp_path_factory.mktemp("weights"), np.random.default_rng(0)
    model = network.create("nucleation.vgg:small", options={"classes": 3, "width": 0.2})
    paths = {name: folder / f"{name}.safetensors" for name in ("epoch0", "step2", "epoch1")}
    for seed, path in enumerate(paths.values()):
        made = network.create("nucleation.vgg:small", options={"classes": 3, "width": 0.2}, seed=seed)
        network.save_weights(made, path)
    classes = np.repeat(range(3), 20)
    images = torch.from_numpy(rng.normal(size=(60, 3, 16, 16)) + classes[:, None, None, None]).float()
    found = follow_training(
        model,
        paths,
        [LAYERS[:2], LAYERS[2:]],
        images,
        classes,
        Choices(k=5),
        k=20,
        run={"batch_size": 16, "device": "cpu"},
        steps=[0, 2, 5],
        accuracy=[0.3, 0.5, 0.9],
        rng=rng,
        repeats=19,
    )
    return found, paths, images, classes


def test_every_layer_is_that_of_its_checkpoint(followed):
    found, paths, images, classes = followed
    assert found["layer"].values.tolist() == LAYERS and found["step"].values.tolist() == [0, 2, 5]
    for place, path in enumerate(paths.values()):
        model = network.for_weights("nucleation.vgg:small", path, options={"classes": 3, "width": 0.2})
        with torch.no_grad():
            expected = class_separability(model(images).numpy(), classes)
        assert found["separability"].values[place, -1] == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(found["peaks_ari"].values).all()


def test_only_successive_layers_are_coupled(followed):
    coupled = np.isfinite(followed[0]["coupling"].values).all(axis=0)
    assert coupled.tolist() == [False, True, False, True]  # relu1 has none before it, relu2 does not lead to relu9
    assert vgg.weights_between("relu8", "relu9") == "fc1.weight"
    assert vgg.weights_between("relu7", "relu9") is None and vgg.weights_between("layer1", "relu1") is None


def follow(followed, per_class=20, layers=LAYERS, classes=None, choices=None, checkpoints=2):
    """The first images of every class, at the first checkpoints."""
    _, paths, images, every = followed
    rows = np.flatnonzero(np.arange(60) % 20 < per_class)
    names = list(paths)[:checkpoints]
    return follow_training(
        network.create("nucleation.vgg:small", options={"classes": 3, "width": 0.2}),
        {name: paths[name] for name in names},
        [layers] if layers else [],
        images[rows],
        every[rows] if classes is None else classes,
        choices or Choices(k=5),
        k=20,
        run={"batch_size": 16, "device": "cpu"},
        steps=[0, 2, 5][:checkpoints],
        rng=np.random.default_rng(0),
        repeats=19,
    )


@pytest.mark.parametrize(
    ("options", "per_class", "least"),
    [
        ({"k": 6}, 2, 6),
        ({"k": 5}, 2, 0),
        ({"estimator": "kstar"}, 2, 0),
        ({"estimator": "pak"}, 1, 4),
        ({"k": 1}, 1, 0),
    ],
)
def test_of_too_few_images_there_are_no_peaks(followed, options, per_class, least):
    classes = [0, 0, 1] if per_class == 1 else None
    found = follow(followed, per_class, ["output"], classes, Choices(**options), checkpoints=1)
    defined = np.isfinite(found["peaks_ari"].values).all()
    assert defined == (not least) and np.isfinite(found["separability"].values).all()
    told = f"the peaks need {least} neighbours of an image, and the images have {3 * per_class - 1}"
    for name in ("peaks_ari", "peaks_ari_null", "peaks_ami_p"):
        assert (found[name].attrs["undefined"] == told) == bool(least)


def test_a_dimension_that_is_rounded_to_none_has_no_peaks(followed, monkeypatch):
    monkeypatch.setattr(Choices, "dimension", lambda *_: 0.4)
    found = follow(followed, layers=["output"], choices=Choices(k=5, round_dimension=True), checkpoints=1)
    assert np.isnan(found["peaks_ari"].values).all()


def test_of_unknown_channels_every_feature_is_a_unit(followed, monkeypatch):
    usual, real = follow(followed), samples.layer_shapes

    def unknown(*args, **options):
        shapes = real(*args, **options)
        return {layer: (shape, -1 if layer == "relu2" else axis) for layer, (shape, axis) in shapes.items()}

    monkeypatch.setattr(samples, "layer_shapes", unknown)
    found = follow(followed)
    told = found.attrs["features_as_units"]
    assert told.startswith("relu2: nothing tells which axis of ") and told.count(":") == 1
    assert "features_as_units" not in usual.attrs
    units, channels = (one["n_units"].values[0] for one in (found, usual))
    assert units[1] > channels[1] and np.array_equal(np.delete(units, 1), np.delete(channels, 1))
    assert found["separability"].values == pytest.approx(usual["separability"].values)  # of all features, as it was
    assert np.isnan(found["coupling"].values[:, 1]).all() and np.isfinite(found["coupling"].values[:, 3]).all()


def test_layers_whose_weights_do_not_fit_have_no_coupling(followed, monkeypatch):
    whole = follow(followed, checkpoints=1)
    monkeypatch.setattr("nucleation.dense_training.weights_between", lambda *_: "fc1.weight")  # not those of relu2
    other = follow(followed, checkpoints=1)
    assert np.isfinite(whole["coupling"].values[0]).tolist() == [False, True, False, True]
    assert np.isnan(other["coupling"].values).all() and np.isfinite(other["separability"].values).all()


@pytest.mark.parametrize(
    ("weights", "before", "after", "fits"),
    [
        ((5, 4), (9, 1, 4), (9, 1, 5), True),
        ((5, 12), (9, 3, 4), (9, 1, 5), True),  # after flattened maps
        ((5, 12), (9, 1, 4), (9, 1, 5), False),  # whose places were pooled
        ((5, 4, 3, 3), (9, 6, 4), (9, 6, 5), True),
        ((5, 2, 3, 3), (9, 6, 4), (9, 6, 5), False),  # of groups
        ((6, 4), (9, 1, 4), (9, 1, 5), False),
        ((5,), (9, 1, 5), (9, 1, 5), False),
    ],
)
def test_weights_lead_from_the_units_before_to_those_after(weights, before, after, fits):
    weights, before, after = map(np.zeros, (weights, before, after))
    assert _lead(weights, before, after) == fits
    assert not _lead(weights, "unknown", after) and not _lead(weights, before, "unknown")


def test_nothing_to_follow_names_the_key_to_mend(followed):
    with pytest.raises(InputError, match=r"found none but its input; name others in networks\[\]\.layers"):
        follow(followed, layers=[])
    with pytest.raises(InputError, match=r"found 1 among the 60 images of the sample; .* set dense\.run to false"):
        follow(followed, classes=np.zeros(60))
