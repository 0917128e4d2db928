"""What holds for every test."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny networks gain nothing from more, and lose much beside other work

os.environ.setdefault("TRITON_INTERPRET", "1")  # our GPU kernels run on arrays then, slowly and without a GPU

import hypothesis
import pytest
import torch

import reference

torch.set_num_threads(1)
# A busy machine is no failure. Where CI is set, one commit has one answer; elsewhere each run draws new examples.
hypothesis.settings.register_profile("unnoise", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("unnoise")


@pytest.fixture(autouse=True)
def _repeatable(request: pytest.FixtureRequest) -> None:
    torch.manual_seed(0)
    reference.is_marked = request.node.get_closest_marker("data") is not None
