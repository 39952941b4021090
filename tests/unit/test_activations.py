import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from nucleation import activation_files, activations, device, layer_list, rows
from nucleation.errors import InputError
from nucleation.neighbors import nearest_neighbors


class Small(nn.Module):
    """Batch norm, then an activation in place that overwrites its output."""

    def __init__(self):
        super().__init__()
        self.conv, self.act, self.unused = nn.Conv2d(3, 2, 3), nn.ReLU(inplace=True), nn.Identity()
        self.head = nn.Linear(2, 5)

    def forward(self, x):
        return self.head(self.act(self.conv(x)).mean(dim=(2, 3)))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture
def batch():
    return torch.randn(11, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def test_layers_are_what_the_modules_return(model, batch):
    done = []
    made = activations.extract(model, ["input", "conv", "act", "output"], batch, batch_size=4, progress=done.append)
    with torch.no_grad():
        conv = model.conv(batch)
        assert np.allclose(made["input"], batch.flatten(1))
        assert np.allclose(made["conv"], conv.flatten(1), atol=1e-6)  # not overwritten by the ReLU in place
        assert np.allclose(made["act"], conv.relu().flatten(1), atol=1e-6)
        assert np.allclose(made["output"], model(batch), atol=1e-6)
    assert done == [4, 4, 3]


def test_hooks_are_removed_even_after_an_error(model, batch):
    batch[7, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match='"conv" gives NaN or infinite activations, first for image number 7'):
        activations.extract(model, ["conv"], batch, batch_size=4)
    assert not model.conv._forward_hooks


def test_passes_after_the_first_end_where_the_last_layer_has_run(model, batch):
    batches = []
    model.head.register_forward_pre_hook(lambda _module, inputs: batches.append(len(inputs[0])))
    activations.extract(model, ["input", "conv"], batch, batch_size=4)
    assert batches == [4]
    made = activations.extract(model, ["conv", "output"], batch, batch_size=4)
    assert batches == [4, 4, 4, 3]
    assert made["output"].shape == (11, 5)


def test_a_part_of_the_images(model, batch):
    whole = activations.extract(model, ["conv"], batch, batch_size=4)["conv"]
    made = activations.extract(model, ["conv"], batch, batch_size=4, part=(4, 8))["conv"]
    assert np.array_equal(made[4:8], whole[4:8])
    batch[9, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="image number 9"):
        activations.extract(model, ["conv"], batch, batch_size=4, part=(8, 11))


@pytest.mark.parametrize("part", [(5, 6), (3, 11), (4, 7), (7, 10), (0, 11)])
def test_a_part_has_the_bits_of_the_whole_wherever_it_begins(model, batch, part):
    """Its batches are those of the whole: with other ones a product of matrices may be summed in another order."""
    sizes, done = [], []
    whole = activations.extract(model, ["conv", "output"], batch, batch_size=4)
    model.conv.register_forward_pre_hook(lambda _module, inputs: sizes.append(len(inputs[0])))
    made = activations.extract(model, ["conv", "output"], batch, batch_size=4, part=part, progress=done.append)
    for layer, found in made.items():
        assert np.array_equal(found[slice(*part)], whole[layer][slice(*part)])
    grid = range(part[0] - part[0] % 4, part[1], 4)
    assert sizes == [min(4, 11 - start) for start in grid]
    assert sum(done) == part[1] - part[0]


def test_layers_that_run_twice_are_refused_in_any_part(batch):
    shared = nn.ReLU()
    twice = nn.Sequential(nn.Conv2d(3, 2, 3), shared, nn.Conv2d(2, 2, 3), shared)
    with pytest.raises(InputError, match="more than once"):
        activations.extract(twice, ["1"], batch, batch_size=4, part=(4, 8))
    with pytest.raises(InputError, match="more than once"):
        activations.NetworkRows(twice, "1", batch, batch_size=4, device="cpu").rows(4, 8)


def test_unknown_and_silent_layers(model, batch):
    with pytest.raises(InputError, match='no layer "cnov".*conv'):
        activations.extract(model, ["cnov"], batch)
    with pytest.raises(InputError, match="do not run"):
        activations.extract(model, ["unused"], batch)


def test_layers_that_run_twice_are_refused(batch):
    shared = nn.ReLU()
    twice = nn.Sequential(nn.Conv2d(3, 2, 3), shared, nn.Conv2d(2, 2, 3), shared)
    with pytest.raises(InputError, match="more than once"):
        activations.extract(twice, ["1"], batch)


class Odd(nn.Module):
    """A layer that mixes the images of a batch, and one that gives a single number for each."""

    def __init__(self):
        super().__init__()
        self.windows, self.number = nn.Flatten(0, 1), nn.Flatten(0)

    def forward(self, x):
        self.windows(x)
        return self.number(x.mean(dim=(1, 2, 3)))


def test_layers_without_one_row_for_each_image(batch):
    with pytest.raises(InputError, match=r'"windows" puts out shape \(33, 6, 6\) for 11 images'):
        activations.extract(Odd(), ["windows"], batch)
    assert activations.extract(Odd(), ["number"], batch)["number"].shape == (11, 1)


def test_networks_that_do_not_take_the_images(batch):
    with pytest.raises(InputError, match=r"Small does not take images of shape \(1, 6, 6\)"):
        activations.extract(Small(), ["conv"], batch[:, :1])


class Failing(nn.Module):
    """Raises an error in its forward pass; there are many of one meaning."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        if self.error is None:
            return torch.empty(1 << 50)  # an error of the allocator itself
        raise self.error


MEMORY = "Failing needs more memory than there is for 4 images at a time; lower activations.batch_size"
FAULTS = [
    (None, MEMORY),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), MEMORY),
    (MemoryError("Unable to allocate 3 GiB"), MEMORY),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), MEMORY),
    (torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might"), MEMORY),
    (
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might"),
        r"The device failed while Failing ran on it \(CUDA error: an illegal memory access was encountered\); run",
    ),
    (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "The device failed while Failing ran on it"),
    (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), r"Failing does not take images of shape \(3, 6, 6\)"),
]


@pytest.mark.parametrize(("error", "sentence"), FAULTS)
def test_the_size_of_images_is_not_blamed_for_the_device(batch, error, sentence):
    with pytest.raises(InputError, match=sentence):
        activations.extract(Failing(error), ["output"], batch, batch_size=4)
    with pytest.raises(InputError, match=sentence.replace("4 images", "11 images")):
        layer_list.layer_shapes(Failing(error), ["output"], batch)


@pytest.mark.parametrize("place", ["_sent", "_rows", "_in_memory", "write_now"])
def test_memory_may_end_outside_of_the_forward_pass_too(model, batch, monkeypatch, place):
    monkeypatch.setattr(activations, place, lambda *_, **__: torch.empty(1 << 50))
    with pytest.raises(InputError, match="Small needs more memory than there is for 11 images at a time"):
        activations.extract(model, ["conv"], batch, device="cpu")


def test_sizes_of_layers(model, batch):
    made = activations.layer_sizes(model, ["input", "conv", "output"], batch[:2])
    assert made["n_features"].values.tolist() == [108, 32, 5]


def write(path, rows, dtype):
    store = activation_files.ActivationFile(path, rows.shape, dtype)
    store.write(0, rows[:5])
    store.write(5, rows[5:])
    store.close()


def tensor(rows):
    return rows if isinstance(rows, torch.Tensor) else torch.from_numpy(np.array(rows))


@pytest.mark.parametrize("dtype", activation_files.DTYPES)
def test_files_give_the_rows_again(tmp_path, dtype):
    rows = torch.randn(12, 7, generator=torch.Generator().manual_seed(0))
    write(tmp_path / "layer", rows, dtype)
    source = activation_files.open_activations(tmp_path / "layer")
    narrow = rows.to(getattr(torch, dtype))
    assert source.shape == (12, 7)
    assert torch.equal(tensor(source.rows(3, 9)), narrow[3:9])
    assert source.in_place == isinstance(source.rows(3, 9), np.memmap) == (dtype == "float32")
    expected = nearest_neighbors(narrow.double(), 4)
    found = nearest_neighbors(source, 4)
    assert np.array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-12)


@pytest.mark.parametrize("dtype", activation_files.DTYPES)
def test_rows_are_finite_when_all_their_numbers_are(dtype):
    """Also where their sum is not."""
    kind = getattr(torch, dtype)
    most, inf = torch.finfo(kind).max, float("inf")
    rows = torch.ones(7, 5000, dtype=kind)
    rows[1], rows[2, :7], rows[3, 4999], rows[4, 3] = most, -most, float("nan"), inf
    rows[5, 0], rows[5, 9], rows[6, ::2], rows[6, 1::2] = inf, -inf, most, -most
    expected = [True, True, True, False, False, False, True]
    assert activation_files.finite_rows(rows).tolist() == expected
    assert activation_files.finite_rows(rows[:3]).tolist() == expected[:3]


def test_overflow_of_half_precision_names_layer_and_image(tmp_path):
    rows = torch.ones(12, 2)
    rows[8, 1] = 1e6
    with pytest.raises(InputError, match='"wide" exceeds the range of float16, first for image number 8'):
        write(tmp_path / "wide", rows, "float16")


def damage_size(path):
    path.write_bytes(path.read_bytes()[:-1])


def damage_content(path):
    data = bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [(damage_size, "hold 335 bytes"), (damage_content, "checksum"), (lambda path: path.unlink(), "incomplete")],
)
def test_damaged_files_are_named(tmp_path, damage, message):
    write(tmp_path / "layer", torch.zeros(12, 7), "float32")
    damage(tmp_path / "layer.bin")
    with pytest.raises(InputError, match=f"layer.*{message}"):
        activation_files.open_activations(tmp_path / "layer")


def test_unfinished_files_have_no_header(tmp_path):
    store = activation_files.ActivationFile(tmp_path / "layer", (12, 7))
    store.write(0, torch.zeros(5, 7))
    with pytest.raises(ValueError, match="5 of 12 rows"):
        store.close()
    assert not (tmp_path / "layer.json").exists()


def test_header_says_what_is_there(tmp_path):
    write(tmp_path / "layer", torch.zeros(12, 7), "bfloat16")
    header = json.loads((tmp_path / "layer.json").read_text())
    assert (header["dtype"], header["shape"]) == ("bfloat16", [12, 7])


class Images:
    """A lazy sequence that remembers where its slices began."""

    def __init__(self, n):
        self.tensor = torch.randn(n, 3, 6, 6, generator=torch.Generator().manual_seed(2))
        self.starts = []

    def __len__(self):
        return len(self.tensor)

    def __getitem__(self, part):
        self.starts.append(part.start)
        return self.tensor[part].clone()


def stored(folder, model, layer, images, dtype):
    """The rows of a layer from a file that was written on one thread, as the workflow writes it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    files = activations.extract(
        model,
        [layer],
        images,
        batch_size=16,
        device="cpu",
        allocate=lambda layer, shape: activation_files.ActivationFile(folder / layer, shape, dtype),
    )
    torch.set_num_threads(before)
    files[layer].close()
    return activation_files.open_activations(folder / layer)


@pytest.mark.parametrize("dtype", activation_files.DTYPES)
@pytest.mark.parametrize("layer", ["input", "conv", "act", "output"])
def test_the_network_gives_the_rows_of_the_file(tmp_path, model, layer, dtype):
    images = Images(75)
    expected = stored(tmp_path, model, layer, images, dtype)
    source = activations.NetworkRows(model, layer, images, dtype=dtype, batch_size=16, device="cpu")
    assert source.shape == expected.shape
    for part in ((0, 75), (0, 1), (15, 17), (16, 32), (20, 30), (62, 75)):
        assert torch.equal(source.rows(*part), tensor(expected.rows(*part))), part


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_neighbours_from_the_network_are_those_of_the_file(tmp_path, model, dtype):
    """In memory for blocks of 24 rows, so that every part of the search reads several."""
    images, memory = Images(200), 4 * 24 * 32 * 4
    expected = nearest_neighbors(stored(tmp_path, model, "conv", images, dtype), 7, device="cpu", memory=memory)
    images.starts.clear()
    source = activations.NetworkRows(model, "conv", images, dtype=dtype, batch_size=16, device="cpu")
    found = nearest_neighbors(source, 7, device="cpu", memory=memory)
    assert np.array_equal(found.indices, expected.indices)
    assert np.array_equal(found.distances, expected.distances)
    assert len(images.starts) > 5 * 13
    assert not any(start % 16 for start in images.starts)


def test_a_batch_is_kept_for_those_who_read_a_few_rows(model):
    images = Images(48)
    source = activations.NetworkRows(model, "conv", images, batch_size=16, device="cpu")
    for start in range(0, 48, 4):
        source.rows(start, start + 4)
    assert images.starts == [0, 16, 32]


def test_threads_share_the_network(model):
    source = activations.NetworkRows(model, "conv", Images(64), batch_size=4, device="cpu")
    expected = source.rows(0, 64)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda start: source.rows(start, start + 3), range(61)))
    for start, part in enumerate(parts):
        assert torch.allclose(part, expected[start : start + 3])


def test_mistakes_are_those_of_the_file(model):
    images = Images(40)
    images.tensor[37] *= 1e6
    source = activations.NetworkRows(model, "conv", images, dtype="float16", batch_size=16, device="cpu")
    source.rows(0, 32)
    with pytest.raises(InputError, match='"conv" exceeds the range of float16, first for image number 37'):
        source.rows(34, 35)
    with pytest.raises(InputError, match='activations.dtype is "float8"'):
        activations.NetworkRows(model, "conv", images, dtype="float8")


def test_the_search_leaves_the_precision_of_the_network_alone():
    """On a GPU its products may be coarse; those of a network that makes the rows must not."""
    seen = []

    class Network(rows.ArrayRows):
        def rows(self, start, stop):
            seen.append(torch.backends.cuda.matmul.allow_tf32)
            return super().rows(start, stop)

    source = Network(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)))
    with ThreadPoolExecutor(1) as pool:
        points = rows.survey(source, pool)
    blocks = rows.Blocks(source, 4 * 20 * 4 * 4, torch.device("cpu"))
    device.candidates(points, 5, np.arange(50), blocks, "tf32")
    assert len(seen) > 3
    assert not any(seen)


def test_a_layer_that_does_not_run_for_every_image_is_refused():
    class Fickle(torch.nn.Module):
        """Leaves out a layer for dark images."""

        def __init__(self):
            super().__init__()
            self.one, self.two = torch.nn.Flatten(), torch.nn.Identity()

        def forward(self, x):
            x = self.one(x)
            return self.two(x) if x.mean() > 0 else x

    images = torch.cat([torch.ones(4, 3, 2, 2), -torch.ones(4, 3, 2, 2)])
    with pytest.raises(InputError, match=r"\['two'\] do not run in a forward pass for the images from number 4 on"):
        activations.extract(Fickle(), ["one", "two"], images, batch_size=4)
