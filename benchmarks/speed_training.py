"""Training steps: ours (bfloat16 where it is native, channels last, our layouts) and the plain form of the same step.

A step is the loss, its gradient, the optimizer and the average of the weights, on crops as the recipe wants them. The
plain form has float32 and contiguous memory, layer by layer as published. It calls a student's teacher once for each
blind spot.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from speed_machine import seconds
from speed_methods import METHODS
from speed_plain import as_published
from unnoise import denoisers, recipes
from unnoise.denoisers.tunable_network import has_tunable_blind_spot
from unnoise.models.model import Model
from unnoise.schemes.borders import with_reflected_border
from unnoise.schemes.distillation import Distillation
from unnoise.training.hardware import cudnn_autotuning
from unnoise.training.image_pool import from_arrays
from unnoise.training.loop import Run
from unnoise.training.options import TrainingOptions
from unnoise.training.schedule import Length
from unnoise.training.teachers import Teachers, convert

TARGETS = {"at-bsn": 3.0, "tm-bsn": 3.0}
TARGET = 2.0
"""Of the others."""
TEACHERS = {"at-bsn-d": "at-bsn", "tm-bsn-d": "tm-bsn"}
SKIPPED = ("ap-bsn, R3", "fast")
"""Trained as others of the methods are."""


def train(options: argparse.Namespace) -> None:
    """Seconds a step of each method in both forms, taking turns, and the share of ours that draws the crops."""
    print(f"{'method':>18}  crops        plain, s  ours, s  ratio  target  drawing the crops", flush=True)
    for method in options.methods:
        if method not in SKIPPED:
            with tempfile.TemporaryDirectory() as folder:
                _compare(method, Path(folder), options)


def _compare(method: str, folder: Path, options: argparse.Namespace) -> None:
    ours = Ours(method, folder, options)
    plain = Plain(ours, options.device)
    times: dict[str, list[float]] = {"plain": [], "ours": [], "drawing": []}

    def clock(name: str, form: Callable[[], None]) -> None:
        times[name].append(seconds(form, options.device, options.clock))

    ours.draw()
    with cudnn_autotuning():  # as `Run` does, for both forms
        plain.step()
        first = seconds(ours.step, options.device, "wall")  # kernels are looked for, or compiled
        if options.compile:
            print(f"{method:>18}  compiled in {first:.0f} s", flush=True)
        for _ in range(options.repeats):
            clock("plain", plain.step)
            clock("drawing", ours.draw)
            clock("ours", ours.step)
    slow, fast, drawing = (median(each) for each in times.values())
    training = ours.run.recipe.training
    crops = f"{training.batch} × {training.crop}²"
    target = TARGETS.get(method, TARGET)
    print(
        f"{method:>18}  {crops:>9}  {slow:10.3f}  {fast:7.3f}  {slow / fast:5.2f}  {target:6.1f}  {drawing / (drawing + fast):.2%}",
        flush=True,
    )


class Ours:
    """What `unnoise train` does in each step."""

    def __init__(self, method: str, folder: Path, options: argparse.Namespace) -> None:
        recipe = recipes.load(METHODS[method].recipe)
        training = recipe.training
        overrides: dict[str, Any] = {
            "training.batch": min(options.batch or training.batch, training.batch),
            "training.crop": min(options.crop or training.crop, training.crop),
        }
        if METHODS[method].denoiser:
            overrides["denoiser"] = {"name": METHODS[method].denoiser}
        if recipe.name in TEACHERS:
            overrides["scheme.teachers"] = [str(_teacher(TEACHERS[recipe.name], folder))]
        self.run = Run(
            recipes.load(recipe, overrides),
            TrainingOptions(folder / "run", Length(steps=1000), device=options.device, compile=options.compile),
        )
        _enliven(self.run.network)
        self.start = copy.deepcopy(self.run.network)
        noise = np.random.default_rng(0).integers(0, 256, (4, 512, 512, 3), dtype=np.uint8)
        self.run.pool = from_arrays(list(noise), 3)
        self.run._prepare(None, None)
        self.batches = iter(self.run.feed)

    def draw(self) -> None:
        self.batch: Tensor = next(self.batches)

    def step(self) -> None:
        self.run._one_step(self.batch, self.run.recipe.training.learning_rate)
        self.run.step += 1


class Plain:
    """The same steps from the same weights, in the plain form."""

    def __init__(self, ours: Ours, device: str) -> None:
        self.ours, self.device = ours, device
        self.network = as_published(ours.start, trained=True).to(device)
        kind = torch.optim.AdamW if ours.run.recipe.training.optimizer == "adamw" else torch.optim.Adam
        self.optimizer = kind(self.network.parameters(), lr=ours.run.recipe.training.learning_rate)
        self.scheme = ours.run.scheme
        if isinstance(self.scheme, Distillation):
            assert self.scheme._teachers is not None
            self.scheme = self.scheme.model_copy()
            self.scheme._teachers = PlainTeachers(self.scheme._teachers, device)  # type: ignore[assignment]

    def step(self) -> None:
        low, high = self.network.value_range
        noisy = self.ours.batch.to(self.device).contiguous() * (high - low) + low
        loss = self.scheme.loss(self.network, noisy, torch.Generator().manual_seed(0))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


class PlainTeachers:
    """Teachers with holes, asked for one after the other."""

    def __init__(self, teachers: Teachers, device: str) -> None:
        self.count = teachers.count
        self.teachers = [
            SimpleNamespace(network=as_published(copy.deepcopy(one.network)).to(device), holes=one.holes, pad=one.pad)
            for one in teachers.teachers
        ]

    def __call__(self, noisy: Tensor, values: tuple[float, float], generator: torch.Generator | None = None) -> Tensor:
        targets = []
        for teacher in self.teachers:
            own = teacher.network.value_range
            for hole in teacher.holes:

                def restore(x: Tensor, teacher: Any = teacher, hole: int = hole) -> Tensor:
                    return teacher.network(x, blind_spot=hole)

                result = with_reflected_border(restore, convert(noisy, values, own), teacher.pad)
                targets.append(convert(result, own, values))
        return torch.stack(targets)  # (K, B, C, H, W)


def _teacher(name: str, folder: Path) -> Path:
    """A file with a network of random weights that can teach."""
    recipe = recipes.load(name)
    network = denoisers.create(recipe.denoiser.name, **recipe.denoiser.sizes)
    assert has_tunable_blind_spot(network)
    _enliven(network)
    Model(network.eval(), recipe).save(folder / "teacher.safetensors")
    return folder / "teacher.safetensors"


def _enliven(network: nn.Module) -> None:
    """Weights that give signals of ordinary size: numbers near zero would be slow by themselves."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
