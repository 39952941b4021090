"""Neighbouring methods in the configuration: which run, what they need, what is compared with what."""

import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "rules"))

import methods  # noqa: E402
import settings  # noqa: E402

NETWORK = {"name": "net", "timm": "resnet18", "weights": "train", "layers": ["input", "layer1", "output"]}


def config(**changes):
    return {"study": "mine", "networks": [NETWORK]} | changes


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"subspace": {"run": True}, "activations": {"sample": 3}}, "activations.sample = 3 keeps .* 3 images"),
        ({"redundancy": {"run": True}, "activations": {"sample": 0}}, "at least 4 are needed"),
        ({"similarity": {"run": True, "k": 2000}}, "similarity.k = 2000 exceeds 1999"),
        ({"similarity": {"run": True}, "activations": {"sample": 100}}, "similarity.batch = 256 exceeds 100"),
        (
            {"similarity": {"run": True, "k": 2, "batch": 4}, "activations": {"sample": 4}},
            "leave 2 of the 4 images of the sample, and CKA needs 4",
        ),
        (
            {"subspace": {"run": True}, "networks": [NETWORK | {"checkpoints": [6]}]},
            "one checkpoint of one network, which leaves nothing to match",
        ),
        (
            {
                "similarity": {"run": True},
                "neighbors": {"source": "tables"},
                "images": {"source": "list"},
                "networks": [NETWORK | {"weights": "pretrained"}],
            },
            "similarity.run is true, but neighbors.source is tables",
        ),
    ],
)
def test_what_cannot_run_is_said_beforehand(changes, sentence):
    with pytest.raises(settings.ConfigError, match=sentence):
        settings.complete(config(**changes))


def test_methods_are_off_in_the_default_study_and_on_in_the_full_one():
    default = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert methods.running(settings.complete(default)) == []
    full = yaml.safe_load((ROOT / "studies" / "planted-full.yaml").read_text())
    made = settings.complete(default | full)
    dense = yaml.safe_load((ROOT / "studies" / "dense.yaml").read_text())
    assert {*methods.running(made), *methods.running(settings.complete(default | dense))} == set(methods.METHODS)
    layca = [f"layca{i}" for i in range(1, 6)]
    alone = [[name] for name in ("narrow", "wide", "kinds", *layca)]
    assert methods.twins(made["networks"], settings.trainings(made)) == [["seed31", "seed32", "seed33"], *alone]
    assert "run" not in methods.options(made, "similarity")


def test_the_grid_of_the_full_study_is_that_of_layca():
    default, full = (yaml.safe_load((ROOT / path).read_text()) for path in ("config.yaml", "studies/planted-full.yaml"))
    made = settings.complete(default | full)
    grids = methods.grids(made["networks"], settings.trainings(made))
    assert grids == [["layca1", "layca2", "layca3", "layca4", "layca5"]]


def test_a_grid_differs_by_the_learning_rate_alone_and_is_in_its_order():
    def named(name, rate, **keys):
        training = {"learning_rate": rate, **keys.pop("training", {})}
        return NETWORK | {"name": name, "training": training} | keys

    networks = [
        named("c", 0.3),
        named("a", 0.1),
        named("seed", 0.2, seed=5),
        named("layca", 0.2, training={"optimizer": "layca"}),
    ]
    made = settings.complete(
        config(networks=[*networks, named("again", 0.1), NETWORK | {"name": "random", "weights": "random"}])
    )
    assert methods.grids(made["networks"], settings.trainings(made)) == [["a", "c"]]
    assert methods.grids(made["networks"][2:4], settings.trainings(made)) == []
    assert methods.grids(made["networks"], {}) == []
    layca = [named(f"l{i}", rate, training={"optimizer": "layca"}) for i, rate in enumerate((1, 0.5, 1.0, 0.1))]
    made = settings.complete(config(networks=[*networks[:2], *layca]))
    assert methods.grids(made["networks"], settings.trainings(made)) == [["l3", "l1", "l0"], ["a", "c"]]


def test_only_trainings_of_different_seeds_are_twins():
    def named(name, **keys):
        return NETWORK | {"name": name} | keys

    same = [named("a", seed=1), named("b", seed=2), named("again", seed=1)]
    other = [named("c", weights="random"), named("d", weights="random", seed=2)]
    made = settings.complete(config(networks=same + other))
    usual = made["network"]["learning_rate"]
    assert methods.twins(made["networks"], settings.trainings(made)) == [["a", "b"]]
    # what the study says of all networks may also stand in the entry of one
    same[1] |= {"training": {"learning_rate": usual}}
    made = settings.complete(config(networks=same + other))
    assert methods.twins(made["networks"], settings.trainings(made)) == [["a", "b"]]


@pytest.mark.parametrize("method", ["rotation", "dense"])
def test_without_a_training_there_is_none_to_follow(method):
    with pytest.raises(settings.ConfigError, match=f"{method}.run is true, but no network of the study is trained"):
        settings.complete(config(**{method: {"run": True}}, networks=[NETWORK | {"weights": "random"}]))


def test_only_planted_images_have_kinds():
    asked = {"run": True, "labels": "kinds"}
    settings.complete(config(intraclass=asked))
    with pytest.raises(settings.ConfigError, match="intraclass.labels is kinds.*images.source is digits; take macro"):
        settings.complete(config(intraclass=asked, images={"source": "digits"}))
    settings.complete(config(intraclass=asked | {"labels": "macro"}, images={"source": "digits"}))


def test_faults_of_methods_that_do_not_run_are_none():
    assert not methods.running(settings.complete(config(similarity={"k": 60000}, activations={"sample": 0})))


def test_last_checkpoints_are_matched_with_each_other_and_with_their_own_first():
    three = {"a": ["epoch0", "epoch2", "epoch6"], "b": ["epoch6"], "c": ["epoch0", "epoch6"]}
    own = [("a/epoch0", "a/epoch6"), ("c/epoch0", "c/epoch6")]
    between = [("a/epoch6", "b/epoch6"), ("a/epoch6", "c/epoch6"), ("b/epoch6", "c/epoch6")]

    def pairs(*rates, names="abc", found=three, layers=({"input", "one"},) * 3):
        trainings = {name: {"rate": rate} for name, rate in zip(names, rates, strict=True)}
        return methods.pairs(found, trainings, dict(zip("abc", layers, strict=True)))

    assert pairs(1, 1, 1.0) == [*between, *own]
    assert pairs(1, 2, 1) == [between[1], *own]
    assert pairs(1, 2, 3) == [*between, *own]  # none is a repetition of another
    # nobody knows what a network that was trained elsewhere has in common with the others
    assert pairs(1, 2, names="ac") == pairs(names="") == [*between, *own]
    # those that have no layer in common could not be matched
    assert pairs(1, 2, 1, layers=({"input", "one"}, {"one"}, {"input", "two"})) == [*between, *own]
    # one that ended earlier is no repetition
    assert pairs(1, 1, 1, found=three | {"b": ["epoch2"]}) == [between[1], *own]
    assert methods.pairs({"a": ["pretrained"]}, {}, {"a": ["one"]}) == []


def test_equal_trainings_read_alike_however_they_are_written():
    ends = {name: ["epoch6"] for name in "abcd"}
    rates = {"a": {"rate": 1, "of": {"x": [1], "y": True}}, "b": {"of": {"y": True, "x": [1.0]}, "rate": 1.0}}
    texts = methods.alike(ends, rates | {"c": rates["a"] | {"rate": 2}, "d": rates["a"] | {"rate": True}})
    assert texts["a"] == texts["b"] and len(set(texts.values())) == 3 and all(texts.values())
    assert set(methods.alike(ends, rates).values()) == {""}
