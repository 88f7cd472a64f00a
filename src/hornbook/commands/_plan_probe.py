"""How fast this machine is at a recipe: a throwaway model takes a few real steps, looks, writes, and writes to the disk."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from hornbook.batches.dataset import Dataset
from hornbook.commands._parts import build_parts
from hornbook.commands._pretraining import language_model
from hornbook.commands._recipe import Recipe
from hornbook.commands._recipe_model import config_of
from hornbook.device import autocast
from hornbook.files import new_folder, sha256_of
from hornbook.generation.generate import generate_tokens
from hornbook.layers.loss import Batch, mean_over_batches, next_token_loss
from hornbook.randomness import torch_generator
from hornbook.training.pace import FORWARD_SHARE, Pace
from hornbook.training.plan import Job, work_of
from hornbook.training.update import Parts, update

STEP_SECONDS, SAMPLE_SECONDS = 7.0, 1.5  # of the ten that a probe may take; a single step may be longer
FEWEST, MOST = 2, 300  # steps; the first is left out, it reads code from the disk and finds the memory
MICROBATCHES = 4  # of a step with many only so many are computed, and the rest is counted
SAMPLED = 24  # tokens that are written, at most
WRITTEN = 128_000_000  # bytes
LONGEST_STEP = 30.0  # seconds: where one pass would take longer, the steps' time is computed
PRODUCT, SHARE = 1024, 0.7  # a product of two such squares is timed; training reaches about this share of its speed


def pace_here(recipe: Recipe, job: Job, dataset: Dataset | None, val_tokens: int | None, device: torch.device) -> Pace:
    """The pace of this machine: measured in about ten seconds, or computed where a step takes minutes."""
    speed = SHARE * _product_speed(device)
    if min(job.microbatches, MICROBATCHES) * job.portion.flops / speed > LONGEST_STEP:
        return _computed(recipe, job, val_tokens, speed)
    return probe(recipe, job, dataset, val_tokens, device)


def _product_speed(device: torch.device) -> float:
    """FLOP/s of one large product."""
    square = torch.rand(PRODUCT, PRODUCT, device=device)
    seconds = [_seconds(lambda: square @ square, device) for _ in range(5)]
    return float(2 * PRODUCT**3 / statistics.median(seconds))


def _computed(recipe: Recipe, job: Job, val_tokens: int | None, speed: float) -> Pace:
    """The pace by FLOPs alone."""
    a_token = FORWARD_SHARE * job.portion.flops / speed / (job.rows * job.config.context_length)
    written, hashed = _disk(job)
    evaluation = None if val_tokens is None else val_tokens * recipe.training.evaluate_fraction * a_token
    return Pace(work_of(job).flops_a_step / speed, evaluation, sample_tokens(recipe) * a_token, written, hashed)


def sample_tokens(recipe: Recipe) -> int:
    """Tokens that are written at one look; without prompts in the recipe there is one, from the text."""
    return max(1, len(recipe.prompts)) * recipe.sample_tokens


def probe(recipe: Recipe, job: Job, dataset: Dataset | None, val_tokens: int | None, device: torch.device) -> Pace:
    """The pace of this machine. Without a dataset the tokens are random: a step takes as long."""
    parts = build_parts(recipe, dataset, str(device)) if dataset else random_parts(recipe, job, device)
    parts.model.train()
    step = _step_seconds(recipe, parts, job)
    written, hashed = _disk(job)
    passes = 0.0
    if val_tokens is not None:
        passes = max(1.0, val_tokens * recipe.training.evaluate_fraction / (job.rows * job.config.context_length))
    evaluation = passes * _evaluation_seconds(recipe, parts) if passes else None
    samples = sample_tokens(recipe) * _token_seconds(recipe, parts)
    return Pace(step, evaluation, samples, written, hashed)


def random_parts(recipe: Recipe, job: Job, device: torch.device) -> Parts:
    """What `build_parts` joins, on random tokens of the recipe's vocabulary."""
    config, shape = config_of(recipe, job.config.vocab_size), (job.rows, job.config.context_length)
    model = recipe.model_class(config, torch_generator(recipe.training.seed, "weights")).to(device)
    tokens = torch.randint(config.vocab_size, (2, *shape), generator=torch_generator(0, "probe"))
    batch = tokens[0], tokens[1]

    def batches(step: int) -> Sequence[Batch]:
        return [batch] * job.microbatches

    def validation() -> Iterator[Batch]:
        yield batch

    return Parts(model, recipe.optimizer.build(model.named_parameters()), batches, next_token_loss, validation)


def _step_seconds(recipe: Recipe, parts: Parts, job: Job) -> float:
    """A whole step's seconds: its microbatches by the few that are computed, and the optimizer once."""
    computed = min(job.microbatches, MICROBATCHES)
    few = replace(parts, batches=lambda step: [parts.batches(step)[place] for place in range(computed)])
    updating = _Watch(parts.optimizer)
    passes: list[float] = []
    begun = time.perf_counter()
    while len(passes) < FEWEST or (time.perf_counter() - begun < STEP_SECONDS and len(passes) < MOST):
        seconds = _seconds(
            lambda: update(few, recipe.training, recipe.schedule, len(passes), judge=_never), parts.device
        )
        passes.append(seconds - updating.seconds[-1])
        if seconds > STEP_SECONDS:
            break
    once = statistics.median(updating.seconds[1:] or updating.seconds)
    return statistics.median(passes[1:] or passes) * job.microbatches / computed + once


class _Watch:
    """The seconds of each step of an optimizer."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.seconds: list[float] = []
        self.begun = 0.0
        optimizer.register_step_pre_hook(self._begin)
        optimizer.register_step_post_hook(self._end)

    def _begin(self, *_: Any) -> None:
        self.begun = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self.seconds.append(time.perf_counter() - self.begun)


def _evaluation_seconds(recipe: Recipe, parts: Parts) -> float:
    """One batch of the validation part."""
    batch = next(iter(parts.validation()))

    def evaluate() -> None:
        with autocast(parts.device, recipe.training.computes_in):
            mean_over_batches(parts.model, [batch], parts.loss)

    return min(_seconds(evaluate, parts.device) for _ in range(3))


def _token_seconds(recipe: Recipe, parts: Parts) -> float:
    """One token of a sample, the first left out."""
    settings, model = recipe.sampling, language_model(parts)
    tokens = generate_tokens(model, [0], settings, max_new_tokens=SAMPLED, seed=0, vocab_size=model.config.vocab_size)
    next(tokens)
    begun, count = time.perf_counter(), 0
    for _ in tokens:
        count += 1
        if time.perf_counter() - begun > SAMPLE_SECONDS:
            break
    return (time.perf_counter() - begun) / max(1, count)


def _disk(job: Job) -> tuple[float, float]:
    """Bytes a second that reach the disk of this folder, and that are hashed: a piece of a checkpoint, or all of it."""
    from safetensors.torch import save_file

    size = min(WRITTEN, job.sizes.weights + job.sizes.state)
    with TemporaryDirectory(prefix=".hornbook-plan-", dir=Path.cwd()) as folder:
        begun = time.perf_counter()
        with new_folder(Path(folder) / "checkpoint") as beside:
            save_file({"weights": torch.zeros(size // 4)}, beside / "weights.safetensors")
        written = time.perf_counter()
        sha256_of(Path(folder) / "checkpoint" / "weights.safetensors")
        return size / (written - begun), size / (time.perf_counter() - written)


def _never(loss: float, norm: float) -> str | None:
    """What is wrong with a throwaway step: nothing is."""
    return None


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    """How long an action takes, until the device is done with it."""
    begun = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun
