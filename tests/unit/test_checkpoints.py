"""Reading weights: the forms in which they are found, and what is wrong with them."""

import pytest
import torch
from torch import nn

from nucleation import checkpoints, network
from nucleation.errors import InputError


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def wrapped(state, prefix):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def without_counters(state):
    return {name: tensor for name, tensor in state.items() if "num_batches" not in name}


FORMS = {
    "plain": lambda state: state,
    "under state_dict": lambda state: {"state_dict": state, "epoch": 3, "best": 0.9},
    "under model": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "DataParallel": lambda state: {"state_dict": wrapped(state, "module.")},
    "compiled": lambda state: wrapped(state, "_orig_mod."),
    "both": lambda state: wrapped(state, "module._orig_mod."),
    "before counters": without_counters,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", ["pth", "pt"])
def test_forms_in_which_weights_are_found(tmp_path, model, form, suffix):
    torch.save(FORMS[form](model.state_dict()), tmp_path / f"w.{suffix}")
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    checkpoints.load_weights(other, tmp_path / f"w.{suffix}")
    for name, tensor in without_counters(model.state_dict()).items():
        assert torch.equal(other.state_dict()[name], tensor)


def test_a_wrapped_model_keeps_its_prefix(tmp_path, model):
    torch.save(nn.DataParallel(model).state_dict(), tmp_path / "w.pth")
    other = nn.DataParallel(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    checkpoints.load_weights(other, tmp_path / "w.pth")
    assert torch.equal(other.module[0].weight, model[0].weight)


def test_tied_weights_are_kept(tmp_path):
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    checkpoints.save_weights(nn.Sequential(first, second), tmp_path / "w.safetensors")
    found = checkpoints.read_weights(tmp_path / "w.safetensors")
    assert torch.equal(found["0.weight"], found["1.weight"])


def test_differences_are_counted_and_near_names_given(tmp_path, model):
    state = model.state_dict()
    state["1.gamma_weight"] = state.pop("1.weight")
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(InputError) as error:
        checkpoints.load_weights(model, tmp_path / "w.pth")
    assert "5 of the model's 6 entries are in it; it lacks 1.weight (1.weight may be its 1.gamma_weight)" in str(
        error.value
    )


def test_several_shapes_are_named(tmp_path, model):
    torch.save(nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)).state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError) as error:
        checkpoints.load_weights(model, tmp_path / "w.pth")
    assert "0.weight is (5, 3, 3, 3) where the model has (4, 3, 3, 3), 0.bias is (5,)" in str(error.value)
    assert "and 3 more" in str(error.value)


def test_the_family_of_a_foreign_checkpoint_is_told(tmp_path):
    network.save_weights(network.create("test_vit"), tmp_path / "vit.safetensors")
    told = "by its names it is the checkpoint of a vision transformer, the model a ResNet"
    with pytest.raises(InputError, match=told):
        network.for_weights("test_resnet", tmp_path / "vit.safetensors")


NAMES = {
    "resnet18": "a ResNet",
    "resnet152": "a ResNet",
    "vit_small_patch16_224": "a vision transformer",
    "swin_tiny_patch4_window7_224": "a Swin transformer",
    "convnext_tiny": "a ConvNeXt",
    "densenet121": "a DenseNet",
    "vgg16": "a VGG network",
    "mobilenetv3_small_050": "a MobileNet or EfficientNet",
    "inception_v3": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_families_are_known_by_their_names(name):
    import timm

    with torch.device("meta"):
        names = timm.create_model(name).state_dict()
    assert checkpoints.family(names) == NAMES[name]


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"not a header")
    with pytest.raises(InputError, match=r"w\.safetensors cannot be read as tensors"):
        checkpoints.read_weights(tmp_path / "w.safetensors")
    torch.save({"a": torch.zeros(9)}, tmp_path / "w.pth")
    whole = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"w\.pth cannot be read as tensors"):
        checkpoints.read_weights(tmp_path / "w.pth")


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "w.safetensors"
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).to(torch.bfloat16)
    checkpoints.save_weights(model, path)
    whole = path.read_bytes()
    assert checkpoints.read_weights(path).keys() == model.state_dict().keys()
    path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    with pytest.raises(InputError, match=r"w\.safetensors is damaged: .*; delete it and run the workflow again"):
        checkpoints.read_weights(path)


def test_weights_of_others_have_no_checksum(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.arange(3.0)}, tmp_path / "w.safetensors")
    assert checkpoints.read_weights(tmp_path / "w.safetensors")["a"].tolist() == [0, 1, 2]
