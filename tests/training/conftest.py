"""A training small enough to run in a moment, made of the real parts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.batches.order import batch_starts
from hornbook.batches.windows import Windows
from hornbook.layers.loss import Batch, next_token_loss
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.optimizers.adamw import AdamW
from hornbook.randomness import torch_generator
from hornbook.training.loop import Loop
from hornbook.training.run_folder import RunFolder
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training

TOKENS = np.tile(np.arange(16, dtype=np.uint16), 40)  # 0 1 2 ... 15 0 1 2 ...: a model learns it in a few steps


def small_loop(path: Path, dropout: float = 0.0, optimizer: Any = None, **training: Any) -> Loop:
    """A loop over TOKENS in the run folder `path`, which is made where it is absent."""
    settings = Training(**{"steps": 12, "batch_size": 8, "evaluate_every": 4, "seed": 3, **training})
    config = LlamaConfig(vocab_size=16, context_length=16, num_layers=1, num_heads=2, embed_dim=16, dropout=dropout)
    model = Llama(config, torch_generator(settings.seed, "weights"))
    windows = Windows(TOKENS, 16)
    rows = settings.microbatch_size or settings.batch_size

    def batches(step: int) -> list[Batch]:
        starts = batch_starts(
            step, seed=settings.seed, batch_size=settings.batch_size, num_tokens=len(TOKENS), context_length=16
        )
        return [windows.gather(starts[first : first + rows]) for first in range(0, len(starts), rows)]

    def validation() -> Iterator[Batch]:
        return windows.every_batch(8)

    build = optimizer or AdamW(learning_rate=1e-2)
    parts = Parts(model, build.build(model.named_parameters()), batches, next_token_loss, validation)
    run = (
        RunFolder(path) if (path / "run.toml").exists() else RunFolder.create(path, {"training": settings.model_dump()})
    )
    return Loop(parts, settings, Schedule(warmup_steps=2), run)


@pytest.fixture
def make_loop(tmp_path: Path) -> Callable[..., Loop]:
    """`make_loop("name", steps=...)` -> a loop in tmp_path/name."""
    torch.set_num_threads(1)
    return lambda name, **settings: small_loop(tmp_path / name, **settings)
