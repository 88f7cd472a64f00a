"""How a model's blocks run in a training step: as they are written, compiled, or computed once more going back.

Recomputed, a block keeps only what came in; the backward pass computes it again when it gets there, with the same
dropout. That is a third more arithmetic for a fraction of the memory (Chen et al. 2016, "Training deep nets with sublinear
memory cost"). Compiled, its operations are joined into a few kernels of its own. Neither is part of the model: outside
of a step its blocks are what they were, so evaluations, samples and checkpoints know nothing of it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from hornbook.errors import UserError

Forward = Callable[..., Any]
Compiled = dict[nn.Module, Forward]  # kept between steps: compiling takes a minute


@contextmanager
def running(model: nn.Module, *, recompute: bool = False, compiled: Compiled | None = None) -> Iterator[None]:
    """Inside, the blocks of `model` run so; compiled where a place to keep them is given."""
    blocks = blocks_of(model) if recompute or compiled is not None else []
    for block in blocks:
        forward = block.forward
        if compiled is not None:
            forward = compiled.get(block) or _compile(block, compiled)
        block.forward = _twice(forward) if recompute else forward
    try:
        yield
    finally:
        for block in blocks:
            del block.forward  # the class's own is seen again


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The blocks of a model, or of the one that a classifier has inside."""
    lists = [getattr(module, "blocks", ()) for module in model.modules()]
    return [block for blocks in lists for block in blocks]


def require_compiler() -> None:
    """Errors: `UserError` where no C++ compiler is here, which torch.compile writes its kernels for."""
    compiler = os.environ.get("CXX") or "g++"
    if shutil.which(compiler) is None:
        hint = "install g++ or name another compiler in CXX, or leave training.compile away"
        raise UserError(f"training.compile needs a C++ compiler, and '{compiler}' isn't here", hint=hint)


def _compile(block: nn.Module, kept: Compiled) -> Forward:
    """One shape only: what a rare smaller microbatch needs is compiled for it again."""
    kept[block] = torch.compile(block.forward, dynamic=False)
    return kept[block]


def _twice(forward: Forward) -> Forward:
    """A pass that keeps nothing but its inputs, and the state of the generator that dropout draws from."""

    def run(*inputs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*inputs)
        return checkpoint(forward, *inputs, use_reentrant=False)

    return run
