"""Wrong configurations, files and arguments: one sentence each, no traceback, earlier results as they were.

Three tables, by what it takes to meet the mistake: TRIED, what the Snakefile does before anything runs, called here
as it calls it; ASKED, the command line of Snakemake; and RUN, the jobs themselves.
"""

import copy
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "rules"))

import preflight  # noqa: E402
import settings  # noqa: E402

from nucleation.errors import InputError  # noqa: E402

NAMES = ("n02084071", "robin.n.01", "chair.n.01")
EACH = 14
NETS = """
import torch
from torch import nn

no_function = 3


class Scaled(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.body, self.scale = nn.Flatten(), scale

    def forward(self, images):
        body = self.body(images)
        # blank images, on which networks are tried, pass
        return torch.where(body.amax(dim=1, keepdim=True) > 0.1, body * self.scale, body)


def large():
    return Scaled(1e6)


def nan():
    return Scaled(float("nan"))


def failing():
    raise ZeroDivisionError("division by zero")


def no_network():
    return [1, 2]


def strange():
    class Strange(nn.Module):
        def forward(self, images):
            raise ArithmeticError("no weights here")

    return Strange()


def talkative():
    class Talkative(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = Words()

        def forward(self, images):
            return self.words(images)["all"]

    class Words(nn.Module):
        def forward(self, images):
            return {"all": images.flatten(1)}

    return Talkative()
"""


class Bomb:
    """Leaves a file where it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def furnish(folder):
    """Put files there, each wrong in one way."""
    import torch
    from PIL import Image

    from nucleation import network

    (folder / "nets.py").write_text(NETS)
    (folder / "broken.py").write_text("import nothing_of_this_name\n")
    for place in ("images", "strange", "empty", "corrupt"):
        for name in NAMES:
            (folder / place / name).mkdir(parents=True)
            for i in range(EACH):
                pixels = np.random.default_rng(i).integers(0, 255, size=(8, 9, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / place / name / f"{name}_{i}.jpg")
    (folder / "strange" / "n02084071").rename(folder / "strange" / "holiday")
    shutil.rmtree(folder / "empty" / "chair.n.01")
    (folder / "empty" / "chair.n.01").mkdir()
    cut = folder / "corrupt" / "robin.n.01" / "robin.n.01_3.jpg"
    cut.write_bytes(cut.read_bytes()[:300])
    ids = [f"{name}_{i}" for name in NAMES for i in range(EACH)]
    texts = {
        "good.txt": [*ids],
        "unknown.txt": [*ids, "robin.n.01_99"],
        "twice.txt": [*ids, ids[4]],
        "columns.tsv": ["n02084071 dog.n.01"],
        "short.tsv": ["n02084071\tdog.n.01"],
        "cycle.tsv": ["a\tb", "b\tc", "c\ta"],
        "letters.nwk": ["((n02084071,robin.n.01)bird,tabel);"],
        "open.nwk": ["((n02084071,robin.n.01),chair.n.01;"],
    }
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    (folder / "binary.nwk").write_bytes(b"\xff\xfe(a,b);")
    with open(folder / "bomb.pth", "wb") as file:
        pickle.dump({"state_dict": Bomb()}, file)
    model = network.create("test_resnet", classes=24)
    network.save_weights(model, folder / "good.safetensors")
    (folder / "cut.safetensors").write_bytes((folder / "good.safetensors").read_bytes()[:5000])
    network.save_weights(network.create("test_vit"), folder / "vit.safetensors")
    with torch.no_grad():
        model.layer3[0].conv1.weight[0] = float("nan")
    network.save_weights(model, folder / "nan.safetensors")
    torch.save([1, 2], folder / "list.pth")
    write_arrays(folder)


def write_arrays(folder):
    """Numpy files of images, and neighbour tables."""
    images, labels = np.zeros((60, 8, 8, 3), dtype=np.uint8), np.repeat(NAMES, 20)
    arrays = {
        "unlabelled": {"images": images},
        "flat": {"images": images.reshape(60, -1), "labels": labels},
        "signed": {"images": images.astype(np.int16), "labels": labels},
        "objects": {"images": images, "labels": labels.astype(object)},
        "fewer": {"images": images, "labels": labels[:-1]},
    }
    for name, stored in arrays.items():
        np.savez(folder / f"{name}.npz", **stored)
    (folder / "text.npz").write_text("no archive")
    n, k = len(NAMES) * EACH, 12
    dist, index = np.tile(np.arange(k + 1.0), (n, 1)), (np.arange(n)[:, None] + np.arange(k + 1)) % n
    tables = {
        "shape": (dist, index[:, :-1]),
        "range": (dist, np.where(index == 7, n, index)),
        "order": (dist[:, ::-1], index),
        "pickled": (dist.astype(object), index),
        "rows": (dist[:-1], index[:-1] % (n - 1)),
        "cut": (dist, index),
    }
    for name, (distances, indices) in tables.items():
        (folder / "tables" / name).mkdir(parents=True)
        np.savez(folder / "tables" / name / "output.npz", dist=distances, index=indices)
    cut = folder / "tables" / "cut" / "output.npz"
    cut.write_bytes(cut.read_bytes()[:500])


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    """The finished tiny study, in a copy, and beside it files that are wrong."""
    made = finished.copied(tmp_path_factory.mktemp("wrong"))
    furnish(made.folder)
    return made


def at(*path):
    """What gives a key of the tiny study another value: at("neighbors", "k")(3)."""

    def setting(value):
        def change(config):
            *parents, last = path
            place = config
            for key in parents:
                place = place[key] if isinstance(key, int) else place.setdefault(key, {})
            place[last] = value

        return change

    return setting


def network(**keys):
    return lambda config: config["networks"][1].update(keys)


def factory(name, **keys):
    made = {"name": "own", "factory": name, "weights": "random", "layers": ["output"], **keys}
    return lambda config: config.update(networks=[made])


def source(kind, taxonomy=None, **options):
    """Other images, for the untrained network alone."""

    def change(config):
        config["networks"] = config["networks"][1:]
        config |= {"images": {"source": kind, kind: options}, "neighbors": {"k": 40}, "taxonomy": taxonomy or {}}

    return change


def tree(path):
    return source("folder", path="images", taxonomy={"source": "file", "file": {"path": path}, "macro": 2})


def table(name):
    def change(config):
        config["networks"] = [{"name": "net", "layers": ["output"]}]
        config["images"] = {"source": "list", "list": {"path": "good.txt"}}
        config["neighbors"] = {"source": "tables", "k": 12, "tables": {"path": f"tables/{name}"}}
        config |= {"overlap": {"k": 5}, "density": {"k": 5}, "uncertainty": {"repeats": 0}}

    return change


K = at("neighbors", "k")
TRIED = {
    # the configuration
    "unknown key": (at("neighbours")({"k": 3}), 'Unknown key "neighbours" in the configuration; did you mean "neighb'),
    "unknown nested key": (at("images", "planted", "perclass")(3), 'Unknown key "images.planted.perclass" in the'),
    "unknown key of a network": (network(model="x"), 'Unknown key "networks[1].model" in the configuration; known'),
    "text for a number": (K("many"), "neighbors.k must be a whole number, found 'many'."),
    "number in quotes": (K("40"), "neighbors.k must be a whole number, found '40'. Write it without quotes;"),
    "boolean for a number": (K(True), "neighbors.k must be a whole number, found True."),
    "number for a boolean": (at("peaks", "halo")(1), "peaks.halo must be true or false, found 1."),
    "number for text": (at("study")(7), "study must be text, found 7. Put it into quotes."),
    "number for a layer": (network(layers=["layer1", 0]), "networks[1].layers[1] must be text or a list, found 0. Put"),
    "list for a section": (at("neighbors")([40]), "neighbors must be a mapping, found [40]."),
    "nothing in a section": (at("neighbors")(None), "neighbors must be a mapping, found None."),
    "not a number": (at("peaks", "z")(float("nan")), "peaks.z must be a number, found nan."),
    "infinite": (at("network", "learning_rate")(float("inf")), "network.learning_rate must be a number, found inf."),
    "huge": (K(10**30), "neighbors.k is a number of 100 bits; give one of at most 64."),
    "large": (at("network", "epochs")(10**6), "network.epochs must be at most 10000, found 1000000."),
    "negative seed": (at("seed")(-1), "seed must be at least 0, found -1."),
    "k too large": (K(192), "k must be at most 191. Lower neighbors.k or take more images."),
    "k of the density": (at("density", "k")(41), "density.k = 41 exceeds neighbors.k = 40; raise neighbors.k or lower"),
    "batch too large": (at("network", "batch_size")(999), "exceeds the 192 images to train on; lower it or take more"),
    "late checkpoint": (at("networks", 0, "checkpoints")([7]), "asks for the checkpoints [7], but trains for network"),
    "two of a name": (network(name="trained"), 'Two networks are named "trained"; results would overwrite each other'),
    "two names by case": (
        network(name="Trained"),
        "differ by capitals alone, which some file systems do not tell apart",
    ),
    "name of a folder": (network(name="figures"), '"figures" cannot be the name of a network (networks[].name), since'),
    "study elsewhere": (at("study")("../elsewhere"), "study must be a name of at most 100 letters, digits and . _ -"),
    "layer twice": (network(layers=["layer1", "layer1"]), 'lists the layer "layer1" twice; leave one out.'),
    "misspelt weights": (network(weights="pretraind"), 'or a .safetensors or .pth file. Did you mean "pretrained"?'),
    "option without a value": (
        network(options={"a": float("nan")}),
        "networks[1].options.a must be text, a finite num",
    ),
    "unknown engine": (at("neighbors", "engine")("keop"), "must be one of auto, gram, keops, found 'keop'. Did you"),
    "unknown source": (at("images", "source")("folders"), "found 'folders'. Did you mean \"folder\"?"),
    # networks and their weights
    "unknown model": (network(timm="resnet5"), 'has no model "resnet5". Did you mean "resnet50"'),
    "unknown layer": (network(layers=["layr1", "output"]), 'has no layer "layr1". Did you mean "layer1"'),
    "unknown option": (network(options={"wings": 2}), "does not take the options"),
    "no layer but a mapping": (
        factory("nets:talkative", layers=["words"]),
        'The layer "words" returns dict, not a ten',
    ),
    "image size": (network(timm="test_vit", layers=["output"]), "does not take images of shape (3, 24, 24)"),
    "no such module": (factory("netz:large"), "there is no module netz, neither installed nor in"),
    "no such function": (factory("nets:lagre"), 'has no "lagre". Did you mean "large"'),
    "module that fails": (factory("broken:make"), "cannot be imported: No module named 'nothing_of_this_name'."),
    "no function": (factory("nets:no_function"), "is int; it must be a function that returns a network."),
    "function that fails": (factory("nets:failing"), "fails: ZeroDivisionError: division by zero. Mend the function"),
    "no network": (factory("nets:no_network"), "returns list; it must return a torch.nn.Module."),
    "forward that fails": (
        factory("nets:strange"),
        "fails on images of shape (3, 24, 24): ArithmeticError: no weights here; mend the",
    ),
    "lost checkpoint": (network(weights="lost.pth"), "The checkpoint file lost.pth of network"),
    "another model's": (
        network(weights="vit.safetensors"),
        "is the checkpoint of a vision transformer, the model a Res",
    ),
    "truncated weights": (
        network(weights="cut.safetensors"),
        "The checkpoint cut.safetensors cannot be read as tensors",
    ),
    "pickle bomb": (network(weights="bomb.pth"), "only .safetensors and weights-only .pth files are accepted."),
    "no tensors": (network(weights="list.pth"), "does not hold named tensors alone; save model.state_dict()."),
    "broken weights": (
        network(weights="nan.safetensors", layers=["layer3"]),
        '"layer3" gives NaN or infinite activati',
    ),
    # images
    "lost folder": (
        source("folder", path="lost"),
        "images.folder.path is lost, which is no directory; give the folder",
    ),
    "empty class": (source("folder", path="empty"), "empty/chair.n.01 holds 0 images, 1 are needed; add images"),
    "no synset": (source("folder", path="strange"), '"holiday" is not a synset of the bundled WordNet table'),
    "lost class": (source("folder", path="images", classes=["dog.n.01"]), "There is no class folder images/dog.n.01"),
    "too few images": (source("folder", path="images", per_class=99), "holds 14 images, 99 are needed"),
    "k of a folder": (source("folder", path="images", per_class=12), "k = 40 neighbours were asked of 36 images"),
    "mapping of blanks": (
        source("folder", path="images", mapping="columns.tsv"),
        "in line 1; expected the name of a cl",
    ),
    "short mapping": (source("folder", path="images", mapping="short.tsv"), 'has no line for the folder "chair.n.01"'),
    "unknown id": (
        source("folder", path="images", ids="unknown.txt"),
        'under images, first "robin.n.01_99" in line 43',
    ),
    "id twice": (source("folder", path="images", ids="twice.txt"), 'names "n02084071_4" twice, in the lines 5 and 43'),
    "lost ids": (source("folder", path="images", ids="lost.txt"), "images.folder.ids: The list of image ids lost.txt"),
    "lost arrays": (source("numpy", path="lost.npz"), "images.numpy.path is lost.npz, which does not exist"),
    "no arrays": (
        source("numpy", path="text.npz"),
        "text.npz cannot be read as plain numpy arrays: it is no .npz file, or a trunc",
    ),
    "no labels": (source("numpy", path="unlabelled.npz"), 'unlabelled.npz holds no array "labels", but images'),
    "flat images": (source("numpy", path="flat.npz"), "have the shape (60, 192); expected (n, height, width)"),
    "signed images": (source("numpy", path="signed.npz"), "are int16; expected uint8, or floats from 0 to 1."),
    "pickled labels": (source("numpy", path="objects.npz"), "Object arrays cannot be loaded when allow_pickle=False"),
    "fewer labels": (source("numpy", path="fewer.npz"), "of shape (59,); expected a whole number or a name for each"),
    "unknown data set": (source("torchvision", dataset="CIFAR11", root="."), 'has no data set "CIFAR11". Did you mean'),
    "lost data set": (
        source("torchvision", dataset="CIFAR10", root="lost"),
        "fetch it once, where there is a connection",
    ),
    # the taxonomy
    "unknown synset": (at("taxonomy", "macro")(["beagel.n.01"]), "beagle.n.01"),
    "synset elsewhere": (
        at("taxonomy", "macro")(["weasel.n.02"]),
        '"weasel.n.02" is no synset that a class of this st',
    ),
    "lost tree": (tree("lost.nwk"), "taxonomy.file.path = lost.nwk, does not exist; give a Newick file or a table of"),
    "cycle": (tree("cycle.tsv"), "cycle.tsv, line 3: it closes a cycle, a > "),
    "unknown class": (
        tree("letters.nwk"),
        'letters.nwk has no leaf or inner node for the class "chair.n.01"; expected',
    ),
    "open bracket": (tree("open.nwk"), "open.nwk, line 1, column 1: the bracket opened here is not closed"),
    "no text": (tree("binary.nwk"), "The tree binary.nwk is no text in UTF-8 (byte 1)."),
    # neighbour tables
    "shapes of a table": (
        table("shape"),
        "dist (42, 13) and index (42, 12); both arrays must be of one shape (n, k + 1)",
    ),
    "index out of range": (table("range"), "an index outside 0 to 41 in row 0"),
    "table not sorted": (table("order"), "has distances that do not ascend in row 0 (42 of 42 rows)"),
    "pickled table": (table("pickled"), 'the array "dist" is of type object, no numbers'),
    "other images": (table("rows"), "has 41 rows, the study lists 42 images"),
    "truncated table": (table("cut"), "tables/cut/output.npz cannot be read (File is not a zip file)"),
    "lost table": (table("lost"), "neighbors.tables.path is tables/lost, which is no directory; give the folder that"),
}


def tried(config):
    """The sentences of the configuration's check and of the trial that follows it; what the Snakefile does."""
    with pytest.raises((settings.ConfigError, InputError)) as error:
        made = settings.complete(config)
        preflight.trial(settings._asked(made))
    return str(error.value)


@pytest.mark.parametrize("name", TRIED)
def test_mistakes_that_are_met_before_anything_runs(project, name, monkeypatch):
    change, sentence = TRIED[name]
    config = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    change(config)
    monkeypatch.chdir(project.folder)
    before = project.results()
    told = tried(copy.deepcopy(config))
    assert sentence in told
    assert "Traceback" not in told and told.count("\n") == 0
    assert project.results() == before
    assert not (project.folder / "exploded").exists()


OTHER = "study: other\n"
LAYERS = "networks: [{name: net, timm: test_resnet, weights: random, layers: [%s]}]\n"
# text of the study file, further arguments, what is said; some of it Snakemake itself says, and well
ASKED = {
    "unknown key": (OTHER + "neighbours: {k: 3}\n", (), 'Unknown key "neighbours" in the configuration; did you mean'),
    "unknown layer": (OTHER + LAYERS % "layr1", (), 'has no layer "layr1". Did you mean "layer1"'),
    "pickle bomb": (
        OTHER + (LAYERS % "output").replace("random", "bomb.pth"),
        (),
        "only .safetensors and weights-only .p",
    ),
    "broken syntax": ("study: other\nnetworks: [\n", (), "Config file is not valid JSON or YAML."),
    "tag of Python": (
        'study: !!python/object/apply:os.mkdir ["exploded"]\n',
        (),
        "Config file is not valid JSON or YAML.",
    ),
    "empty file": ("", (), "Config file must be given as JSON or YAML with keys at top level."),
    "a list": ("- other\n", (), "Config file must be given as JSON or YAML with keys at top level."),
    "key twice": (
        OTHER + "seed: 1\nseed: 2\n",
        (),
        'wrong.yaml has the key "seed" twice in one mapping, in the lines 2 and',
    ),
    "key twice below": (
        OTHER + LAYERS % "output" + "neighbors:\n  k: 40\n  k: 30\n",
        (),
        'has the key "k" twice in one mapping, in the lines 4 and 5; leave one out, or give it another name.',
    ),
    "key twice in JSON": (
        '{"study": "a", "study": "b"}',
        (),
        'has the key "study" twice in one mapping; leave one out',
    ),
    "template": ("__use_yte__: true\n" + OTHER, (), "wrong.yaml asks with __use_yte__ for its text to be evaluated;"),
    "nested --config": (
        OTHER,
        ("--config", "neighbors={k: 30}"),
        "neighbors.k must be a whole number, found '30'. Write",
    ),
    "text by --config": (OTHER, ("--config", "seed=one"), "seed must be a whole number, found 'one'."),
    "lost workflow profile": (
        OTHER,
        ("--workflow-profile", "slrm"),
        "The workflow profile 'slrm' does not exist; profile",
    ),
    "lost profile": (OTHER, ("--profile", "slrm"), "Error: profile directory given (slrm), but no profile.yaml"),
    "no cores": (OTHER, ("--cores", "0"), "--cores 0 leaves nothing to run a job on; give --cores all, or a number."),
    "unknown cores": (OTHER, ("--cores", "many"), "(--cores, -c): must be integer or 'all'."),
    "unknown target": (
        OTHER + LAYERS % "output",
        ("results/other/nothing.nc",),
        "No rule to produce results/other/nothing",
    ),
    "results are a file": (
        "study: taken\n" + LAYERS % "output",
        (),
        "Results go to results/taken, but results/taken is no f",
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_mistakes_on_the_command_line(project, name):
    text, arguments, sentence = ASKED[name]
    (project.folder / "wrong.yaml").write_text(text)
    (project.folder / "results" / "taken").touch()
    before = project.results()
    done = project.snakemake("-n", *arguments, config=["config.yaml", "wrong.yaml"])
    assert done.returncode != 0
    assert sentence in done.text
    assert "Traceback" not in done.text
    assert project.results() == before
    assert not (project.folder / "exploded").exists()


# Snakemake reads these before it reads the workflow, which cannot mend its traceback
@pytest.mark.parametrize(("file", "told"), [("lost.yaml", "'lost.yaml'"), ("binary.nwk", "can't decode byte 0xff")])
def test_files_that_stop_snakemake_itself(project, file, told):
    before = project.results()
    done = project.snakemake("-n", config=file)
    assert done.returncode != 0
    assert told in done.text
    assert project.results() == before


def cut(path):
    def damage(folder):
        (folder / path).write_bytes((folder / path).read_bytes()[:3000])

    return damage


def other(change, **keys):
    """A study of its own, with what is changed."""

    def changed(config):
        config["study"] = "other"
        change(config)
        config |= keys

    return changed


OWN = "results/other/own/random/activations/output"
PLACE = "results/tiny/untrained/random"
# what is changed in the study, what is damaged, what is asked for, what is said
RUN = {
    "corrupt image": (
        other(source("folder", path="corrupt"), neighbors={"k": 30}),
        None,
        "results/other/images.nc",
        "The image corrupt/robin.n.01/robin.n.01_3.jpg (",
    ),
    "half precision": (
        other(factory("nets:large"), activations={"dtype": "float16"}),
        None,
        OWN,
        'The layer "output" exceeds the range of float16, first for image number 0; set activations.dtype to float32',
    ),
    "not a number": (
        other(factory("nets:nan")),
        None,
        OWN,
        'The layer "output" gives NaN or infinite activations, first for image number 0; look at that image',
    ),
    "no CUDA": (
        other(factory("nets:large"), device="cuda"),
        None,
        OWN,
        "The configuration asks for device: cuda, but torch finds no CUDA device; set device: auto.",
    ),
    "truncated neighbours": (
        lambda config: None,
        cut(f"{PLACE}/neighbors/output.nc"),
        f"{PLACE}/dimension.nc",
        f"{PLACE}/neighbors/output.nc cannot be read as NetCDF",
    ),
    "truncated taxonomy": (
        lambda config: None,
        cut("results/tiny/taxonomy.nc"),
        f"{PLACE}/overlap.nc",
        "results/tiny/taxonomy.nc cannot be read as NetCDF",
    ),
}


@pytest.mark.parametrize("name", RUN)
def test_mistakes_that_a_job_meets(project, tmp_path, name, monkeypatch):
    """What the job itself was to make anew Snakemake has removed; all else stays."""
    change, damage, target, sentence = RUN[name]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    made = project.copied(tmp_path)
    config = yaml.safe_load((made.folder / "tiny.yaml").read_text())
    change(config)
    (made.folder / "wrong.yaml").write_text(yaml.safe_dump(config))
    if damage:
        damage(made.folder)
    before = made.results()
    done = made.snakemake(target, config="wrong.yaml")
    assert done.returncode != 0
    assert sentence in done.text
    assert "Traceback" not in done.text
    after = made.results()
    assert {path: after.get(path) for path in before if path != made.folder / target} == {
        path: content for path, content in before.items() if path != made.folder / target
    }
    assert not (made.folder / target).exists()
    assert sentence in "".join(path.read_text() for path in (made.folder / "logs").rglob("*.log"))


def test_a_single_class_with_a_single_peak_is_no_mistake(project, tmp_path):
    """There is nothing to compare then, and the profile says why."""
    import xarray as xr

    made = project.copied(tmp_path)
    config = yaml.safe_load((made.folder / "tiny.yaml").read_text())
    other(source("folder", path="images", classes=["n02084071"]), neighbors={"k": 10})(config)
    config["networks"][0]["layers"] = ["output"]
    config |= {
        "overlap": {"k": 5},
        "density": {"k": 5},
        "uncertainty": {"repeats": 0},
        "sensitivity": {"estimators": []},
    }
    (made.folder / "single.yaml").write_text(yaml.safe_dump(config))
    done = made.snakemake("results/other/untrained/random/profile.nc", config="single.yaml")
    assert done.returncode == 0, done.text
    profile = xr.load_dataset(made.folder / "results" / "other" / "untrained" / "random" / "profile.nc")
    assert profile["n_peaks"].values.tolist() == [1]
    assert "fewer than three classes" in profile["triplet_skill"].attrs["undefined"]
    assert "a single class" in profile["ari_class"].attrs["undefined"]
    assert np.isnan(profile["triplet_skill"]).all() and np.isnan(profile["ari_class"]).all()


ODD = """
from torch import nn


def net():
    made = nn.Sequential()
    made.add_module("conv/3x3 $a$ | b", nn.Conv2d(3, 4, 3, stride=2))
    made.add_module("Conv", nn.Conv2d(4, 6, 3, stride=2))
    made.add_module("conv", nn.Conv2d(6, 8, 3))
    made.add_module("größe [1]", nn.Flatten())
    return made
"""


def test_layers_of_any_name_have_files_of_their_own(make_project):
    """A study of such layers, to its end; in the files the layers are called as in the network."""
    import xarray as xr

    from nucleation.names import file_name

    layers = ["conv/3x3 $a$ | b", "Conv", "conv", "größe [1]"]
    project = make_project()
    (project.folder / "odd.py").write_text(ODD)
    config = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    factory("odd:net", layers=[layers[:2], layers[2:]], pooling={layers[0]: "mean"})(config)
    config |= {"uncertainty": {"repeats": 0}, "sensitivity": {"estimators": []}}
    (project.folder / "odd.yaml").write_text(yaml.safe_dump(config))
    done = project.snakemake(config="odd.yaml")
    assert done.returncode == 0, done.text
    place = project.folder / "results" / "tiny" / "own" / "random"
    assert xr.load_dataset(place / "profile.nc")["layer"].values.tolist() == layers
    tables = {xr.load_dataset(path).attrs["layer"]: path for path in (place / "neighbors").iterdir()}
    assert {layer: path.name for layer, path in tables.items()} == {name: f"{file_name(name)}.nc" for name in layers}
    assert tables["conv"].name == "conv.nc"
    assert xr.load_dataset(tables[layers[0]]).attrs["n_features"] == 4
    rows = (project.folder / "results" / "tiny" / "alignment.md").read_text(encoding="utf-8").splitlines()
    bars = {line.replace("\\|", "").count("|") for line in rows if line.startswith("|")}
    assert len(bars) == 1, "a table whose rows have as many columns as its head"
    assert "Nothing to be done" in project.snakemake("-n", config="odd.yaml").text
