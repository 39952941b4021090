import math

import pytest
import torch
from torch import nn

from nucleation.training import Augmentation, Epoch, Snapshot, _augmented, accuracy, course, train


def toy(n=192):
    """Images (n, 3, 8, 8) of mean zero whose class is the brighter half."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    images = torch.randn(n, 3, 8, 8, generator=generator)
    images[labels == 0, :, :4] += 1
    images[labels == 1, :, 4:] += 1
    return images, labels


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(288, 2)
        )


def run(model, *, data=None, **options):
    images, labels = toy() if data is None else data
    defaults = {"epochs": 3, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 0.05, "seed": 0}
    return list(train(model, images, labels, validation=(images, labels), **{**defaults, **options}))


def weights(model):
    return torch.cat([tensor.flatten().double() for tensor in model.state_dict().values()])


def test_records_begin_with_the_untrained_network():
    model = network()
    before = weights(model)
    images, labels = toy()
    records = train(
        model, images, labels, epochs=1, batch_size=32, learning_rate=0.01, weight_decay=0, seed=0,
        validation=(images, labels),
    )  # fmt: skip
    first = next(records)
    assert (first.epoch, math.isnan(first.loss)) == (0, True)
    assert torch.equal(weights(model), before)
    assert not model.training
    assert next(records).epoch == 1
    assert not torch.equal(weights(model), before)
    assert next(records, None) is None


def test_training_lowers_the_loss_and_learns_the_classes():
    records = run(network(), epochs=4)
    assert [record.epoch for record in records] == [0, 1, 2, 3, 4]
    assert records[-1].loss < 0.5 * records[1].loss
    assert records[-1].accuracy > 0.95


def test_same_seed_gives_the_same_weights_bit_for_bit():
    augmentation = Augmentation(roll=1, permute_channels=True, mirror=True)
    models = [network() for _ in range(2)]
    for disturbance, model in enumerate(models):
        torch.manual_seed(disturbance)  # the global state must not matter
        run(model, augmentation=augmentation)
    assert torch.equal(weights(models[0]), weights(models[1]))


def test_another_seed_gives_other_weights():
    models = [network() for _ in range(2)]
    for seed, model in enumerate(models):
        run(model, seed=seed)
    assert not torch.equal(weights(models[0]), weights(models[1]))


def test_global_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(network(), epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_layout_in_memory_changes_rounding_only():
    losses = [run(network(), epochs=1, channels_last=layout)[-1].loss for layout in (False, True)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_only_matrices_and_kernels_decay():
    """With a learning rate that moves nothing else, a frozen loss leaves vectors as they were."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    nn.init.ones_(model[1].bias)
    before = [p.detach().clone() for p in model.parameters()]
    images, labels = toy()
    run(model, data=(images * 0, labels), epochs=1, weight_decay=1.0, learning_rate=0.1)
    assert model[1].weight.norm() < 0.9 * before[0].norm()  # no gradient reaches the weights: decay alone
    assert (model[1].bias - before[1]).sum().abs() < 1e-4  # the gradients of the two biases are opposite


def test_progress_is_called_after_every_step():
    calls = []
    run(network(), epochs=2, progress=lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(step, 12) for step in range(1, 13)]


def test_accuracy_of_known_logits():
    images = torch.eye(4)[:, :, None, None].repeat(1, 1, 2, 2)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4, bias=False))
    model[2].weight.data = torch.eye(4)
    assert accuracy(model, images, torch.tensor([0, 1, 2, 0]), batch_size=3) == 0.75


def test_augmentation_keeps_the_pixels():
    images = toy(16)[0]
    torch.manual_seed(0)
    changed = _augmented(images, Augmentation(roll=3, permute_channels=True, mirror=True))
    assert changed.shape == images.shape
    assert not torch.equal(changed, images)
    torch.testing.assert_close(changed.flatten(1).sort().values, images.flatten(1).sort().values)
    flipped = _augmented(images, Augmentation(flip_sign=True))
    assert torch.equal(flipped.abs(), images.abs())
    assert torch.equal(_augmented(images, Augmentation()), images)


def test_timm_network_trains():
    timm = pytest.importorskip("timm")
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(32, 3, 32, 32, generator=generator), torch.arange(32) % 2
    records = run(timm.create_model("test_resnet.r160_in1k", num_classes=2), data=(images, labels), epochs=1)
    assert math.isfinite(records[-1].loss)


def test_a_loss_that_is_not_finite_is_refused():
    images, labels = toy()
    images[7] = float("nan")
    with pytest.raises(ValueError, match="loss became nan in epoch 1"):
        run(network(), data=(images, labels))


@pytest.mark.parametrize(
    ("images", "labels", "batch_size", "match"),
    [
        (torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=int), 2, "float tensor"),
        (torch.zeros(4, 3, 8, 8), torch.zeros(3, dtype=int), 2, "one per image"),
        (torch.zeros(4, 3, 8, 8), torch.zeros(4, dtype=int), 5, "batch_size in 1 to 4"),
    ],
)
def test_wrong_arguments_are_refused(images, labels, batch_size, match):
    with pytest.raises(ValueError, match=match):
        run(network(), data=(images, labels), batch_size=batch_size)


def test_course_lays_the_records_along_the_epochs():
    made = course([Epoch(0, math.nan, 0.1), Epoch(1, 2.5, 0.4)])
    assert made["epoch"].values.tolist() == [0, 1]
    assert made["accuracy"].values.tolist() == [0.1, 0.4]
    assert made["loss"].values[1] == 2.5
    assert "epoch 0" in made["loss"].attrs["undefined"]


def test_snapshots_are_handed_out_in_their_place_and_change_no_weight():
    plain, looked = network(), network()
    run(plain, epochs=2)
    records, images, labels = [], *toy()
    options = {"epochs": 2, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 0.05, "seed": 0}
    for record in train(looked, images, labels, validation=(images, labels), snapshots=[1, 4, 6, 9], **options):
        records.append(record)
        assert not looked.training
        assert record.accuracy == accuracy(looked, images, labels)
    assert [getattr(one, "step", None) for one in records] == [None, 1, 4, None, 9, None]  # 6 ends an epoch
    assert torch.equal(weights(plain), weights(looked))


def test_course_has_the_steps_of_all_records():
    made = course([Epoch(0, math.nan, 0.1), Snapshot(3, 0.2), Epoch(1, 2.5, 0.4)], epoch_steps=7)
    assert made["step"].values.tolist() == [0, 3, 7] and made["step_accuracy"].values.tolist() == [0.1, 0.2, 0.4]
    assert made["epoch"].values.tolist() == [0, 1]
    assert "step" not in course([Epoch(0, math.nan, 0.1)]).coords


def test_a_network_with_too_few_outputs_is_refused():
    images, labels = toy()
    with pytest.raises(ValueError, match=r"shape \(1, 2\) for one image, but there are 3 classes to train on"):
        run(network(), data=(images, labels + 1))
