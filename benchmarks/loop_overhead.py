"""What our training loop costs beside a bare one around the same model, data and optimizer: `python benchmarks/loop_overhead.py`.

Both train the model of the recipe shakespeare-char on random tokens, in turns of 100 steps, and the ratio of each pair of turns
is taken, so that a machine whose speed drifts slows both alike. Ours does all that it does in a run (order, windows,
scheduled rates, clipping, metrics.jsonl, reports); evaluations and checkpoints are not part of a step.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

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
BATCH_SIZE, STEPS, TURNS = 12, 100, 9
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


def our_seconds(folder: Path) -> float:
    """STEPS steps of the loop that `hornbook train` runs."""
    model = Llama(CONFIG)
    windows = Windows(TOKENS, 64)

    def batches(step: int) -> list[Batch]:
        starts = batch_starts(step, seed=0, batch_size=BATCH_SIZE, num_tokens=len(TOKENS), context_length=64)
        return [windows.gather(starts)]

    def validation() -> Iterator[Batch]:
        yield windows.gather([0])

    training = Training(steps=STEPS, batch_size=BATCH_SIZE, evaluate_every=STEPS)
    parts = Parts(model, RECIPE.build(model.named_parameters()), batches, next_token_loss, validation)
    loop = Loop(
        parts, training, Schedule(warmup_steps=10), RunFolder.create(folder, {"training": training.model_dump()})
    )
    loop.run(lambda record: None)
    return loop.speed.seconds


def measure() -> dict[str, Any]:
    """Seconds of both, in turns, and the median of their ratios."""
    bare_seconds()  # warm up
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(our_seconds(Path(folder) / str(turn)), bare_seconds()) for turn in range(TURNS)]
    ratios = sorted(ours / bare for ours, bare in pairs)
    return {
        "threads": torch.get_num_threads(),
        "turns": TURNS,
        "our_step_ms": round(statistics.median(ours for ours, _ in pairs) / STEPS * 1e3, 2),
        "bare_step_ms": round(statistics.median(bare for _, bare in pairs) / STEPS * 1e3, 2),
        "ratio": {
            "min": round(ratios[0], 3),
            "median": round(statistics.median(ratios), 3),
            "max": round(ratios[-1], 3),
        },
    }


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
