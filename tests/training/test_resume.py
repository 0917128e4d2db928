"""A run that is killed and resumed ends with the weights of one that was left alone, to the last bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from unnoise import recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.locking import LOCK_NAME
from unnoise.models.model import Model
from unnoise.training.checkpoints import CHECKPOINT_FILE
from unnoise.training.options import TrainingStatus
from unnoise.training.train import train

train_module = sys.modules["unnoise.training.train"]
STEPS = 80
RECIPE = {
    "name": "tiny",
    "denoiser": {"name": "dbsn", "features": 4, "modules": 1},
    "scheme": {"name": "pd-blind-spot", "train_stride": 3},
    "training": {"crop": 24, "batch": 2, "learning_rate": 1e-3, "ema": 0.9, "steps": STEPS},
}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number, shape in enumerate([(40, 50, 3), (31, 64, 3), (20, 20)]):
        np.save(folder / f"{number}.npy", draw.integers(0, 255, shape, dtype=np.uint8))
    return folder


def _command(pictures: Path, tmp_path: Path, out: Path, *more: str) -> list[str]:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(RECIPE))
    program = "from unnoise.cli import main; main()"
    options = [
        "--recipe",
        str(recipe),
        "--out",
        str(out),
        "--precision",
        "float32",
        "--device",
        "cpu",
        "--checkpoint-every",
        "0",
    ]
    return [sys.executable, "-c", program, "train", str(pictures), *options, *more]


def test_killed_at_a_random_moment(pictures: Path, tmp_path: Path) -> None:
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(_command(pictures, tmp_path, alone), check=True, capture_output=True, env=environment)
    resume: list[str] = []
    kills = 0
    for _ in range(2):
        process = subprocess.Popen(
            _command(pictures, tmp_path, killed, *resume), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        before = (killed / CHECKPOINT_FILE).stat().st_mtime_ns if resume else None
        written = killed / CHECKPOINT_FILE
        while process.poll() is None and not (written.exists() and written.stat().st_mtime_ns != before):
            time.sleep(0.005)  # until it has begun to write checkpoints
        time.sleep(random.random() * 0.3)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        resume = ["--resume"]
    assert kills >= 1
    subprocess.run(_command(pictures, tmp_path, killed, *resume), check=True, capture_output=True, env=environment)
    one, other = load_file(alone / "model.safetensors"), load_file(killed / "model.safetensors")
    assert one.keys() == other.keys()
    for key in one:
        assert torch.equal(one[key], other[key]), key
    steps = [line.split(",")[0] for line in (killed / "log.csv").read_text().splitlines()[1:]]
    assert len(steps) == len(set(steps))
    assert int(steps[-1]) == STEPS


def _in_process(pictures: Path, out: Path, **options: object) -> dict[str, torch.Tensor]:
    chosen = recipes.validate(RECIPE, "tiny")
    model = train([pictures], chosen, output=out, precision="float32", device="cpu", checkpoint_seconds=0, **options)  # type: ignore[arg-type]
    return {key: value.clone() for key, value in model.network.state_dict().items()}


def test_stopped_by_sigterm_goes_on_exactly(pictures: Path, tmp_path: Path) -> None:
    def stop(status: TrainingStatus) -> None:
        if status.step >= 20:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        _in_process(pictures, tmp_path / "stopped", progress=stop)
    resumed = _in_process(pictures, tmp_path / "stopped", resume=True)
    alone = _in_process(pictures, tmp_path / "alone")
    assert all(torch.equal(resumed[key], alone[key]) for key in alone)


def test_another_seed_ends_elsewhere(pictures: Path, tmp_path: Path) -> None:
    """Else the comparison of weights above would say nothing."""
    one = _in_process(pictures, tmp_path / "one", steps=5)
    other = _in_process(pictures, tmp_path / "other", steps=5, seed=1)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_nothing_is_overwritten_or_mixed(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _in_process(pictures, out, steps=3)
    with pytest.raises(UsageError, match="already holds a run; add --resume"):
        _in_process(pictures, out, steps=3)
    with pytest.raises(UsageError, match="has the seed 0"):
        _in_process(pictures, out, steps=6, seed=1, resume=True)
    with pytest.raises(UsageError, match=r"follows another recipe \(denoiser\.sizes\.features was 4 and is 128, "):
        train([pictures], "ap-bsn", output=out, resume=True, steps=3)
    with pytest.raises(UsageError, match="no checkpoint to resume from"):
        _in_process(pictures, tmp_path / "empty", resume=True)


def test_what_training_does_not_look_at_may_change(pictures: Path, tmp_path: Path) -> None:
    """Nor does a field stop a run that this version has and the one that began it had not."""
    out = tmp_path / "out"
    _in_process(pictures, out, steps=3)
    state = torch.load(out / CHECKPOINT_FILE, weights_only=True)
    recipe = json.loads(state["recipe"])
    del recipe["normalization"]
    recipe["light"] = recipe.pop("bias_correction")  # its name in version 0.1
    torch.save(state | {"recipe": json.dumps(recipe)}, out / CHECKPOINT_FILE)
    again = RECIPE | {"detail": 0.5, "ensemble": True, "bias_correction": "auto"}
    model = train([pictures], recipes.validate(again, "tiny"), output=out, resume=True, steps=5, device="cpu")
    assert model.card.steps == 5
    assert model.recipe.detail == 0.5
    with pytest.raises(UsageError, match=r"normalization\.of was None and is auto\)"):
        train([pictures], recipes.validate(again | {"normalization": "auto"}, "tiny"), output=out, resume=True, steps=5)


def test_a_damaged_checkpoint_is_named(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _in_process(pictures, out, steps=3)
    whole = (out / CHECKPOINT_FILE).read_bytes()
    (out / CHECKPOINT_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnnoiseError, match=r"checkpoint\.pt is damaged; begin again in another folder"):
        _in_process(pictures, out, steps=3, resume=True)


def test_two_trainings_do_not_share_a_folder(pictures: Path, tmp_path: Path) -> None:
    """The second is refused while the first runs; after a kill the folder is free again."""
    out = tmp_path / "run"
    with subprocess.Popen(_command(pictures, tmp_path, out, "--steps", "1000000"), stderr=subprocess.PIPE) as first:
        while first.poll() is None and not (out / CHECKPOINT_FILE).exists():
            time.sleep(0.05)
        with pytest.raises(UnnoiseError, match=rf"writes into {out} \(process \d+ on "):
            train([pictures], recipes.validate(RECIPE, "tiny"), output=out, steps=3, resume=True)
        first.kill()
    train([pictures], recipes.validate(RECIPE, "tiny"), output=out, steps=1, resume=True, device="cpu")
    assert not (out / LOCK_NAME).exists()


def test_a_training_that_another_one_overtook(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one begins and ends between the look at the checkpoint and the lock."""
    out, recipe = tmp_path / "run", recipes.validate(RECIPE, "tiny")
    before = train_module.make_folder

    def overtaken(folder: Path) -> None:
        monkeypatch.setattr(train_module, "make_folder", before)
        train([pictures], recipe, output=out, steps=2, device="cpu")

    monkeypatch.setattr(train_module, "make_folder", overtaken)
    with pytest.raises(UnnoiseError, match=r"Another run has just written into .*; add --resume"):
        train([pictures], recipe, output=out, steps=3, device="cpu")
    assert Model.load(out / "model.safetensors").card.steps == 2
