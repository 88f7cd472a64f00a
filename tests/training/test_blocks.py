"""Blocks that are computed once more, or compiled: the same numbers, and afterwards the same model."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hornbook.errors import UserError
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.training import blocks as running_blocks
from hornbook.training.blocks import blocks_of, require_compiler, running
from hornbook.training.loop import Loop

SIZES = {"vocab_size": 40, "context_length": 12, "num_layers": 3, "num_heads": 2, "embed_dim": 16}
MODELS: dict[str, Callable[[torch.Generator], Model]] = {
    "gpt": lambda drawn: GPT(GPTConfig(**SIZES, dropout=0.3), drawn),
    "gpt with biases of positions": lambda drawn: GPT(GPTConfig(**SIZES, positions="relative"), drawn),
    "llama": lambda drawn: Llama(LlamaConfig(**SIZES, dropout=0.3), drawn),
}


def gradients(kind: str, narrow: bool = False, **how: Any) -> list[Tensor | None]:
    """Those of one pass, always of the same weights, tokens and dropout."""
    model = MODELS[kind](torch.Generator().manual_seed(1)).train()
    tokens = torch.randint(40, (2, 12), generator=torch.Generator().manual_seed(2))
    torch.manual_seed(3)
    with running(model, **how):
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1).float(), tokens.flatten())
        loss.backward()  # type: ignore[no-untyped-call]
    assert all("forward" not in vars(block) for block in model.blocks)  # type: ignore[union-attr]
    return [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("kind", MODELS)
def test_recomputed_the_gradients_are_the_same_to_the_last_bit(kind: str, narrow: bool) -> None:
    """Dropout among it: drawn anew in the second pass, it would leave out other numbers."""
    for once, twice in zip(gradients(kind, narrow), gradients(kind, narrow, recompute=True), strict=True):
        assert once is not None
        assert twice is not None
        assert torch.equal(once, twice)


def test_each_block_runs_twice_where_gradients_are_wanted_and_once_where_not() -> None:
    model = MODELS["llama"](torch.Generator().manual_seed(1))
    tokens, runs = torch.zeros(1, 4, dtype=torch.int64), []
    model.blocks[0].attention.register_forward_hook(lambda *_: runs.append(1))  # type: ignore[index, union-attr]
    with running(model, recompute=True):
        model(tokens).sum().backward()
        assert len(runs) == 2
        with torch.no_grad():
            model(tokens)
    assert len(runs) == 3


def test_a_run_is_the_same_with_recomputation(make_loop: Callable[..., Loop]) -> None:
    """Through the loop: losses, norms and weights; and where microbatches are summed."""
    loops = [make_loop(name, dropout=0.2, microbatch_size=3, recompute=name == "twice") for name in ("once", "twice")]
    for loop in loops:
        loop.run(lambda record: None)
    numbers = [[(r["loss"], r["gradient_norm"]) for r in loop.folder.records("step")] for loop in loops]
    assert numbers[0] == numbers[1]
    once, twice = (loop.parts.model.state_dict() for loop in loops)
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_blocks_inside_of_another_model_are_found() -> None:
    inner = MODELS["gpt"](torch.Generator().manual_seed(1))
    assert blocks_of(nn.Sequential(inner)) == list(inner.blocks)  # type: ignore[arg-type]
    assert blocks_of(nn.Linear(2, 2)) == []


def test_every_block_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def compile(forward: Callable[..., Any], **settings: Any) -> Callable[..., Any]:
        made.append(settings)
        return lambda *inputs: forward(*inputs)

    monkeypatch.setattr(running_blocks.torch, "compile", compile)
    model, kept = MODELS["llama"](torch.Generator().manual_seed(1)), {}
    tokens = torch.zeros(1, 4, dtype=torch.int64)
    for _ in range(2):
        with running(model, compiled=kept, recompute=True):
            model(tokens).sum().backward()
    assert made == [{"dynamic": False}] * 3
    assert list(model.state_dict()) == list(MODELS["llama"](torch.Generator()).state_dict())


def test_without_a_compiler_it_is_said_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match="needs a C\\+\\+ compiler, and 'no-such-compiler' isn't here; hint: install g"):
        require_compiler()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler")
@pytest.mark.parametrize("recompute", [False, True])
def test_compiled_the_gradients_are_the_same_up_to_rounding(recompute: bool) -> None:
    kind, kept = "gpt with biases of positions", {}
    plain, compiled = gradients(kind), gradients(kind, compiled=kept, recompute=recompute)
    assert len(kept) == 3
    for mine, other in zip(compiled, plain, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)
