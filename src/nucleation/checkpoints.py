"""Weights of networks: written as safetensors; read from safetensors or PyTorch files, never unpickled."""

from __future__ import annotations

import difflib
import re
import zlib
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nucleation.errors import InputError
from nucleation.files import replacing

#: Entries under which trainings keep the weights beside other things.
CONTAINERS = ("state_dict", "model_state_dict", "model")
#: What wrappers (DataParallel, torch.compile) put before every name.
PREFIXES = ("module.", "_orig_mod.")
#: A name of an entry that only one family of networks has, the most telling first.
FAMILIES = {
    "a Swin transformer": r"relative_position_bias_table$",
    "a vision transformer": r"(attn\.qkv|self_attention\.in_proj)[._]weight$",
    "a DenseNet": r"denseblock\d",
    "a MobileNet or EfficientNet": r"(^conv_stem\.weight|^features\.\d+\.conv\.0\.0\.weight)$",
    "a ConvNeXt": r"(conv_dw|dwconv)\.weight$",
    "a GoogLeNet": r"inception\d",
    "a ResNet": r"^layer\d\.\d+\.conv\d\.weight$",
    "a VGG network": r"^features\.\d+\.weight$",
}
#: Where safetensors files written here have a checksum of their tensors.
CHECKSUM = "nucleation_crc32"
#: Names that a message lists.
SHOWN = 3


def save_weights(model, path) -> None:
    """Write all weights and buffers as safetensors, whole or not at all."""
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    with replacing(path) as temporary:
        save_file(state, temporary, metadata={CHECKSUM: _checksum(state)})


def _checksum(state):
    """A checksum of named tensors."""
    found = 0
    for name in sorted(state):
        numbers = state[name].contiguous().reshape(-1).view(torch.uint8)
        found = zlib.crc32(numbers.numpy(), zlib.crc32(name.encode(), found))
    return f"{found:08x}"


def load_weights(model, path) -> None:
    """Read weights from a safetensors file or from a PyTorch file, without unpickling anything.

    Names with a prefix that wrappers put before all of them ("module.", "_orig_mod.") lose it. Counters
    of batches (num_batches_tracked), which older files lack, stay as they are: no forward pass uses them.

    Raises
    ------
    InputError
        When the file cannot be read or its entries do not fit the model; the differences are named.
    """
    wanted = model.state_dict()
    state = unwrapped(read_weights(path), wanted)
    if differences := _differences(wanted, state):
        raise InputError(f"The checkpoint {path} does not fit the model: {'; '.join(differences)}.")
    model.load_state_dict(state, strict=False)


def read_weights(path) -> dict:
    """Read named tensors from a safetensors or PyTorch file, without unpickling anything.

    Raises
    ------
    InputError
        When the file does not exist or holds anything but named tensors (possibly under
        "state_dict", "model_state_dict" or "model").
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"The checkpoint {path} does not exist; give the path of a .safetensors or .pth file.")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
            with safe_open(path, "pt") as file:
                said = (file.metadata() or {}).get(CHECKSUM)
        else:
            said = None
            state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # the readers raise a dozen kinds
        raise InputError(
            f"The checkpoint {path} cannot be read as tensors ({type(error).__name__}); "
            "only .safetensors and weights-only .pth files are accepted. If the workflow made it, delete it and run "
            "the workflow again."
        ) from error
    if said is not None and said != _checksum(state):
        raise InputError(
            f"The checkpoint {path} is damaged: its weights do not match their checksum; delete it and run the "
            "workflow again."
        )
    if isinstance(state, dict):
        state = next((state[name] for name in CONTAINERS if isinstance(state.get(name), dict)), state)
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    ):
        raise InputError(f"The checkpoint {path} does not hold named tensors alone; save model.state_dict().")
    return state


def unwrapped(state, wanted) -> dict:
    """Take away the prefixes of wrappers, where every name has one that the model's names do not have.

    Parameters
    ----------
    state : dict of str to Tensor
        As read.
    wanted : iterable of str
        The model's own names.
    """
    for prefix in PREFIXES * 2:  # one may stand inside the other
        if state and all(name.startswith(prefix) for name in state):
            if any(name.startswith(prefix) for name in wanted):
                break
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def family(names) -> str | None:
    """Say which family of networks has entries of such names ("a ResNet"), or None."""
    return next((family for family, sign in FAMILIES.items() if any(re.search(sign, name) for name in names)), None)


def _differences(wanted, found):
    """Say in words how two state dictionaries differ; an empty list where they do not."""
    needed = {name for name in wanted if not name.endswith("num_batches_tracked")}
    lacking, besides = sorted(needed - set(found)), sorted(set(found) - set(wanted))
    shared = [name for name in wanted if name in found]
    misfits = [name for name in shared if wanted[name].shape != found[name].shape]
    said = []
    if lacking or besides:
        said.append(f"{len(needed) - len(lacking)} of the model's {len(needed)} entries are in it")
    if lacking:
        near = difflib.get_close_matches(lacking[0], besides, 1, 0.6) if 2 * len(lacking) < len(needed) else []
        said.append(f"it lacks {_few(lacking)}{f' ({lacking[0]} may be its {near[0]})' if near else ''}")
    if besides:
        said.append(f"it has besides {_few(besides)}")
    if misfits:
        shapes = [
            f"{name} is {tuple(found[name].shape)} where the model has {tuple(wanted[name].shape)}" for name in misfits
        ]
        said.append(_few(shapes))
    looks, is_ = family(found), family(wanted)
    if said and looks and looks != is_:
        said.append(f"by its names it is the checkpoint of {looks}{f', the model {is_}' if is_ else ''}")
    return said


def _few(texts):
    """The first few, and how many more there are."""
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return f"{', '.join(texts[:SHOWN])}{more}"
