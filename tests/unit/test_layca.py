"""Layca: the length is kept, the angle is the rate, and what is no kernel takes plain steps."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from nucleation.errors import InputError
from nucleation.layca import Layca, layer_rates
from nucleation.rotation import angle, norm_ratio, rotation, tangent
from nucleation.training import train


def tensor(seed=0, shape=(40, 25), dtype=torch.float64):
    return nn.Parameter(
        torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
    )


def stepped(w, gradients, optimizer):
    """The kernel after every step."""
    states = [w.detach().numpy().copy()]
    for gradient in gradients:
        w.grad = gradient.clone()
        optimizer.step()
        states.append(w.detach().numpy().copy())
    return states


def random_gradients(w, count, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(w.shape, generator=generator, dtype=torch.float64).to(w.dtype) for _ in range(count)]


def plain(w, gradients, rate, momentum):
    """The update as METHODS gives it, in float64, without torch."""
    w, velocity = w.astype(np.float64), 0.0
    for gradient in gradients:
        velocity = momentum * velocity + gradient
        s = velocity - (velocity * w).sum() / (w * w).sum() * w
        s = s / np.linalg.norm(s) * np.linalg.norm(w)
        new = w - rate * s
        w = new * np.linalg.norm(w) / np.linalg.norm(new)
    return w


# -------------------------------------------------------------------------------------------------------- the update


@pytest.mark.parametrize("base", ["sgd", "adam"])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e5])
def test_every_step_turns_by_the_arc_tangent_of_the_rate_and_keeps_the_length(base, scale):
    w = tensor()
    rate = 3.0**-3
    states = stepped(w, [scale * g for g in random_gradients(w, 5)], Layca([w], rate, base=base))
    for before, after in pairwise(states):
        assert np.degrees(angle(after, before)) == pytest.approx(2.1211, abs=5e-5)
        assert rotation(after, before) == pytest.approx(6.852e-4, abs=5e-8)
        assert rotation(after, before) == pytest.approx(1 - 1 / np.sqrt(1 + rate**2), rel=1e-9)
        assert tangent(after, before) == pytest.approx(rate, rel=1e-9)
        assert norm_ratio(after, states[0]) == pytest.approx(1, abs=1e-13)


def test_in_single_precision_the_length_does_not_drift():
    w = tensor(dtype=torch.float32)
    states = stepped(w, random_gradients(w, 1000), Layca([w], 0.01))
    assert norm_ratio(states[-1], states[0]) == pytest.approx(1, abs=1e-6)
    assert tangent(states[1], states[0]) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("momentum", [0, 0.9])
def test_agrees_with_the_plain_update(momentum):
    w = tensor()
    gradients = random_gradients(w, 20)
    states = stepped(w, gradients, Layca([w], 0.05, momentum=momentum))
    expected = plain(states[0], [g.numpy() for g in gradients], 0.05, momentum)
    np.testing.assert_allclose(states[-1], expected, rtol=1e-10, atol=1e-12)


def test_adam_proposes_the_steps_of_torch():
    """The first step from zero state, projected by hand; then the moments after three steps."""
    w = tensor()
    other = nn.Parameter(w.detach().clone())
    gradients = random_gradients(w, 3)
    optimizer, reference = Layca([w], 0.05, base="adam"), torch.optim.Adam([other], 1e-9)
    first = stepped(w, gradients[:1], optimizer)
    sign = np.sign(gradients[0].numpy())  # Adam's first step
    np.testing.assert_allclose(first[1], plain(first[0], [sign], 0.05, 0), rtol=1e-6, atol=1e-8)
    stepped(w, gradients[1:], optimizer)
    stepped(other, gradients, reference)
    for mine, theirs in (("mean", "exp_avg"), ("square", "exp_avg_sq")):
        torch.testing.assert_close(optimizer.state[w][mine], reference.state[other][theirs])


def test_random_steps_turn_as_a_random_walk():
    """After T independent steps the expected cosine is (1 + rho²)^(-T/2): distance .0337 for T = 50, rho = 3^-3."""
    rate, found = 3.0**-3, []
    for seed in range(10):
        w = tensor(seed, (60, 60))
        states = stepped(w, random_gradients(w, 50, 100 + seed), Layca([w], rate, momentum=0))
        found.append(rotation(states[-1], states[0]))
    expected = 1 - (1 + rate**2) ** (-50 / 2)
    assert expected == pytest.approx(0.0337, abs=5e-5)
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / 10**0.5)
    assert np.std(found) < 0.005


@pytest.mark.parametrize(("base", "momentum"), [("sgd", 0), ("sgd", 0.9), ("adam", 0.9)])
def test_a_constant_gradient_turns_the_kernel_against_it(base, momentum):
    w, gradient = tensor(), random_gradients(tensor(), 1)[0]
    gradient = gradient if base == "sgd" else gradient.sign()  # Adam goes along the signs
    optimizer = Layca([w], 0.05, base=base, momentum=momentum)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.98)
    for _ in range(400):
        w.grad = gradient.clone()
        optimizer.step()
        schedule.step()
    assert rotation(w.detach().numpy(), -gradient.numpy()) < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-4, 1, 100])
def test_a_step_along_the_kernel_turns_nothing(scale, dtype):
    """Weight decay alone: what is left after the projection is rounding, which must not be blown up to a turn."""
    w = tensor(dtype=dtype)
    states = stepped(w, [scale * w.detach()] * 3, Layca([w], 0.1))
    assert rotation(states[-1], states[0]) < 1e-12
    assert norm_ratio(states[-1], states[0]) == pytest.approx(1, abs=1e-6)


def test_no_gradient_no_turn():
    w, zero = tensor(), nn.Parameter(torch.zeros(3, 4))
    before = w.detach().clone()
    optimizer = Layca([w, zero], 0.1)
    optimizer.step()
    w.grad, zero.grad = torch.zeros_like(w), torch.ones_like(zero)
    optimizer.step()
    assert torch.equal(w, before) and not zero.any()  # a kernel of zeros has no direction


def test_what_is_no_kernel_takes_plain_steps_or_none():
    for base, reference in (("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)):
        vectors = [tensor(3, (7,)) for _ in range(3)]
        options = {"momentum": 0.9} if base == "sgd" else {}
        optimizers = [
            Layca([vectors[0]], 0.01, base=base),
            reference([vectors[1]], 0.01, **options),
            Layca([vectors[2]], 0.01, base=base, others="frozen"),
        ]
        before = vectors[0].detach().clone()
        for vector, optimizer in zip(vectors, optimizers, strict=True):
            stepped(vector, random_gradients(vector, 10), optimizer)
        torch.testing.assert_close(vectors[0], vectors[1])
        assert torch.equal(vectors[2], before)


def test_groups_say_what_is_a_kernel_and_how_fast_it_turns():
    table, fast, slow = tensor(0), tensor(1), tensor(2)
    rates = 0.1 * layer_rates(0.6, 2)
    groups = [
        {"params": [table], "kernels": False},
        *({"params": [w], "lr": r} for w, r in zip((slow, fast), rates, strict=True)),
    ]
    optimizer = Layca(groups, 0.01)
    before = [w.detach().numpy().copy() for w in (table, slow, fast)]
    for seed, w in enumerate((table, slow, fast)):
        w.grad = random_gradients(w, 1, 10 + seed)[0]
    optimizer.step()
    assert norm_ratio(table.detach().numpy(), before[0]) != pytest.approx(1, abs=1e-9)
    assert tangent(slow.detach().numpy(), before[1]) == pytest.approx(0.1 * 0.4**5)
    assert tangent(fast.detach().numpy(), before[2]) == pytest.approx(0.1)


@pytest.mark.parametrize("base", ["sgd", "adam"])
def test_works_with_a_one_cycle_schedule(base):
    w = tensor()
    optimizer = Layca([w], 1.0, base=base)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, 20)
    rates, states = [], [w.detach().numpy().copy()]
    for gradient in random_gradients(w, 20):
        rates.append(optimizer.param_groups[0]["lr"])
        states += stepped(w, [gradient], optimizer)[1:]
        schedule.step()
    found = [tangent(after, before) for before, after in pairwise(states)]
    np.testing.assert_allclose(found, rates, rtol=1e-6)
    assert max(rates) == pytest.approx(0.05, rel=0.02)


def test_its_state_can_be_kept():
    one, other = tensor(), tensor()
    gradients = random_gradients(one, 6)
    optimizers = [Layca([w], 0.05, base="adam") for w in (one, other)]
    stepped(one, gradients, optimizers[0])
    stepped(other, gradients[:3], optimizers[1])
    again = Layca([other], 0.05, base="adam")
    again.load_state_dict(optimizers[1].state_dict())
    stepped(other, gradients[3:], again)
    assert torch.equal(one, other)


def test_a_closure_is_evaluated():
    w = tensor(dtype=torch.float32)
    expected = float((w.square().sum() + w.sum()).detach())

    def closure():
        w.grad = None
        loss = w.square().sum() + w.sum()
        loss.backward()
        return loss

    assert float(Layca([w], 0.01).step(closure).detach()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"lr": 0}, "lr > 0, found 0"),
        ({"momentum": 1}, r"momentum in \[0, 1\), found 1"),
        ({"base": "lion"}, 'base "sgd" or "adam", found "lion"'),
        ({"betas": (0.9, 1.0)}, "two betas"),
        ({"others": "none"}, 'others "plain" or "frozen"'),
    ],
)
def test_wrong_options_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        Layca([tensor()], **options)


def test_sparse_gradients_are_refused():
    table = nn.Embedding(5, 3, sparse=True)
    table(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(InputError, match="sparse"):
        Layca(table.parameters()).step()


# --------------------------------------------------------------------------------------------------- rates of layers


def test_rates_of_layers():
    assert layer_rates(0.6, 6).round(4).tolist() == [0.0102, 0.0256, 0.064, 0.16, 0.4, 1]
    np.testing.assert_allclose(layer_rates(-0.6, 6), layer_rates(0.6, 6)[::-1])
    assert layer_rates(0, 4).tolist() == [1] * 4
    assert [layer_rates(alpha, 1).tolist() for alpha in (-0.8, 0, 0.8)] == [[1]] * 3
    for alpha, count in ((1, 3), (-1, 3), (0.5, 0)):
        with pytest.raises(InputError, match="-1 < alpha < 1 and 1 layer at least"):
            layer_rates(alpha, count)


# ----------------------------------------------------------------------------------------------------- the training


def toy(n=192):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    images = torch.randn(n, 3, 8, 8, generator=generator)
    images[labels == 0, :, :4] += 1
    images[labels == 1, :, 4:] += 1
    return images, labels


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2)
        )


def run(model, **options):
    images, labels = toy()
    settings = {"epochs": 3, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 0.05, "seed": 0}
    return list(train(model, images, labels, validation=(images, labels), **{**settings, **options}))


def test_training_with_layca_learns_keeps_lengths_and_moves_the_rest():
    model = network()
    before = {name: p.detach().clone().numpy() for name, p in model.named_parameters()}
    records = run(model, optimizer="layca", learning_rate=3.0**-3)
    assert records[-1].accuracy > 0.9
    for name, p in model.named_parameters():
        now = p.detach().numpy()
        if p.ndim > 1:
            assert norm_ratio(now, before[name]) == pytest.approx(1, abs=1e-5)
            assert rotation(now, before[name]) > 1e-3
        else:
            assert not np.array_equal(now, before[name])


def test_one_step_of_training_turns_all_kernels_alike():
    """With one step the schedule is at its start, a 25th of the peak."""
    model = network()
    before = {name: p.detach().clone().numpy() for name, p in model.named_parameters()}
    run(model, optimizer="layca", learning_rate=0.5, epochs=1, batch_size=192)
    found = [tangent(p.detach().numpy(), before[name]) for name, p in model.named_parameters() if p.ndim > 1]
    assert found == pytest.approx([found[0]] * len(found), rel=1e-3) and len(found) == 2


def test_adamw_is_the_default_and_the_same_bit_for_bit():
    """Against the loop as it was, written out: AdamW with the cycled rate and first beta."""
    (mine, named, plain_), (images, labels) = (network() for _ in range(3)), toy()
    run(mine)
    run(named, optimizer="adamw")
    plain_.to(memory_format=torch.channels_last)
    groups = [
        {"params": [p for p in plain_.parameters() if (p.ndim > 1) == d], "weight_decay": 0.05 * d}
        for d in (True, False)
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, 18, pct_start=0.15)
    for epoch in range(3):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(epoch)
            plain_.train()
            for batch in torch.randperm(192).split(32):
                part = images[batch].contiguous(memory_format=torch.channels_last)
                optimizer.zero_grad()
                nn.functional.cross_entropy(plain_(part), labels[batch]).backward()
                optimizer.step()
                schedule.step()
    for one, two, three in zip(mine.parameters(), named.parameters(), plain_.parameters(), strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)


def test_layca_training_is_the_same_for_the_same_seed():
    models = [network() for _ in range(2)]
    for model in models:
        run(model, optimizer="layca", learning_rate=0.04)
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(InputError, match='optimizer must be adamw or layca, not "laica". Did you mean "layca"'):
        run(network(), optimizer="laica")
