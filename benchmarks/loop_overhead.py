"""The training loop beside a bare one around the same model, data and optimizer: `python benchmarks/loop_overhead.py`.

Both train the model of the recipe shakespeare-char on random tokens, in turns of 100 steps. Ours does all that it does in
a run (order, windows, scheduled rates, clipping, metrics.jsonl, reports); evaluations and checkpoints are not part of a
step. (Not part of docs/speed.md: what it shows is that the loop costs nothing.)
"""

import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from side_by_side import Contest, Row, main

from hornbook.batches.order import batch_starts
from hornbook.batches.windows import Windows
from hornbook.layers.loss import Batch, next_token_loss
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.optimizers.adamw import AdamW
from hornbook.training.loop import Loop
from hornbook.training.run_folder import RunFolder
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training

CONFIG = LlamaConfig(vocab_size=66, context_length=64, num_layers=4, num_heads=4, embed_dim=128)
BATCH_SIZE, STEPS = 12, 100
TOKENS = np.random.default_rng(0).integers(0, 65, 1_000_000).astype(np.uint16)
RECIPE = AdamW(learning_rate=1e-3)


def bare_seconds() -> float:
    """STEPS steps as one would write them by hand: random windows, forward, backward, clip, update."""
    model = Llama(CONFIG)
    optimizer = RECIPE.build(model.named_parameters())
    data = torch.from_numpy(TOKENS.astype(np.int64))
    begun = time.perf_counter()
    for _ in range(STEPS):
        starts = torch.randint(len(data) - 65, (BATCH_SIZE,)).tolist()
        rows = torch.stack([data[start : start + 65] for start in starts])
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return time.perf_counter() - begun


def our_loop(folder: Path, steps: int) -> Loop:
    """The loop that `hornbook train` runs, for so many steps of this model in a new run folder."""
    model = Llama(CONFIG)
    windows = Windows(TOKENS, 64)

    def batches(step: int) -> list[Batch]:
        starts = batch_starts(step, seed=0, batch_size=BATCH_SIZE, num_tokens=len(TOKENS), context_length=64)
        return [windows.gather(starts)]

    def validation() -> Iterator[Batch]:
        yield windows.gather([0])

    training = Training(steps=steps, batch_size=BATCH_SIZE, evaluate_every=steps)
    parts = Parts(model, RECIPE.build(model.named_parameters()), batches, next_token_loss, validation)
    run = RunFolder.create(folder, {"training": training.model_dump()})
    return Loop(parts, training, Schedule(warmup_steps=10), run)


def our_seconds(folder: Path) -> float:
    """STEPS steps of it."""
    loop = our_loop(folder, STEPS)
    loop.run(lambda record: None)
    return loop.speed.seconds


def setup(contest: Contest) -> None:
    folder = Path(contest.stack.enter_context(tempfile.TemporaryDirectory()))
    numbers = count()
    contest.add("hornbook", lambda: 1e3 / STEPS * our_seconds(folder / str(next(numbers))))
    contest.add("a bare loop", lambda: 1e3 / STEPS * bare_seconds())
    contest.facts["threads"] = torch.get_num_threads()


def rows() -> list[Row]:
    return [Row("loop", "a step of a small Llama", "ms", setup, smaller_is_better=True, turns=9)]


if __name__ == "__main__":
    main(rows)
