"""The training loop: draw a batch of crops, let the scheme compute the loss, step the optimizer, write the log and the
checkpoint."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unnoise import denoisers, images, recipes
from unnoise.batch.interrupts import interruptible
from unnoise.denoisers.base import Denoiser
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.atomic import make_folder
from unnoise.inference.precision import choose_device, choose_precision
from unnoise.models.card import Card
from unnoise.models.model import Model
from unnoise.recipes.schema import Recipe
from unnoise.training import checkpoints, teacher_cache
from unnoise.training.compile import compile_network, compiler_errors
from unnoise.training.ema import MovingAverage
from unnoise.training.feeding import CropBatches, data_loader
from unnoise.training.hardware import cudnn_autotuning, describe_hardware, make_accelerator
from unnoise.training.image_pool import ImagePool
from unnoise.training.logs import Log, silence_tensorboard_thread
from unnoise.training.neighbour_pool import NeighbourPool
from unnoise.training.noise_pool import NoisePool
from unnoise.training.options import TrainingOptions, TrainingStatus
from unnoise.training.paired_pool import PairedPool
from unnoise.training.preview import side_by_side
from unnoise.training.schedule import learning_rate
from unnoise.training.selection import Selection, criterion_named, hold_out
from unnoise.training.shards import ShardGenerator, Shards, lost_process
from unnoise.training.simulated_pool import SimulatedPool
from unnoise.training.teachers import teacher_loader

LOG_STEPS = 20
"""Steps between two rows of the log."""
FIRST_REPORT_STEPS = 3
"""The first report of progress comes after this many steps. It has no loss yet, but an estimate of the time left."""
REPORT_SECONDS = 2.0
"""Seconds between two reports of progress where `LOG_STEPS` steps take longer."""
PREVIEW_PIXELS = 256
"""Side of the preview's crop."""


class NotFiniteError(UnnoiseError):
    """A loss or weights are NaN or infinite."""


class Run:
    """One run of one process: the network, its optimizer, its averaged weights, and the files that they are written
    to."""

    def __init__(self, recipe: Recipe, options: TrainingOptions) -> None:
        self.options = options
        self.device = choose_device(options.device)
        self.precision = choose_precision(options.precision, self.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            self.network: Denoiser = denoisers.create(recipe.denoiser.name, **recipe.denoiser.sizes)
            self.network.initialize(recipe.training.initialization)
        fields = recipe.model_dump(mode="json") | {"denoiser": {"name": recipe.denoiser.name, "sizes": self.network.sizes}}
        self.recipe = recipes.validate(fields, recipe.name)
        self.scheme = self.recipe.scheme.bind(teacher_loader(), self.network)
        self.step = 0
        self.seconds = 0.0
        self._saved_step: int | None = None
        self.criterion = criterion_named(options.select)
        if self.criterion and self.scheme.needs_targets:
            raise UsageError(
                f"The scheme '{self.recipe.scheme.name}' learns from pairs, and states are selected by noisy pictures "  # type: ignore[attr-defined]
                "alone; leave out --select."
            )

    def go(
        self,
        pool: ImagePool,
        described: list[str],
        saved: dict[str, Any] | None,
        start: dict[str, Tensor] | None,
        targets: ImagePool | None = None,
    ) -> Model:
        """Train to the end of the run.

        Args:
            pool: the pictures.
            described: what the pictures are, for the model's card.
            saved: the checkpoint to continue from.
            start: the weights to begin with.
            targets: a second picture of each scene, where the scheme wants them.

        Raises:
            KeyboardInterrupt: after Ctrl-C or SIGTERM, once the checkpoint is written.
        """
        self.described = described
        rest, held_out = hold_out(pool)
        self.pool = rest if self.criterion else pool  # what is noted alone need not cost pictures
        pool = self.pool
        self.selection = Selection(self.options.output, self.criterion, held_out, saved["step"] if saved else 0)
        self.paired = None if targets is None else PairedPool(pool, targets)
        self.fingerprint = (self.paired or pool).fingerprint
        with lost_process(), silence_tensorboard_thread():
            self._prepare(saved, start)
            self._tell("taking the first step")
            return self._run()

    def _run(self) -> Model:
        log = Log(self.options.output, self.step) if self.accelerator.is_main_process else None
        try:
            with interruptible() as interrupted, cudnn_autotuning():
                self._loop(log, interrupted)
                self._save()
                if interrupted.is_set():
                    raise KeyboardInterrupt
        finally:
            if log:
                log.close()
            self.accelerator.end_training()
        return self._chosen()

    def _chosen(self) -> Model:
        """The model: the selected state, or the last one."""
        last = self.model()
        best = self.selection.best(self.options.on_message) if self.accelerator.is_main_process else None
        if best is None:
            return last
        step, name = self.selection.best_step, str(self.criterion).replace("_", "-")
        told = f"{last.card.description} The state of step {step} was selected by {name}, without clean pictures."
        chosen = Model(best.network, self.recipe, last.card.model_copy(update={"description": told}))
        chosen.save(self.options.output / checkpoints.MODEL_FILE)
        return chosen

    def _prepare(self, saved: dict[str, Any] | None, start: dict[str, Tensor] | None) -> None:
        training, options = self.recipe.training, self.options
        self.accelerator = make_accelerator(self.device, self.precision)
        self.device = self.accelerator.device
        processes, process = self.accelerator.num_processes, self.accelerator.process_index
        self.shards = Shards(training.batch, process, processes, options.accumulate, self.device)
        if saved is None:
            self._begin(start)
        self.network.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        optimizer_class = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
        optimizer = optimizer_class(
            self.network.parameters(),
            lr=training.learning_rate,
            betas=training.betas,
            weight_decay=training.weight_decay,
            fused=self.device.type in ("cuda", "cpu") or None,
        )
        self.average = MovingAverage(self.network, training.ema)
        if saved is not None:
            self._restore(saved, optimizer)
        if options.compile:
            compile_network(self.network)
        self.wrapped, self.optimizer = self.accelerator.prepare(self.network, optimizer)
        shards = self.shards
        batches = CropBatches(
            self._teach(self.pool), training, options.seed, process=shards.process, processes=shards.processes
        )
        workers = options.workers if options.workers is not None else 0 if self.device.type == "cpu" else 4
        self.feed = data_loader(batches, self.step, options.length.steps or 2**31, workers)

    def _begin(self, start: dict[str, Tensor] | None) -> None:
        if self.scheme.requires_blind_network and self.network.blindness == "none":
            # No error, because papers show with such a run what blindness is for.
            self.options.on_message(
                f"The network '{self.recipe.denoiser.name}' is not blind, and the scheme '{self.recipe.scheme.name}' hides nothing "  # type: ignore[attr-defined]
                "from it: it may learn to copy the noise; a recipe whose scheme hides pixels, as amsnet-b, suits it better."
            )
        if start is not None:
            self.network.load_state_dict(start)
        elif sentence := self.scheme.initialize(self.network):
            self.options.on_message(sentence)

    def _teach(self, pool: ImagePool) -> ImagePool:
        """The pool, with the targets or the noise that the scheme wants beside each crop."""
        if self.scheme.needs_targets:
            assert self.paired is not None  # `train` has checked
            return self.paired
        if self.scheme.adds_noise:
            self._tell("measuring the noise")
            return NoisePool(pool)
        if self.scheme.needs_neighbours:
            return NeighbourPool(pool)
        if self.scheme.auxiliary_targets is None:
            return pool
        self._tell("running the teachers over the pictures")
        accelerator = self.accelerator
        taught = teacher_cache.with_targets(
            pool,
            self.scheme.auxiliary_targets,
            self.options.output / "teachers",
            self.device,
            accelerator.autocast,
            share=(accelerator.process_index, accelerator.num_processes),
            on_message=self.options.on_message,
        )
        accelerator.wait_for_everyone()
        return SimulatedPool(taught, self.scheme.simulation) if self.scheme.simulation else taught

    def _restore(self, saved: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
        with checkpoints.report_damage(self.options.output / checkpoints.CHECKPOINT_FILE):
            checkpoints.check_compatible(saved, self.recipe, self.options.seed, self.options.output)
            self.network.load_state_dict(saved["network"])
            self.average.load_state_dict(saved["average"])
            checkpoints.restore_optimizer(optimizer, saved["optimizer"])
        if saved["pool"] != self.fingerprint:
            self.options.on_message("The pictures are not those that the run began with; it continues with the new ones.")
        self.step, self.seconds = saved["step"], saved["seconds"]
        self._saved_step = self.step
        self.options.on_message(f"Continuing from step {self.step}.")

    def _loop(self, log: Log | None, interrupted: threading.Event) -> None:
        options, training = self.options, self.recipe.training
        before, first_step = self.seconds, self.step
        warm: tuple[float, float] | None = None  # seconds and share of the run after the first step, which is slow: it compiles
        began = last_saved = last_preview = last_logged = last_told = time.monotonic()
        losses: list[Tensor] = []
        loss: float | None = None
        waited = 0.0
        batches = iter(self.feed)
        while (share := options.length.share(self.step, self.seconds)) < 1 and not interrupted.is_set():
            asked = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - asked
            rate = learning_rate(training, self.step, share)
            with compiler_errors() if options.compile else nullcontext():
                losses.append(self._one_step(batch, rate))
            self.step += 1
            now = time.monotonic()
            self.seconds, stopped = self.shards.agree(before + now - began, interrupted.is_set())
            if stopped:
                interrupted.set()
            done_before, share = share, options.length.share(self.step, self.seconds)
            if self.selection.is_due(done_before, share):
                self._judge()
            warm = warm or (self.seconds, share)
            done = self.step - first_step
            due = done == FIRST_REPORT_STEPS or (done > FIRST_REPORT_STEPS and now - last_told >= REPORT_SECONDS)
            if options.progress and due and share < 1 and len(losses) < LOG_STEPS:
                speed = (done - 1) * training.batch / max(self.seconds - warm[0], 1e-9)
                options.progress(TrainingStatus(self.step, share, loss, speed, self._seconds_left(share, warm)))
                last_told = now
            if len(losses) == LOG_STEPS or share >= 1:
                loss = self._mean(list(self.shards.mean(torch.stack(losses)).unbind()))
                speed = len(losses) * training.batch / (now - last_logged)
                if log:
                    log.write(
                        step=self.step,
                        minutes=self.seconds / 60,
                        loss=loss,
                        learning_rate=rate,
                        images_per_second=speed,
                        data_share=waited / (now - last_logged),
                    )
                if options.progress:
                    options.progress(TrainingStatus(self.step, share, loss, speed, self._seconds_left(share, warm)))
                losses, waited, last_logged, last_told = [], 0.0, now, now
            if now - last_saved >= options.checkpoint_seconds:
                self._mean(losses)  # raises if the loss is not finite, so that no bad state is saved
                self._save()
                last_saved = time.monotonic()
            if now - last_preview >= options.preview_seconds:
                self._preview(log)
                if self.selection.criterion is None:
                    self._judge()
                last_preview = time.monotonic()
        self._preview(log)

    def _judge(self) -> None:
        """Compute the criteria of this state."""
        if self.accelerator.is_main_process:
            self.selection.check(self.step, self.model())

    def _tell(self, stage: str) -> None:
        """Report what is being done where that is no step."""
        if self.options.progress:
            self.options.progress(TrainingStatus.of_stage(stage, step=self.step))

    def _seconds_left(self, share: float, warm: tuple[float, float]) -> float:
        """Seconds to the end of the run at the speed since `warm`, which is the seconds and the share at some earlier
        step."""
        return (self.seconds - warm[0]) / max(share - warm[1], 1e-9) * (1 - share)

    def _mean(self, losses: list[Tensor]) -> float:
        """The mean loss of some steps; 0 of none. Raises `NotFiniteError` if it is not finite."""
        loss = float(torch.stack(losses).mean()) if losses else 0.0
        if not np.isfinite(loss):
            raise self._not_finite("loss is", losses)
        return loss

    def _not_finite(self, what: str, losses: list[Tensor]) -> NotFiniteError:
        """The error that names the step, and the checkpoint to go on from."""
        bad = [place for place, loss in enumerate(losses) if not loss.isfinite()]
        step = self.step - len(losses) + bad[0] + 1 if bad else self.step
        path = self.options.output / checkpoints.CHECKPOINT_FILE
        remedy = "Begin again"
        if self._saved_step is not None:
            remedy = f"The last good checkpoint is {path} of step {self._saved_step}; go on from it by --resume"
        return NotFiniteError(
            f"The {what} not finite any more at step {step}. {remedy}, with a lower rate "
            f"(--set training.learning_rate={self.recipe.training.learning_rate / 4:.1e})."
        )

    def _one_step(self, batch: Tensor, rate: float) -> Tensor:
        low, high = self.network.value_range
        noisy = batch.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last) * (high - low) + low
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        scheme = self.scheme.at(self.options.length.share(self.step, self.seconds))
        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        for number, part in zip(self.shards.parts, noisy.chunk(self.shards.accumulate), strict=True):
            # Each step has its own generator, so that a resumed run draws the same numbers as an uninterrupted one.
            generator = ShardGenerator.of([self.options.seed, self.step, 0], number, self.shards.count)
            is_last = number == self.shards.parts[-1]
            with nullcontext() if is_last else self.accelerator.no_sync(self.wrapped):
                with self.accelerator.autocast():
                    loss: Tensor = scheme.loss(self.wrapped, part, generator)
                self.accelerator.backward(loss / self.shards.accumulate)
            losses.append(loss.detach())
        if self.recipe.training.gradient_clip:
            self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.training.gradient_clip)
        self.optimizer.step()
        self.average.update(self.network, self.step)
        return losses[0] if len(losses) == 1 else torch.stack(losses).mean()

    def model(self) -> Model:
        """The model as it stands, with averaged weights, on the CPU."""
        network = denoisers.create(self.recipe.denoiser.name, **self.recipe.denoiser.sizes)
        network.load_state_dict(self.average.state_dict())
        card = Card(
            description=f"Trained by the recipe {self.recipe.name}.",
            data=self.described,
            command=self.options.command,
            seed=self.options.seed,
            steps=self.step,
            minutes=round(self.seconds / 60, 2),
            hardware=describe_hardware(self.device),
        )
        return Model(network.eval(), self.recipe, card)

    def _save(self) -> None:
        if not self.accelerator.is_main_process:
            return
        weights = [*self.network.state_dict().values(), *self.average.state_dict().values()]
        if not all(bool(value.isfinite().all()) for value in weights):
            raise self._not_finite("weights are", [])  # the last step may have spoiled them after a finite loss
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "seed": self.options.seed,
            "recipe": self.recipe.model_dump_json(),
            "pool": self.fingerprint,
        }
        checkpoints.save(self.options.output, state)
        self._saved_step = self.step
        self.model().save(self.options.output / checkpoints.MODEL_FILE)

    def _preview(self, log: Log | None) -> None:
        if log is None:
            return
        batches = CropBatches(
            self.pool, self.recipe.training.model_copy(update={"crop": PREVIEW_PIXELS, "batch": 1}), self.options.seed
        )
        noisy = batches[0][0].permute(1, 2, 0).numpy()  # (H, W, C)
        pixels = side_by_side(noisy, self.model().denoise(noisy, refine=False))
        make_folder(self.options.output / "previews")
        try:
            images.write(self.options.output / "previews" / f"step-{self.step:07d}.png", images.Picture(pixels), overwrite=True)
        except UnnoiseError as error:  # without pyvips one can train on arrays; TensorBoard still gets the picture
            self.options.on_message(str(error))
        log.picture(self.step, pixels)
