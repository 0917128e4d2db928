"""The learning rate over a run, whatever its length is given in, and the moving average of weights."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unnoise.recipes.schema import Training
from unnoise.training.ema import MovingAverage
from unnoise.training.schedule import Length, learning_rate


@given(step=st.integers(0, 200), seconds=st.floats(0, 1000))
def test_the_run_is_over_when_the_first_bound_is_met(step: int, seconds: float) -> None:
    share = Length(steps=100, minutes=10).share(step, seconds)
    assert share == pytest.approx(min(1, max(step / 100, seconds / 600)))
    assert Length(steps=100).share(step, seconds) == pytest.approx(min(1, step / 100))
    assert Length(minutes=10).share(step, seconds) == pytest.approx(min(1, seconds / 600))


def test_cosine_against_torch() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([weight], lr=3e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    training = Training(learning_rate=3e-4, schedule="cosine")
    for step in range(50):
        assert learning_rate(training, step, step / 50) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        scheduler.step()


def test_steps_and_warm_up() -> None:
    training = Training(learning_rate=1.0, schedule="step", step_at=[0.4, 0.8], step_factor=0.1, warmup_steps=4)
    rates = [learning_rate(training, step, step / 100) for step in (0, 1, 3, 4, 39, 40, 79, 80)]
    assert rates == pytest.approx([0.25, 0.5, 1, 1, 1, 0.1, 0.1, 0.01])
    assert learning_rate(Training(learning_rate=2.0, schedule="constant"), 99, 0.99) == 2.0


def test_the_average_follows_its_definition() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = MovingAverage(network, decay=0.5)
    expected = network.weight.item()
    for step in range(20):
        network.weight.data.fill_(float(step))
        average.update(network, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.state_dict()["weight"].item() == pytest.approx(expected)


def test_no_decay_is_the_network_itself() -> None:
    network = nn.Linear(2, 2)
    average = MovingAverage(network, decay=0.0)
    network.weight.data.fill_(3.0)
    average.update(network, 100)
    assert torch.equal(average.state_dict()["weight"], network.weight)
