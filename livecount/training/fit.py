"""The training loop: deterministic by step, killed and resumed at any point."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from livecount.errors import TrainingError
from livecount.training.adaptation import Adaptation, interpolate
from livecount.training.checkpoint import (
    RunState,
    load_weights,
    read_checkpoint,
    save_weights,
    write_checkpoint,
)
from livecount.training.crops import Batch, CropSource
from livecount.training.images import hash_images, load_frames
from livecount.training.imitation import mean_of_views
from livecount.training.losses import head_losses, total_loss
from livecount.training.network import DeepDistanceNet
from livecount.training.optimising import (
    choose_device,
    computes_bfloat16,
    learning_rate,
    open_optimiser,
)
from livecount.training.progress import TrainingProgress
from livecount.training.recipe import Recipe, read_recipe
from livecount.training.recipe_reading import complete_text
from livecount.training.run_folder import (
    CHECKPOINT_NAME,
    RECIPE_NAME,
    RESULT_NAME,
    WEIGHTS_NAME,
    refuse_begun_run,
)
from livecount.training.validation import Validator
from livecount.training.writing import make_folder, write_whole

__all__ = ["fit", "measure_pace"]

_REPORT_EVERY = 20
_PAPER_H = 0.2
_STEPS_TIMED = 5
_CROPS_BESIDE = 1.1
"""Allowed for crops that are cut in another thread; with 1.25, steps for 8 minutes took 6.4."""


def fit(
    recipe_path: Path,
    out: Path,
    *,
    data_root: Path,
    resume: bool,
    on_progress: Callable[[TrainingProgress], None],
) -> Path:
    """Train the network of a recipe.

    Parameters
    ----------
    recipe_path
        A recipe in TOML; a copy is kept in ``out``.
    out
        The run's folder: ``checkpoint.safetensors``, ``state.json`` and, at the end,
        ``weights.safetensors`` and ``result.json``.
    data_root
        What the recipe's folders are relative to.
    resume
        Go on from the checkpoint in ``out`` if there is one.
    on_progress
        Called every 20 steps and after each validation.

    Returns
    -------
    Path
        The weights to keep, ``out/weights.safetensors``.

    Raises
    ------
    ConfigError, TrainingError, AnnotationError
        The recipe, the run's folder or the images cannot be used.
    """
    recipe = read_recipe(recipe_path)
    make_folder(out)
    if not resume:
        refuse_begun_run(out)
    run = _Run(recipe, recipe_path, out, data_root)
    if resume and (out / CHECKPOINT_NAME).is_file():
        run.take_up()
    # Only now: a wrong recipe that is refused must not replace the one that the folder was made by.
    write_whole(out / RECIPE_NAME, run.recipe_text)
    with ThreadPoolExecutor(1, "crops") as ahead:
        run.go(ahead, on_progress)
    return run.finish()


def measure_pace(recipe_path: Path, *, data_root: Path) -> float:
    """Take a few steps of a recipe and say how many seconds one takes on this computer.

    Nothing is kept of them, and nothing is written.

    Raises
    ------
    ConfigError, TrainingError, AnnotationError
        The recipe or the images cannot be used.
    """
    run = _Run(read_recipe(recipe_path), recipe_path, Path(), data_root)
    return run.pace_s()


class _Run:
    """A run's network, averaged weights, optimiser and state."""

    def __init__(self, recipe: Recipe, recipe_path: Path, out: Path, data_root: Path) -> None:
        self.recipe, self.out = recipe, out
        torch.set_num_threads(recipe.run.threads)
        self.device = choose_device(recipe)
        torch.manual_seed(recipe.run.seed)
        network = DeepDistanceNet(recipe.network, recipe.heads)
        if recipe.run.start_from:
            load_weights(network, Path(recipe.run.start_from))
        self.network = network.to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.bfloat16 = recipe.run.mixed_precision and computes_bfloat16(self.device)
        self.optimiser = open_optimiser(self.network, recipe.optimiser)
        self.before = copy.deepcopy(self.network).eval() if recipe.run.start_from else None
        self.averaged = _copied(self.network) if recipe.optimiser.averaging else {}
        self.recipe_text = complete_text(recipe_path)
        digest = hashlib.sha256(self.recipe_text.encode()).hexdigest()
        used = recipe.images + recipe.validation + recipe.held_out
        self.state = RunState(recipe_hash=digest, images_hash=hash_images(used, data_root))
        # Held-out frames are needed at the end only: what is wrong with them is said now.
        for entry in recipe.held_out:
            load_frames(entry, data_root)
        self.crops = CropSource(recipe, data_root)
        self.data_root = data_root
        self.validator = Validator(recipe, recipe.validation, data_root)
        self.measured: dict[str, float] = {}
        self.share = recipe.adaptation.interpolation
        self.since_validation: list[Tensor] = []

    def take_up(self) -> None:
        """Go on where the checkpoint stands."""
        self.state, averaged = read_checkpoint(self.out, self.state, self.network, self.optimiser)
        self.averaged = {name: value.to(self.device) for name, value in averaged.items()}
        if self.state.history:
            self.measured = _numbers(self.state.history[-1])

    def go(
        self, ahead: ThreadPoolExecutor, on_progress: Callable[[TrainingProgress], None]
    ) -> None:
        """Take every step that is left; crops are cut one step ahead in a second thread."""
        run = self.recipe.run
        coming: Future[Batch] = ahead.submit(self.crops.batch, self.state.step)
        losses: list[Tensor] = []
        begun, taken = time.monotonic(), 0
        while self.state.step < run.steps and not self._stopped_early():
            batch = coming.result()
            coming = ahead.submit(self.crops.batch, self.state.step + 1)
            losses.append(self._take_step(batch))
            self.since_validation.append(losses[-1])
            self.state.step += 1
            taken += 1
            step, last = self.state.step, self.state.step == run.steps
            if step % _REPORT_EVERY == 0 or last:
                self._refuse_divergence(losses)
                pace = (time.monotonic() - begun) / taken
                on_progress(self._progress(losses, pace))
            if step % run.validate_every == 0 or last:
                self._validate(time.monotonic() - begun)
                on_progress(self._progress(losses, (time.monotonic() - begun) / taken))
            if step % _REPORT_EVERY == 0:
                losses = losses[-1:]
            if step % run.checkpoint_every == 0 or last:
                self.state.seconds += time.monotonic() - begun
                begun, taken = time.monotonic(), 0
                write_checkpoint(self.out, self.state, self.network, self.averaged, self.optimiser)
                begun = time.monotonic()
        coming.cancel()

    def pace_s(self) -> float:
        """Time some steps after a first one, which is slower, with what cutting crops adds."""
        batch = self.crops.batch(0)
        took: list[float] = []
        for _ in range(1 + _STEPS_TIMED):
            began = time.monotonic()
            self._take_step(batch)
            took.append(time.monotonic() - began)
        return _CROPS_BESIDE * sorted(took[1:])[_STEPS_TIMED // 2]

    def finish(self) -> Path:
        """Keep the chosen weights under their final name, with what was measured of them."""
        adaptation = self._adaptation()
        if adaptation is not None:
            self.share = adaptation.choose_share()
        target = self.out / WEIGHTS_NAME
        best = self.out / f"best-{WEIGHTS_NAME}"
        if self.recipe.run.keep != "last" and best.is_file():
            write_whole(target, best.read_bytes())
        else:
            save_weights(self._kept_weights(), target, {"step": str(self.state.step)})
        load_weights(self.network, target)
        result = json.dumps(self._result(adaptation), indent=1)
        write_whole(self.out / RESULT_NAME, result)
        return target

    def _result(self, adaptation: Adaptation | None) -> dict[str, Any]:
        """Measure the weights, and choose h on training and validation images, as the paper did."""
        recipe = self.recipe
        known = Validator(recipe, recipe.images + recipe.validation, self.data_root)
        chosen = known.measure(self.network, self.device)
        h = recipe.run.h or self._adapted_h(adaptation, known) or chosen.h or _PAPER_H
        unseen = Validator(recipe, recipe.held_out, self.data_root)
        judges = {"validation": self.validator, "held_out": unseen}
        return {
            "h": h,
            "steps": self.state.step,
            "seconds": round(self.state.seconds),
            "device": self.device.type,
            "precision": "bfloat16 and float32" if self.bfloat16 else "float32",
            "torch": torch.__version__,
            "frames": self.crops.frame_counts,
            "content_hashes": self.crops.content_hashes,
            "share_of_the_way": self.share if self.before is not None else None,
        } | {name: self._scores(validator, h) for name, validator in judges.items() if validator}

    def _scores(self, validator: Validator, h: float) -> dict[str, Any]:
        found = validator.measure(self.network, self.device)
        return {"loss": found.loss, "f_score_assignment": found.f_scores_at(h)}

    def _adapted_h(self, adaptation: Adaptation | None, known: Validator) -> float:
        """Choose h by the starting weights; 0 where the recipe does not ask it."""
        if adaptation is None or not self.recipe.adaptation.start_h:
            return 0.0
        return adaptation.choose_h(known)

    def _take_step(self, batch: Batch) -> Tensor:
        """One step; randomness follows from the step alone, so that a resumed run repeats it."""
        recipe, step = self.recipe, self.state.step
        torch.manual_seed(recipe.run.seed * 1_000_003 + step)
        self._set_training()
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step)
        images, targets, known, painted = (
            torch.from_numpy(part).to(self.device)
            for part in (batch.images, batch.targets, batch.known, batch.painted)
        )
        images = images.contiguous(memory_format=torch.channels_last)
        if recipe.adaptation.imitated_views:
            targets, known = self._imitated(torch.from_numpy(batch.clean).to(self.device))
        else:
            targets, known = self._with_old_maps(images, targets, known, painted)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            maps = self.network(images)
        losses = head_losses(maps.float(), targets, known, recipe.heads)
        self.optimiser.zero_grad(set_to_none=True)
        total_loss(losses, recipe.heads).backward()  # type: ignore[no-untyped-call]
        if recipe.optimiser.gradient_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), recipe.optimiser.gradient_clip)
        self.optimiser.step()
        self._average()
        return losses.detach()

    def _set_training(self) -> None:
        self.network.train()
        if self.recipe.adaptation.frozen_norm:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def _with_old_maps(
        self, images: Tensor, targets: Tensor, known: Tensor, painted: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Ask for the starting weights' own maps where nothing else is known, or it is painted."""
        weight = self.recipe.adaptation.distillation
        if self.before is None or not weight:
            return targets, known
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)
        with torch.no_grad(), half:
            old = self.before(images).float()
        share = weight * painted[:, None, None, None]
        mixed = torch.where(known > 0, torch.lerp(targets, old, share), old)
        return mixed, torch.where(known > 0, known, weight)

    def _imitated(self, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Ask for what the starting weights draw in the mean of several views, everywhere."""
        assert self.before is not None, "the recipe's rules ask for run.start_from"
        wanted = self.recipe.adaptation
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            targets = mean_of_views(
                self.before,
                clean,
                views=wanted.imitated_views,
                scale=wanted.imitated_scale,
                multiple_px=self.recipe.multiple_px,
            )
        return targets, torch.ones_like(targets)

    def _average(self) -> None:
        """Move the averaged weights towards the present ones; faster in the first steps."""
        if not self.averaged:
            return
        decay = min(self.recipe.optimiser.averaging, (1 + self.state.step) / (10 + self.state.step))
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                self.averaged[name].lerp_(value, 1 - decay)
            else:
                self.averaged[name].copy_(value)

    def _adaptation(self) -> Adaptation | None:
        """Give the starting weights and those at the end; None for a run that starts from none."""
        if self.before is None:
            return None
        trained = self.averaged or _copied(self.network)
        return Adaptation.at_the_end(self.recipe, self.before, trained, self.device)

    def _kept_weights(self) -> dict[str, Tensor]:
        trained = self.averaged or self.network.state_dict()
        if self.before is None or self.share == 1:
            return trained
        return interpolate(self.before.state_dict(), trained, self.share)

    def _validate(self, elapsed_s: float) -> None:
        """Measure the weights that would be kept, and add a row to the history."""
        if self.validator:
            self._judge()
        row: dict[str, float] = {"step": self.state.step, "seconds": self.state.seconds + elapsed_s}
        mean = torch.stack(self.since_validation).mean(dim=0)
        row["train_loss"] = float(total_loss(mean, self.recipe.heads))
        row |= {f"train_{name}": value for name, value in self._named(mean).items()}
        self.state.history.append(row | self.measured)
        self.since_validation = []

    def _judge(self) -> None:
        judged = copy.deepcopy(self.network)
        judged.load_state_dict(self._kept_weights())
        self.measured = self.validator.measure(judged, self.device).as_numbers()
        keep = self.recipe.run.keep
        measure = "f_score" if keep == "f_score" and "f_score" in self.measured else "loss"
        score = self.measured[measure] * (1 if measure == "f_score" else -1)
        state = self.state
        if state.best_score is not None and not score > state.best_score:
            state.without_improvement += 1
            return
        state.best_score, state.best_step, state.without_improvement = score, state.step, 0
        if keep != "last":
            path = self.out / f"best-{WEIGHTS_NAME}"
            save_weights(judged.state_dict(), path, {"step": str(state.step)})

    def _stopped_early(self) -> bool:
        patience = self.recipe.run.patience
        return patience > 0 and self.state.without_improvement >= patience

    def _named(self, losses: Tensor) -> dict[str, float]:
        return dict(zip(self.recipe.head_names, losses.tolist(), strict=True))

    def _progress(self, losses: list[Tensor], pace_s: float) -> TrainingProgress:
        return TrainingProgress(
            step=self.state.step,
            steps=self.recipe.run.steps,
            losses=self._named(torch.stack(losses).mean(dim=0)),
            learning_rate=learning_rate(self.recipe, self.state.step - 1),
            seconds_per_step=pace_s,
            validation=self.measured,
            best_step=self.state.best_step,
            history=tuple(self.state.history),
        )

    def _refuse_divergence(self, losses: list[Tensor]) -> None:
        if not bool(torch.stack(losses).isfinite().all()):
            raise TrainingError(
                f"The loss is no longer a number at step {self.state.step}",
                hint="Lower optimiser.learning_rate, or set run.mixed_precision = false",
            )


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _numbers(row: dict[str, float]) -> dict[str, float]:
    return {name: row[name] for name in ("loss", "f_score", "h") if name in row}
