"""A process that is forked after a model was used computes too; a model is used by threads, pickled and sent away."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import unnoise

FORK = """
import os, signal, sys
import numpy as np
import torch, unnoise
torch.set_num_threads(2)
model = unnoise.load("fast")
noisy = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
wanted = model.denoise(noisy).astype(int)
child = os.fork()
if child == 0:
    signal.alarm(200)
    os._exit(int(np.abs(model.denoise(noisy).astype(int) - wanted).max()) + 10 * torch.get_num_threads())
_, status = os.waitpid(child, 0)
print("status", status)
"""
NOISY = np.random.default_rng(0).integers(0, 255, (40, 44, 3), np.uint8)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_process_computes_with_one_thread_and_ends() -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    answer = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, env=environment, check=True)
    status = int(answer.stdout.split()[-1])
    assert not os.WIFSIGNALED(status), "it waits forever for threads that the fork has lost"
    assert os.WEXITSTATUS(status) in (10, 11)  # one thread; equal, or rounded otherwise


def test_a_model_in_threads_pickled_and_in_a_spawned_process() -> None:
    model = unnoise.load("fast")
    wanted = model.denoise(NOISY)
    with ThreadPoolExecutor(4) as threads:
        for made in threads.map(model.denoise, [NOISY] * 8):
            np.testing.assert_array_equal(made, wanted)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).denoise(NOISY), wanted)
    with ProcessPoolExecutor(1, get_context("spawn")) as processes:
        np.testing.assert_array_equal(processes.submit(model.denoise, NOISY).result(), wanted)


@pytest.mark.slow
def test_four_processes_give_what_one_gives() -> None:
    model = unnoise.load("fast")
    noisy = [np.random.default_rng(seed).integers(0, 255, (40, 44, 3), np.uint8) for seed in range(8)]
    wanted = [model.denoise(each) for each in noisy]
    with ProcessPoolExecutor(4, get_context("spawn")) as processes:
        for made, one in zip(processes.map(model.denoise, noisy), wanted, strict=True):
            np.testing.assert_array_equal(made, one)
