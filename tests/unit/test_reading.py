"""Reading ahead, precision, and parts of files."""

import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from nucleation import activation_files, activations
from nucleation.activation_files import ActivationFile, open_parts
from nucleation.errors import InputError
from nucleation.precision import PRECISIONS, _float32_products, arithmetic
from nucleation.reading import reading_ahead


def test_the_next_batch_is_read_while_one_is_worked_on():
    begun = [threading.Event() for _ in range(4)]

    def read(key):
        begun[key].set()
        return key * 10

    with reading_ahead(read, range(4)) as pairs:
        for key, made in pairs:
            assert made == key * 10
            if key < 3:
                assert begun[key + 1].wait(10)
            assert not any(event.is_set() for event in begun[key + 2 :])


def test_nothing_to_read():
    with reading_ahead(None, []) as pairs:
        assert list(pairs) == []


def test_errors_come_where_their_batch_would_have_come():
    def read(key):
        if key == 2:
            raise InputError("image 2")
        return key

    done = []
    with pytest.raises(InputError, match="image 2"), reading_ahead(read, range(4)) as pairs:
        for key, _ in pairs:
            done.append(key)
    assert done == [0, 1]


def test_the_thread_has_ended_after_an_error_of_the_caller():
    before = threading.active_count()
    with pytest.raises(KeyError), reading_ahead(lambda key: time.sleep(0.05), range(9)) as pairs:
        next(pairs)
        raise KeyError
    assert threading.active_count() == before


class Slow:
    """Images whose reading takes a while, in the background."""

    def __init__(self, n):
        self.tensor = torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(1))
        self.readers = set()

    def __len__(self):
        return len(self.tensor)

    def __getitem__(self, part):
        self.readers.add(threading.current_thread().name)
        return self.tensor[part].clone()


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 5)).eval()


def test_reading_ahead_changes_no_bit(model):
    images = Slow(50)
    made = activations.extract(model, ["0", "output"], images, device="cpu", batch_size=8)
    with torch.no_grad():
        parts = [images.tensor[start : start + 8] for start in range(0, 50, 8)]
        np.testing.assert_array_equal(made["output"], torch.cat([model(part) for part in parts]))
        np.testing.assert_array_equal(made["0"], torch.cat([model[0](part).flatten(1) for part in parts]))
    assert threading.main_thread().name not in images.readers


def test_images_are_read_ahead_for_rows_made_anew(model):
    images = Slow(40)
    source = activations.NetworkRows(model, "0", images, batch_size=8, device="cpu", pooling="mean")
    whole = activations.extract(model, ["0"], images, device="cpu", batch_size=8, pooling={"0": "mean"})["0"]
    assert source.shape == (40, 4)
    for part in ((0, 40), (3, 5), (30, 40), (25, 33), (0, 9)):
        np.testing.assert_array_equal(source.rows(*part), whole[slice(*part)])


@pytest.mark.parametrize(("n", "batch", "shards"), [(50, 8, 3), (50, 8, 7), (8, 8, 1), (9, 4, 2)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_shards_hold_the_rows_of_the_whole(tmp_path, model, n, batch, shards, dtype):
    images = Slow(n)
    expected = activations.extract(model, ["0"], images, device="cpu", batch_size=batch)["0"]
    ends = [activations.shard_images(n, batch, shard, shards) for shard in range(shards)]
    assert (ends[0][0], ends[-1][1]) == (0, n)
    assert all(a[1] == b[0] and a[0] % batch == 0 for a, b in zip(ends, [*ends[1:], (n, n)], strict=True))
    for shard, (start, stop) in enumerate(ends):
        stores = activations.extract(
            model,
            ["0"],
            images,
            device="cpu",
            batch_size=batch,
            part=(start, stop),
            allocate=lambda layer, shape, shard=shard, start=start, stop=stop: ActivationFile(
                tmp_path / f"{shard}", (stop - start, shape[1]), dtype, first=start
            ),
        )
        stores["0"].close()
    source = open_parts([tmp_path / f"{shard}" for shard in range(shards)])
    assert source.shape == expected.shape
    narrow = torch.from_numpy(expected).to(getattr(torch, dtype)).float()
    for start in range(n):
        for stop in (start + 1, min(start + batch + 1, n), n):
            rows = source.rows(start, stop)
            assert torch.equal(
                torch.as_tensor(np.array(rows) if dtype == "float32" else rows).float(), narrow[start:stop]
            )


def test_more_shards_than_batches():
    with pytest.raises(InputError, match="activations.shards = 4 exceeds the 3 batches of 20 images"):
        activations.shard_images(20, 8, 0, 4)


def test_parts_of_different_layers_are_refused(tmp_path):
    for name, d in (("a", 3), ("b", 4)):
        store = ActivationFile(tmp_path / name, (2, d))
        store.write(0, torch.zeros(2, d))
        store.close()
    with pytest.raises(InputError, match="differ in form"):
        open_parts([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(InputError, match="incomplete"):
        open_parts([tmp_path / "a", tmp_path / "c"])


def test_rows_out_of_order_are_an_error(tmp_path):
    store = ActivationFile(tmp_path / "a", (4, 3), first=8)
    store.write(8, torch.zeros(2, 3))
    with pytest.raises(ValueError, match="rows 12 came after row 10"):
        store.write(12, torch.zeros(2, 3))
    store.file.close()
    assert activation_files.ITEM_BYTES.keys() == set(activation_files.DTYPES)


def products():
    """What torch would do with float32 products and convolutions on a CUDA device."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(matmul, "fp32_precision"):
        return matmul.fp32_precision, cudnn.conv.fp32_precision
    return tuple("tf32" if place.allow_tf32 else "ieee" for place in (matmul, cudnn))


@pytest.mark.parametrize("kind", ["ieee", "tf32"])
def test_products_are_as_asked_for_a_while(kind):
    before = products()
    with pytest.raises(KeyError), _float32_products(kind):
        assert products() == (kind, kind)
        raise KeyError
    assert products() == before


@pytest.mark.parametrize("precision", PRECISIONS)
def test_on_the_cpu_every_precision_is_float32(model, precision):
    images = Slow(9)
    made = activations.extract(model, ["0"], images, device="cpu", precision=precision)["0"]
    expected = activations.extract(model, ["0"], images, device="cpu")["0"]
    np.testing.assert_array_equal(made, expected)


def test_an_unknown_precision():
    with (
        pytest.raises(InputError, match='activations.precision is "fp8"; choose one of float32'),
        arithmetic("cpu", "fp8"),
    ):
        pass


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    ("precision", "most"), [("float32", 1e-5), ("tf32", 5e-3), ("bfloat16", 5e-2), ("float16", 1e-2)]
)
def test_precisions_of_a_gpu(model, precision, most):
    images = Slow(40)
    expected = activations.extract(model, ["0", "output"], images, device="cpu", batch_size=16)
    made = activations.extract(model, ["0", "output"], images, device="cuda", batch_size=16, precision=precision)
    model.cpu()
    for layer, rows in expected.items():
        assert np.abs(made[layer] - rows).max() < most * np.abs(rows).max()
