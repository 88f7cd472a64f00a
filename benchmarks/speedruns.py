"""Training to a known loss: whole runs of our recipes against nanoGPT's own, which need not be run to their end."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from side_by_side import Absent, Contest, Turn, seconds


@dataclass(frozen=True)
class Known:
    """A recipe of nanoGPT for the characters of tiny-shakespeare, what it comes to, and how many of its steps are measured."""

    name: str
    loss: float  # on its validation characters
    sizes: tuple[int, ...]
    batch_size: int
    steps: int
    measured: int


CPU_RECIPE = Known("nanoGPT's CPU recipe", 1.8857, (65, 64, 4, 4, 128), batch_size=12, steps=2000, measured=100)
GPU_RECIPE = Known("nanoGPT's GPU recipe", 1.4697, (65, 256, 6, 6, 384), batch_size=64, steps=5000, measured=2)


def speedrun(recipe: str, known: Known) -> Callable[[Contest], None]:
    """`hornbook train` with a recipe from its first step to its last, against one of nanoGPT's without its dropout.

    The other's time is that of some of its steps, times as many as there are: the loss that it ends at is known.
    """

    def setup(contest: Contest) -> None:
        contest.add(f"hornbook, {recipe}", recipe_turn(contest, recipe))
        contest.add(f"plain PyTorch, {known.name}", known_recipe_turn(known))
        contest.facts["the other's seconds"] = (
            f"{known.measured} of its {known.steps:,} steps, times {known.steps // known.measured:,}"
        )

    return setup


def recipe_turn(contest: Contest, recipe: str) -> Turn:
    """Seconds of training of a whole run, evaluations left out; the losses that its turns reached go to the facts."""
    folder = Path(contest.stack.enter_context(tempfile.TemporaryDirectory()))
    numbers, losses = itertools.count(), []

    def turn() -> float:
        run = folder / f"run-{next(numbers)}"
        command = [sys.executable, "-m", "hornbook", "train", recipe, "--out", str(run), "--json"]
        done = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Absent(done.stderr.strip().splitlines()[-1])
        losses.append(json.loads(done.stdout)["validation_loss"])
        contest.facts["its validation losses"] = ", ".join(f"{loss:.4f}" for loss in losses)
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        steps = [record for record in records if record["kind"] == "step"]
        return steps[-1]["step"] * steps[-1]["tokens"] / steps[-1]["tokens_per_second"]

    return turn


def known_recipe_turn(known: Known) -> Turn:
    """Seconds that all steps of a recipe of nanoGPT take, from those of some."""
    import torch
    from plain_gpt import PlainGPT, Sizes, plain

    sizes = Sizes(*known.sizes)
    shape = (known.batch_size, sizes.context_length + 1)
    both = torch.randint(sizes.vocab_size, shape, generator=torch.Generator().manual_seed(0))
    needed = seconds(plain(PlainGPT(sizes), both[:, :-1].contiguous(), both[:, 1:].contiguous(), known.measured))
    return lambda: needed() * known.steps / known.measured
