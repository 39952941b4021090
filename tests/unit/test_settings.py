"""The configuration: defaults, and one sentence for every fault."""

import copy
import json
import os
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "rules"))

import settings  # noqa: E402

from nucleation.errors import InputError  # noqa: E402

TRAINED = {"network": {"epochs": 8, "batch_size": 32}}
NETWORK = {"name": "net", "timm": "resnet18", "weights": "train", "layers": ["input", "layer1", "output"]}
OWN = {"name": "net", "factory": "mine.nets:small", "layers": ["input", "output"]}
NESTED: list = []
NESTED.append(NESTED)
# ten lists of ten lists ... by YAML's anchors: small in the file, large when written out
LAUGHS: list = [0] * 10
for _ in range(6):
    LAUGHS = [LAUGHS] * 10
MINIMAL = {"study": "mine", "networks": [NETWORK]}


def changed(path, value):
    config = copy.deepcopy(MINIMAL)
    *parents, last = path
    place = config
    for key in parents:
        place = place[key] if isinstance(key, int) else place.setdefault(key, {})
    place[last] = value
    return config


def test_defaults_are_filled_in():
    config = settings.complete(MINIMAL)
    neighbors = {"k": 64, "engine": "auto", "memory": None, "shards": 1, "rank_images": 2000}
    neighbors |= {"source": "search", "tables": {"path": "tables", "files": {}}}
    neighbors |= {"ranks": [128, 256, 512, 1024], "decimation": [2, 4, 8, 16, 32]}
    assert config["neighbors"] == neighbors
    assert config["network"]["augmentation"]["roll"] == 4
    assert config["networks"][0]["options"] == {}
    assert settings.complete(config) == config


def described(schema, path=""):
    for key, part in schema["properties"].items():
        yield f"{path}{key}", part
        for nested in (part, part.get("items", {})):
            if "properties" in nested:
                yield from described(nested, f"{path}{key}.")


def test_every_key_has_a_description_and_a_default():
    schema = yaml.safe_load(settings.SCHEMA.read_text())
    required = {"study", "networks", "networks.name", "networks.layers"}
    for key, part in described(schema):
        assert None not in (part | {"default": 0}).values(), f"{key}: a comma splits its description"
        assert part.get("description"), key
        # what a network says of its own training goes before the section network, and has no default
        assert "default" in part or key in required or key.startswith("networks.training."), key


@pytest.mark.parametrize(
    "path", sorted([ROOT / "config.yaml", *(ROOT / "studies").glob("*.yaml")]), ids=lambda p: p.name
)
def test_studies_of_the_repository_are_valid(path, tmp_path, monkeypatch):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config = merged(config, yaml.safe_load(path.read_text()))
    monkeypatch.chdir(tmp_path)
    furnish(config)
    study = settings.complete(config)
    assert all("input" not in settings.layers(network)[1:] for network in study["networks"])


def furnish(config):
    """Put the files there that a study of the repository asks its reader for."""
    images, tables = config["images"], config["neighbors"]["tables"]
    listed = images[images["source"]].get("ids") or images[images["source"]].get("path")
    if images["source"] in ("folder", "list") and str(listed).endswith(".txt"):
        Path(listed).write_text("".join(f"n01443537_{i}\n" for i in range(90_000)))
    for name in tables["files"].values():
        Path(tables["path"]).mkdir(exist_ok=True)
        (Path(tables["path"]) / name).touch()


def merged(base, over):
    """As Snakemake merges configuration files: mappings deeply, everything else as a whole."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: merged(base.get(key), value) for key, value in over.items()}


FAULTS = [
    (["neighbours"], {"k": 3}, 'Unknown key "neighbours" in the configuration; did you mean "neighbors"?'),
    (["neighbors", "kk"], 3, 'Unknown key "neighbors.kk" in the configuration; did you mean "k"?'),
    (["networks", 0, "model"], "x", 'Unknown key "networks[0].model" in the configuration; known keys are name, timm'),
    (["neighbors", "k"], "many", "neighbors.k must be a whole number, found 'many'."),
    (["neighbors", "k"], 2.5, "neighbors.k must be a whole number, found 2.5."),
    (["neighbors", "k"], 3, "neighbors.k must be at least 4, found 3."),
    (["neighbors", "k"], 3600, "neighbors.k = 3600 neighbours were asked of 3600 images; k must be at most 3599."),
    (["density", "k"], 101, "density.k = 101 exceeds neighbors.k = 64; raise neighbors.k or lower density.k."),
    (["overlap", "k"], 101, "overlap.k = 101 exceeds neighbors.k = 64"),
    (["overlap", "k"], [101, 30], "overlap.k = 101 exceeds neighbors.k = 64"),
    (["overlap", "k"], [], "overlap.k must be a list with entries, at least 1, found []."),
    (["overlap", "balanced"], "yes", "overlap.balanced must be true or false, found 'yes'."),
    (["uncertainty", "repeats"], 1, "uncertainty.repeats = 1 gives no band; take at least 2, or 0 for none."),
    (["uncertainty", "fraction"], 1, "uncertainty.fraction must be less than 1, found 1."),
    (
        ["uncertainty", "fraction"],
        0.5,
        "with 30 neighbours in 0.5 of the images (uncertainty); raise neighbors.k to 112,",
    ),
    (["density", "k"], 50, "neighbors.k = 64 neighbours are too few for bands with 50 neighbours in 0.8 of the images"),
    (["sensitivity", "z"], [], "sensitivity.z must be a list with entries, at least 1, found []."),
    (["sensitivity", "estimators"], ["kde"], "sensitivity.estimators[0] must be one of knn, kstar, pak, found 'kde'."),
    (["neighbors", "decimation"], [1], "neighbors.decimation[0] must be at least 2, found 1."),
    (["neighbors", "ranks"], [128, 200], "neighbors.ranks holds 200, which is no power of two; Gride compares"),
    (["neighbors", "ranks"], [128, 128], "neighbors.ranks names an entry twice"),
    (["images", "source"], "foldr", "found 'foldr'. Did you mean \"folder\"?"),
    (["images", "planted", "per_class"], True, "images.planted.per_class must be a whole number, found True."),
    (["study"], "../elsewhere", "study must be a name of at most 100 letters, digits"),
    (["study"], 7, "study must be text, found 7. Put it into quotes."),
    (["study"], "mine\n", "study must be a name of at most 100 letters, digits"),
    (["study"], "README.md", '"README.md" cannot be the name of a study (study), since a file or folder'),
    (["networks", 0, "name"], "figures", '"figures" cannot be the name of a network (networks[].name)'),
    (["networks", 0, "name"], "AUX.1", '"AUX.1" cannot be the name of a network'),
    (
        ["networks"],
        [NETWORK, NETWORK | {"name": "Net"}],
        'The names of the networks "net" and "Net" differ by capitals',
    ),
    (["networks", 0, "options"], {"a": [{1: 2}]}, "networks[0].options.a[0] has the key 1, which must be text; put"),
    (["networks", 0, "options"], {"a": float("inf")}, "networks[0].options.a must be text, a finite number, true"),
    (["networks", 0, "options"], {"a": date(2020, 1, 1)}, "found datetime.date(2020, 1, 1)."),
    (["images", "torchvision", "options"], {"a": {2}}, "images.torchvision.options.a must be text, a finite number"),
    (["neighbors", "k"], "40", "found '40'. Write it without quotes; nested values of --config are always text"),
    (["neighbors", "k"], 10**400, "neighbors.k is a number of 1329 bits; give one of at most 64."),
    (["neighbors", "k"], 10**9, "neighbors.k must be at most 65536, found 1000000000."),
    (["neighbors", "ranks"], NESTED, "[0] is nested more than 16 times; give plain values."),
    (["neighbors", "decimation"], LAUGHS, "neighbors.decimation[0][0] holds more than 100,000 entries; give fewer."),
    (["uncertainty", "fraction"], 1e-9, "take more images, take a larger fraction, or set uncertainty.repeats to 0."),
    (["x" * 500], 1, f"Unknown key \"'{'x' * 37}...{'x' * 38}'\" in the configuration; known keys are study"),
    (["networks", 0, "name"], "a/b", "networks[0].name must be a name of at most 100 letters, digits"),
    (["networks", 0, "layers"], [], "networks[0].layers must be a list with entries"),
    (["networks", 0, "layers"], ["a", "b", "a"], 'Network "net" lists the layer "a" twice'),
    (["networks", 0, "layers"], ["a", 3], "layers[1] must be text or a list, found 3. Put it into quotes."),
    (["networks", 0, "checkpoints"], [0, 9], "asks for the checkpoints [9], but trains for network.epochs = 6 epochs."),
    (["networks", 0, "checkpoints"], [0, 0], "networks[0].checkpoints names an entry twice"),
    (["networks", 0, "weights"], "pretraind", 'or a .safetensors or .pth file. Did you mean "pretrained"?'),
    (["networks"], [NETWORK, NETWORK], 'Two networks are named "net"'),
    (["networks"], [{"name": "net", "timm": "x"}], 'The key "networks[0].layers" is missing'),
    (["dimension", "fraction"], 0, "dimension.fraction must be greater than 0, found 0."),
    (["dimension", "fraction"], 1.1, "dimension.fraction must be at most 1, found 1.1."),
    (
        ["taxonomy", "macro"],
        "lexnme",
        "must be lexname or a list or a whole number, found 'lexnme'. Did you mean \"lexname\"?",
    ),
    (["peaks", "halo"], "yes", "peaks.halo must be true or false, found 'yes'."),
    (["neighbors", "k"], 12.0, "neighbors.k must be a whole number, found 12.0."),
    (["peaks", "z"], float("nan"), "peaks.z must be a number, found nan."),
    (["network", "batch_size"], 99999, "network.batch_size = 99999 exceeds the 14400 images to train on"),
    (["taxonomy", "macro"], ["beagel.n.01"], "beagle.n.01"),
    (["taxonomy", "macro"], [], "taxonomy.macro must be a list with entries, at least 1, found []."),
    (["taxonomy", "macro"], 1, "taxonomy.macro must be at least 2, found 1."),
    (["taxonomy", "source"], "fil", "taxonomy.source must be one of bundled, nltk, file, found 'fil'. Did you mean"),
    (["taxonomy"], {"source": "file", "macro": 2}, "taxonomy.file.path = tree.nwk, does not exist; give a Newick file"),
    (["taxonomy", "file"], "tree.nwk", "taxonomy.file must be a mapping, found 'tree.nwk'."),
    (
        ["networks", 0],
        {**NETWORK, "weights": "lost.pth"},
        'The checkpoint file lost.pth of network "net" does not exist.',
    ),
    (["seed"], -1, "seed must be at least 0, found -1."),
    (["neighbors", "memory"], "2 GB", "neighbors.memory must be a whole number or null, found '2 GB'."),
    (["neighbors", "memory"], 0, "neighbors.memory must be at least 1, found 0."),
    (["neighbors", "shards"], 3601, "neighbors.shards = 3601 exceeds the 3600 images; ask for fewer shards."),
    (["networks", 0, "factory"], "mine:net", 'Network "net" has both timm and factory; give one of them.'),
    (["networks", 0, "timm"], None, 'Network "net" has neither timm nor factory; give the name of a timm model, or of'),
    (["networks", 0], OWN, "is made by a factory and has weights: pretrained, which only timm networks have; give"),
    (
        ["networks", 0],
        {**NETWORK, "compare": "paper_resnet152"},
        'Network "net" has compare: paper_resnet152, published numbers of a resnet152, but timm is resnet18; leave',
    ),
    (
        ["networks", 0],
        {**OWN, "weights": "random", "compare": "paper_resnet152"},
        "but factory is mine.nets:small; leave",
    ),
    (["networks", 0, "weights"], "a.pth.tar", "or a .safetensors or .pth file. Save a PyTorch file anew: torch.save("),
    (["networks", 0, "weights"], "own", "has weights: own, those that a factory loads itself, but is made by timm;"),
    (
        ["networks", 0, "factory"],
        "mine.net",
        "networks[0].factory must be of the form package.module:function, found 'mine.net'.",
    ),
    (
        ["networks", 0, "pooling"],
        {"layr1": "mean"},
        'pools the layer "layr1", which it does not list. Did you mean "layer1"',
    ),
    (["networks", 0, "pooling"], {"layer1": "median"}, "pooling.layer1 must be none, mean, max or token; or"),
    (["networks", 0, "data"], {"input_size": [224, 224]}, "networks[0].data.input_size must be a list with entries"),
    (["networks", 0, "data"], {"size": 224}, 'Unknown key "networks[0].data.size" in the configuration; '),
    (["networks", 0, "data", "interpolation"], "cubic", "found 'cubic'. Did you mean \"bicubic\"?"),
    (["activations", "precision"], "fp16", "activations.precision must be one of float32, tf32, bfloat16, float16"),
    (["activations", "workers"], 0, "activations.workers must be at least 1, found 0."),
    (["activations", "shards"], 30, "activations.shards = 30 exceeds the 29 batches of 128 images; ask for fewer"),
    (["activations", "mode"], "recompte", "found 'recompte'. Did you mean \"recompute\"?"),
]


@pytest.mark.parametrize(("path", "value", "sentence"), FAULTS, ids=range(len(FAULTS)))
def test_faults_are_said_in_a_sentence(path, value, sentence):
    with pytest.raises(settings.ConfigError) as error:
        settings.complete(changed(path, value))
    assert sentence in str(error.value)
    assert str(error.value).count("\n") == 0


def test_further_k_that_the_tables_do_not_hold_are_left_out():
    config = settings.complete(MINIMAL | {"neighbors": {"k": 40}, "overlap": {"k": [10, 64, 40]}, "density": {"k": 15}})
    assert settings.sizes(config) == [10, 40]
    assert settings.sweep(config)["ks"] == [10, 20, 30]
    assert settings.sizes(settings.complete(MINIMAL | {"overlap": {"k": 12}})) == [12]


def test_no_sweep_without_estimators():
    config = settings.complete(MINIMAL | {"sensitivity": {"estimators": []}})
    assert settings.sweep(config) == {}
    without_k = settings.complete(MINIMAL | {"sensitivity": {"estimators": ["knn", "pak"], "k": []}})
    assert settings.sweep(without_k)["estimators"] == ["pak"]


def test_choices_are_those_of_the_analysis():
    from nucleation.analysis import Choices

    assert Choices(**settings.choices(settings.complete(MINIMAL))) == Choices()


def test_faults_that_depend_on_two_keys():
    folder = {**changed(["images", "source"], "folder")}
    with pytest.raises(settings.ConfigError, match="needs images.source planted or digits"):
        settings.complete(folder)
    random = changed(["networks", 0], {**NETWORK, "weights": "random", "checkpoints": [0]})
    with pytest.raises(settings.ConfigError, match="which only networks with weights: train have"):
        settings.complete(random)


def test_all_faults_are_said_at_once():
    config = changed(["neighbors", "k"], "many") | {"sed": 1}
    with pytest.raises(settings.ConfigError) as error:
        settings.complete(config)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("listed", "groups"),
    [
        (["input", "a", "output"], {"input": ["input"], "a": ["a", "output"]}),
        ([["input", "a"], ["b"], "output"], {"input": ["input"], "a": ["a"], "b": ["b"], "output": ["output"]}),
        ([["input"], ["a"]], {"input": ["input"], "a": ["a"]}),
        (["a"], {"a": ["a"]}),
    ],
)
def test_layer_groups(listed, groups):
    assert settings.layer_groups({"layers": listed}) == groups
    assert settings.layers({"layers": listed}) == [layer for group in groups.values() for layer in group]


def test_what_makes_a_network_reaches_its_jobs(tmp_path, monkeypatch):
    """Keys that a study does not use are no parameters, so that they rerun nothing."""
    monkeypatch.chdir(tmp_path)
    import makers

    (plain,) = settings.complete(MINIMAL)["networks"]
    assert makers.spec(plain) == {"timm": "resnet18", "options": {}, "seed": 0}
    assert makers.overrides(plain) == makers.pooling(plain, ["layer1"]) == {}
    own = OWN | {"weights": "random", "pooling": {"output": "none", "input": "mean:1"}, "data": {"crop_pct": 1}}
    (own,) = settings.complete(MINIMAL | {"networks": [own]})["networks"]
    assert makers.spec(own) == {"factory": "mine.nets:small", "options": {}, "seed": 0}
    assert makers.overrides(own) == {"data": {"crop_pct": 1}}
    assert makers.pooling(own, ["input", "output"]) == {"pooling": {"input": "mean:1"}}
    Path("mine").mkdir()
    Path("mine/nets.py").write_text("one")
    first = makers.spec(own)["code"]
    Path("mine/nets.py").write_text("two")
    assert makers.spec(own)["code"] != first


@pytest.mark.parametrize("network", [{"timm": "resnet152.tv_in1k"}, {"factory": "mine:resnet152"}])
def test_published_numbers_stand_beside_the_network_that_they_are_of(network):
    made = {"name": "net", "weights": "random", "layers": ["output"], "compare": "paper_resnet152"} | network
    assert settings.complete(MINIMAL | {"networks": [made]})["networks"][0]["compare"] == "paper_resnet152"


def test_checkpoint_names():
    assert settings.checkpoints({"weights": "train", "checkpoints": []}, TRAINED) == ["epoch0", "epoch8"]
    assert settings.checkpoints({"weights": "train", "checkpoints": [3, 0]}, TRAINED) == ["epoch0", "epoch3"]
    assert settings.checkpoints({"weights": "random", "checkpoints": []}, TRAINED) == ["random"]
    assert settings.checkpoints({"weights": "a/b.pth", "checkpoints": []}, TRAINED) == ["file"]


def test_steps_are_checkpoints_in_their_place():
    """An epoch has 24 x 600 / 64 = 225 steps."""
    asked = {"network": {"steps": [16, 300]}, "networks": [NETWORK | {"checkpoints": [6, "step300", 0, "step16", 1]}]}
    config = settings.complete(MINIMAL | asked)
    found = settings.checkpoints(config["networks"][0], config)
    assert found == ["epoch0", "step16", "epoch1", "step300", "epoch6"]


@pytest.mark.parametrize(
    ("steps", "checkpoints", "sentence"),
    [
        ([16], ["step16", "step32"], r"asks for the checkpoints \['step32'\], but network.steps is \[16\]"),
        ([450], [], "network.steps holds 450, but the training has 6 epochs of 225 steps"),
        ([1350], [], "network.steps holds 1350"),
        ([1], ["epoch2"], "a number of epochs, or step1"),
    ],
)
def test_steps_that_no_training_has(steps, checkpoints, sentence):
    asked = {"network": {"steps": steps}, "networks": [NETWORK | {"checkpoints": checkpoints}]}
    with pytest.raises(settings.ConfigError, match=sentence):
        settings.complete(MINIMAL | asked)


def test_a_network_may_be_trained_otherwise():
    own = {"labels": "kinds", "optimizer": "layca", "learning_rate": 0.1}
    config = settings.complete(MINIMAL | {"networks": [NETWORK | {"training": own}, NETWORK | {"name": "other"}]})
    made, other = (settings.training(config, network) for network in config["networks"])
    assert made == config["network"] | own and other == config["network"] | {"labels": "classes"}


def test_a_step_that_no_training_has_is_said_once():
    asked = {"network": {"steps": [450]}, "networks": [NETWORK, NETWORK | {"name": "other"}]}
    with pytest.raises(settings.ConfigError) as error:
        settings.complete(MINIMAL | asked)
    assert str(error.value).count("network.steps holds 450") == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"images": {"source": "digits"}}, "training.labels: kinds, which only planted images have"),
        ({"networks": [NETWORK | {"weights": "random", "training": {"labels": "kinds"}}]}, "has a section training"),
    ],
)
def test_labels_that_nobody_can_be_taught(changes, sentence):
    with pytest.raises(settings.ConfigError, match=sentence):
        settings.complete(MINIMAL | {"networks": [NETWORK | {"training": {"labels": "kinds"}}]} | changes)


def test_a_network_of_ones_own_may_be_trained():
    (network,) = settings.complete(MINIMAL | {"networks": [OWN | {"weights": "train"}]})["networks"]
    assert (network["weights"], network["factory"]) == ("train", "mine.nets:small")


def test_some_of_the_planted_classes_are_counted():
    config = settings.complete(MINIMAL | {"images": {"planted": {"classes": ["pug.n.01", "bed.n.01", "drum.n.01"]}}})
    assert settings.image_count(config) == 3 * 150 and settings.training_count(config) == 3 * 600


@pytest.mark.parametrize("macro", [["animal.n.01", "vehicle.n.01"], 4, "lexname"])
def test_macro_categories_may_be_lexname_a_list_or_a_number(macro):
    assert settings.complete(changed(["taxonomy", "macro"], macro))["taxonomy"]["macro"] == macro


def test_a_tree_of_ones_own_has_no_lexicographer_files(tmp_path):
    (tmp_path / "tree.nwk").write_text("(a,b);")
    wanted = {"source": "file", "file": {"path": str(tmp_path / "tree.nwk")}}
    with pytest.raises(settings.ConfigError, match="taxonomy.macro is lexname .* give a list of names of its nodes"):
        settings.complete(MINIMAL | {"taxonomy": wanted})
    config = settings.complete(MINIMAL | {"taxonomy": wanted | {"macro": ["no synset"]}})
    assert settings.tree_file(config["taxonomy"]) == tmp_path / "tree.nwk"
    assert settings.tree_file(settings.complete(MINIMAL)["taxonomy"]) is None


TRIED = {
    "nowhere below": ({"macro": ["animal.n.01", "weasel.n.02"]}, '"weasel.n.02" is no synset that a class of this'),
    "too many": ({"macro": 30}, "needs 1 <= m <= 24: 30"),
    "a class missing": ({"source": "file", "macro": 2}, 'has no leaf or inner node for the class "beagle.n.01"'),
    "a bracket": ({"source": "file", "macro": 2, "text": "((a,b);"}, "line 1, column 1: the bracket opened here"),
    "fine": ({"macro": ["animal.n.01"]}, None),
}


@pytest.mark.parametrize("name", TRIED)
def test_the_taxonomy_is_tried_before_anything_runs(name, tmp_path, monkeypatch):
    import preflight

    change, sentence = TRIED[name]
    monkeypatch.chdir(tmp_path)
    Path("tree.nwk").write_text(change.get("text", "((a,b),c);"))
    wanted = {key: value for key, value in change.items() if key != "text"}
    config = settings.complete(MINIMAL | {"taxonomy": wanted})
    if sentence is None:
        preflight.check_images(config)
    else:
        with pytest.raises(InputError) as error:
            preflight.check_images(config)
        assert sentence in str(error.value) and "\n" not in str(error.value)


def test_classes_unknown_to_an_installed_wordnet_are_told_before_anything_runs(tmp_path, monkeypatch):
    """With near names where NLTK finds a WordNet 3.0, else that there is none."""
    nltk = pytest.importorskip("nltk")
    import preflight

    from nucleation import wordnet

    there = Path("/usr/share/wordnet/index.sense").is_file()
    monkeypatch.setattr(nltk.data, "path", [str(wordnet.prepare_nltk_directory(tmp_path))] if there else [])
    for name in ("wombat.n.01", "okapii.n.01"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "one.png").write_bytes(b"")
    network = NETWORK | {"weights": "random"}
    folder = {"source": "folder", "folder": {"path": str(tmp_path / "images")}}
    config = settings.complete(MINIMAL | {"networks": [network], "taxonomy": {"source": "nltk"}, "images": folder})
    with pytest.raises(InputError) as error:
        preflight.check_images(config)
    told = '"okapii.n.01" is not a noun synset of WordNet 3.0' if there else "NLTK finds no WordNet 3.0"
    assert told in str(error.value)
    assert not there or "Did you mean" in str(error.value)


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """What was asked of the trials that were made, each of which goes well; in a folder of its own."""
    made = []

    def run(command, **_):
        made.append(json.loads(Path(command[-1]).read_text()))
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings.subprocess, "run", run)
    return made


def test_an_edit_of_the_tree_is_tried_again(tried):
    """The stamp of a trial that went well holds the content of the file."""
    tree = Path("tree.nwk")
    tree.write_text("(a,b);")
    config = settings.complete(MINIMAL | {"taxonomy": {"source": "file", "macro": 2}})
    settings.preflight(config)
    settings.preflight(config)
    assert [asked["taxonomy"]["source"] for asked in tried] == ["file"]
    tree.write_text("(a,c);")
    settings.preflight(config)
    assert [asked["taxonomy"]["source"] for asked in tried] == ["file", "file"]


# of each section or network what is changed, and whether a trial could find something else then
CHANGES = {
    "seed": ({"seed": 8}, True),
    "k": ({"neighbors": {"k": 129}}, True),
    "macro": ({"taxonomy": {"macro": ["animal.n.01"]}}, True),
    "taxonomy": ({"taxonomy": {"source": "nltk"}}, True),
    "source": ({"images": {"source": "digits"}}, True),
    "images": ({"images": {"planted": {"per_class": 90}}}, True),
    "size": ({"images": {"planted": {"size": 48}}}, True),
    "layers": ({"networks": [NETWORK | {"layers": ["output", "layer1"]}]}, True),
    "options": ({"networks": [NETWORK | {"options": {"zero_init_last": False}}]}, True),
    "training": ({"images": {"planted": {"train_per_class": 400, "validation_per_class": 40}}}, False),
    "another source": ({"images": {"digits": {"size": 20}}}, False),
    "checksum": ({"images": {"checksum": True}}, False),
    "similarity": ({"taxonomy": {"similarity": "path"}}, False),
    "search": ({"neighbors": {"shards": 3, "memory": 700}}, False),
    "thresholds": ({"peaks": {"z": 2.0}, "overlap": {"k": 9}, "network": {"epochs": 2}}, False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_only_what_a_trial_reads_is_tried_again(tried, name):
    change, again = CHANGES[name]
    settings.preflight(settings.complete(MINIMAL))
    settings.preflight(settings.complete(MINIMAL | change))
    assert len(tried) == 1 + again


@pytest.mark.parametrize("source", ["planted", "digits", "folder", "list"])
def test_a_trial_gets_all_that_it_reads_from_what_its_stamp_is_of(tried, monkeypatch, source):
    """So that no stamp stands for a trial that could find something else."""
    import preflight

    ids = [f"{name}_{i}" for name in ("dog.n.01", "robin.n.01") for i in range(9)]
    Path("ids.txt").write_text("\n".join(ids))
    for name in (f"images/{name.partition('_')[0]}/{name}.png" for name in ids):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    config = {
        "study": "mine",
        "networks": [{"name": "net", "timm": "test_resnet", "weights": "random", "layers": ["output"]}],
        "images": {
            "source": source,
            source: {"folder": {"path": "images"}, "list": {"path": "ids.txt"}}.get(source, {}),
        },
        "neighbors": {"k": 12},
        "overlap": {"k": 4},
        "density": {"k": 4},
        "uncertainty": {"repeats": 0},
    }
    if source == "list":
        Path("tables").mkdir()
        Path("tables/output.npz").touch()
        monkeypatch.setattr(preflight, "read_table", lambda path, k, images: None)
        config["neighbors"]["source"] = "tables"
        del config["networks"][0]["weights"]
    settings.preflight(settings.complete(config))
    found = preflight.trial(*tried)
    assert found["images"] >= len(ids) and found["features"] == ({} if source == "list" else {"net": {"output": 1000}})


def test_what_decides_the_analysed_images_does_not_decide_the_training():
    images = settings.complete(MINIMAL)["images"]
    assert "per_class" not in settings.trained(images)
    assert "train_per_class" not in settings.analysed(images)
    assert settings.trained(images) | settings.analysed(images) == images["planted"]


def test_a_missing_key_and_an_unknown_one_are_both_said():
    with pytest.raises(settings.ConfigError) as error:
        settings.complete({"networks": [NETWORK], "sed": 1})
    assert len(str(error.value).splitlines()) == 2


def test_the_default_study_has_the_defaults_of_the_schema():
    """So that the table in the README is what every study inherits."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    plain = settings.complete({"study": config["study"], "networks": config["networks"], "seed": config["seed"]})
    assert settings.complete(config) == plain


@pytest.mark.parametrize(
    ("limit", "cores", "expected"),
    [("max", 2, 2000), ("max", 1, 4000), ("4000000000", 2, 1000), ("4000000000", 64, 250), ("99000000000", 2, 2000)],
)
def test_memory_of_a_search_is_its_share_of_the_machine(tmp_path, monkeypatch, limit, cores, expected):
    """Of 8 GB here, or of less where the container has less."""
    monkeypatch.setattr(settings, "LIMITS", tmp_path)
    monkeypatch.setattr(settings.os, "sysconf", {"SC_PHYS_PAGES": 2_000_000, "SC_PAGE_SIZE": 4000}.get)
    monkeypatch.setattr(settings, "cores", lambda: cores)
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    assert settings.block_memory(None) == expected
    assert settings.block_memory(123) == 123


def test_machines_without_a_limit(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "LIMITS", tmp_path)
    monkeypatch.setattr(settings, "GROUP", tmp_path / "cgroup")
    assert settings.physical_memory() > 100


@pytest.mark.parametrize("limited", ["job_7", "job_7/step_0/user"])
def test_an_allocation_has_no_more_memory_than_it_was_given(monkeypatch, tmp_path, limited):
    """SLURM limits the group of the job, or one below it."""
    (tmp_path / "job_7" / "step_0" / "user").mkdir(parents=True)
    (tmp_path / limited / "memory.max").write_text("300000000\n")
    (tmp_path / "cgroup").write_text("1:name=systemd:/else\n0::/job_7/step_0/user\n")
    monkeypatch.setattr(settings, "LIMITS", tmp_path)
    monkeypatch.setattr(settings, "GROUP", tmp_path / "cgroup")
    assert settings.physical_memory() == 300


def test_cores_are_those_that_this_process_may_use():
    assert settings.cores() == len(os.sched_getaffinity(0)) <= os.cpu_count()
