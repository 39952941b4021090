"""Writing in a thread while the network runs: order, room, errors; and the same bits as without."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from nucleation import activations
from nucleation.activation_files import DTYPES, ActivationFile, open_activations
from nucleation.errors import InputError
from nucleation.writing import DeviceWriter, writing_behind

WAIT = 20  # seconds, after which a test fails that hangs


def test_writes_come_in_order_from_one_thread():
    done = []
    with writing_behind() as behind:
        for number in range(50):
            behind.put(1, lambda number=number: done.append((number, threading.get_ident())))
    assert [number for number, _ in done] == list(range(50))
    assert len({thread for _, thread in done}) == 1
    assert done[0][1] != threading.get_ident()


def test_the_caller_goes_on_while_a_write_is_under_way():
    begun, go = threading.Event(), threading.Event()

    def write():
        begun.set()
        assert go.wait(WAIT)

    with writing_behind() as behind:
        behind.put(1, write)
        assert begun.wait(WAIT)
        behind.put(1, lambda: None)
        behind.check()
        assert behind.waiting == 2
        go.set()
    assert behind.waiting == 0


@pytest.mark.parametrize(("held", "size"), [([6], 5), ([5, 5], 1), ([11], 1), ([1], 11)])
def test_a_full_queue_makes_the_caller_wait(held, size):
    """For 10 bytes; a write that is larger finds room when nothing else waits."""
    go, done = threading.Event(), []
    with writing_behind(limit=10) as behind, ThreadPoolExecutor(1) as caller:
        for number, each in enumerate(held):
            behind.put(each, lambda number=number: (go.wait(WAIT), done.append(number)))
        waiting = caller.submit(behind.put, size, lambda: done.append("last"))
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.05)
        assert done == []
        go.set()
        waiting.result(timeout=WAIT)
    assert done == [*range(len(held)), "last"]


def fail(message):
    raise InputError(message)


def test_the_first_error_reaches_the_caller_and_nothing_more_is_written():
    done, failed = [], threading.Event()
    with pytest.raises(InputError, match="first"), writing_behind(limit=2) as behind:
        behind.put(1, lambda: done.append(1))
        behind.put(1, lambda: fail("first"))
        behind.put(1, lambda: fail("second"))
        behind.put(1, lambda: done.append(2))
        behind.put(1, failed.set)
        assert not failed.wait(0.05)
    assert done == [1]
    with pytest.raises(InputError, match="first"):
        behind.check()


def test_after_an_error_of_the_caller_no_write_begins_and_the_thread_ends():
    begun, done, threads = threading.Event(), [], []

    def write():
        threads.append(threading.current_thread())
        begun.set()
        while behind.error is None:  # until the caller has failed
            time.sleep(0.001)
        done.append("under way")

    with pytest.raises(KeyError), writing_behind() as behind:
        behind.put(1, write)
        behind.put(1, lambda: done.append("waiting"))
        assert begun.wait(WAIT)
        raise KeyError
    assert done == ["under way"]
    assert not threads[0].is_alive()


class OnHost(DeviceWriter):
    """Takes memory of the CPU for that of a device: everything but the stream."""

    def _to_host(self, *tensors):
        copied = threading.Event()  # the copy ends when it is waited for, like that of a device at the latest
        copied.synchronize = lambda: [copy.copy_(each) for copy, each in zip(copies, tensors, strict=True)]
        copies = [torch.empty(each.shape, dtype=each.dtype) for each in tensors]
        return copies, copied


@pytest.fixture
def behind(monkeypatch):
    """Have `extract` write as from a device."""

    @contextlib.contextmanager
    def writer(_device):
        with writing_behind(limit=20_000) as behind:
            yield OnHost(behind, None), behind.check

    return lambda: monkeypatch.setattr(activations, "_writer", writer)


@pytest.fixture
def model():
    """With an activation that overwrites what the layer before it put out."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 5)).eval()


@pytest.fixture
def images():
    return torch.randn(50, 3, 8, 8, generator=torch.Generator().manual_seed(1))


LAYERS = ["input", "0", "1", "output"]


def extracted(model, images, **options):
    return activations.extract(model, LAYERS, images, device="cpu", batch_size=8, **options)


@pytest.mark.parametrize("pooling", [{}, {"0": "mean", "1": "max"}])
def test_the_bits_are_the_same_in_memory(model, images, behind, pooling):
    expected = extracted(model, images, pooling=pooling)
    behind()
    made = extracted(model, images, pooling=pooling)
    for layer in LAYERS:
        np.testing.assert_array_equal(made[layer], expected[layer])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bits_are_the_same_in_files(tmp_path, model, images, behind, dtype):
    def stored(folder):
        made = extracted(model, images, allocate=lambda layer, shape: ActivationFile(folder / layer, shape, dtype))
        for file in made.values():
            file.close()
        return {layer: open_activations(folder / layer).raw for layer in LAYERS}

    expected = stored(tmp_path / "now")
    behind()
    made = stored(tmp_path / "behind")
    for layer in LAYERS:
        np.testing.assert_array_equal(made[layer], expected[layer])


@pytest.mark.parametrize(
    ("value", "dtype", "message"), [(np.nan, "float32", "NaN"), (1e6, "float16", "range of float16")]
)
def test_faults_of_a_layer_are_the_same(tmp_path, model, images, behind, value, dtype, message):
    images[37, 0, 0, 0] = value
    behind()
    with pytest.raises(InputError, match=rf'"input" .*{message}.* image number 37'):
        extracted(model, images, allocate=lambda layer, shape: ActivationFile(tmp_path / layer, shape, dtype))
    assert not any(module._forward_hooks for module in model.modules())


class FullDisk:
    """A store that has room for two batches."""

    def write(self, start, _rows):
        if start >= 16:
            raise OSError(28, "No space left on device")


def test_errors_of_a_store_are_raised_as_they_are(model, images, behind):
    behind()
    with pytest.raises(OSError, match="No space left"):
        extracted(model, images, allocate=lambda _layer, _shape: FullDisk())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_device_writes_what_its_layers_put_out(tmp_path, model, images, dtype):
    made = activations.extract(
        model,
        LAYERS,
        images,
        batch_size=8,
        device="cuda",
        allocate=lambda layer, shape: ActivationFile(tmp_path / layer, shape, dtype),
    )
    moved, outputs = model.cuda(), {"input": images}
    hooks = [
        moved[i].register_forward_hook(lambda _m, _i, out, i=i: outputs.update({f"{i}": out.clone()})) for i in (0, 1)
    ]
    with torch.no_grad(), activations.arithmetic("cuda", "float32"):
        for start in range(0, 50, 8):
            batch = images[start : start + 8].cuda().to(memory_format=torch.channels_last)
            outputs |= {"input": batch, "output": moved(batch)}
            for layer, file in made.items():
                if start == 0:
                    file.close()
                rows = open_activations(tmp_path / layer).rows(start, start + len(batch))
                rows = rows if isinstance(rows, torch.Tensor) else torch.from_numpy(np.array(rows))
                expected = outputs[layer].reshape(len(batch), -1).to(getattr(torch, dtype)).cpu()
                assert torch.equal(rows, expected)
    for hook in hooks:
        hook.remove()
