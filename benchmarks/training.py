"""Training on a CPU: to a known loss, and tokens a second of models of three sizes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from side_by_side import Contest, Row, Turn, main, rate
from speedruns import CPU_RECIPE, GPU_RECIPE, speedrun

if TYPE_CHECKING:
    from plain_gpt import Sizes
    from torch import Tensor, nn

ALONE = "--memory-of"  # a row and a contestant: for this program's own use


def rows() -> list[Row]:
    """All of this program."""
    return [
        Row(
            "train-speedrun",
            f"tiny-shakespeare in characters to a validation loss of {CPU_RECIPE.loss}",
            "s",
            speedrun("shakespeare-speedrun", CPU_RECIPE),
            aim=6,
            smaller_is_better=True,
            turns=3,
            warm_up=0,
        ),
        Row(
            "train-speedrun-256",
            f"the same to a validation loss of {GPU_RECIPE.loss}, 256 characters of context",
            "s",
            speedrun("shakespeare-speedrun-256", GPU_RECIPE),
            aim=1800,
            smaller_is_better=True,
            turns=1,
            warm_up=0,
            only_named=True,
        ),
        Row(
            "train-char",
            "training, characters, 0.8 million weights, 12 x 64 tokens a step",
            "tokens/s",
            SIZES["train-char"],
            smoke=True,
        ),
        Row(
            "train-10m",
            "training, characters, 10.7 million weights, 16 x 256 tokens a step",
            "tokens/s",
            with_memory("train-10m"),
            aim=13_400,
            turns=3,
        ),
        Row(
            "train-124m",
            "training, GPT-2's 124 million weights, 4 x 256 tokens a step",
            "tokens/s",
            with_memory("train-124m"),
            aim=1_000,
            turns=3,
        ),
    ]


def of_size(
    vocab_size: int,
    context_length: int,
    num_layers: int,
    num_heads: int,
    embed_dim: int,
    *,
    batch_size: int,
    steps: int,
) -> Callable[[Contest], None]:
    """The setup of a row: so many steps of ours and of others, all on the same random tokens."""

    def setup(contest: Contest) -> None:
        import torch
        from plain_gpt import PlainGPT, Sizes, plain

        sizes = Sizes(vocab_size, context_length, num_layers, num_heads, embed_dim)
        draw = torch.Generator().manual_seed(0)
        both = torch.randint(vocab_size, (batch_size, context_length + 1), generator=draw)
        inputs, targets = both[:, :-1].contiguous(), both[:, 1:].contiguous()
        tokens = steps * inputs.numel()
        makers: dict[str, Callable[[], Callable[[], None]]] = {
            "hornbook, gpt": lambda: ours(sizes, "gpt", inputs, targets, steps),
            "hornbook, llama": lambda: ours(sizes, "llama", inputs, targets, steps),
            "plain PyTorch, as nanoGPT": lambda: plain(PlainGPT(sizes), inputs, targets, steps),
            "the same, autocast to bf16": lambda: plain(PlainGPT(sizes), inputs, targets, steps, torch.bfloat16),
            "transformers, GPT-2": lambda: plain(transformers_gpt2(sizes), inputs, targets, steps),
        }
        for name, make in makers.items():
            contest.peer(name, partial(_turn, tokens, make))

    return setup


def _turn(tokens: int, make: Callable[[], Callable[[], None]]) -> Turn:
    return rate(tokens, make())


SIZES = {
    "train-char": of_size(66, 64, 4, 4, 128, batch_size=12, steps=40),
    "train-10m": of_size(66, 256, 6, 6, 384, batch_size=16, steps=2),
    "train-124m": of_size(50_257, 256, 12, 12, 768, batch_size=4, steps=1),
}


def with_memory(row: str) -> Callable[[Contest], None]:
    """The setup of a row, with the most memory that each contestant takes in a process of its own."""

    def setup(contest: Contest) -> None:
        SIZES[row](contest)
        for name in contest.turns:
            told = subprocess.run([sys.executable, __file__, ALONE, row, name], capture_output=True, check=True)
            contest.facts[f"memory at most, {name}"] = f"{int(told.stdout) / 1e6:,.0f} MB"

    return setup


class Alone(Contest):
    """One contestant; the others aren't built."""

    def __init__(self, stack: ExitStack, name: str) -> None:
        super().__init__(stack)
        self.name = name

    def peer(self, name: str, make: Callable[[], Turn]) -> None:
        """Enter the one."""
        if name == self.name:
            super().peer(name, make)


def print_memory(row: str, name: str) -> None:
    """The most bytes that this process held when one contestant had two turns."""
    from hornbook.device import peak_memory_bytes

    with ExitStack() as stack:
        contest = Alone(stack, name)
        SIZES[row](contest)
        for _ in range(2):
            contest.turns[name]()
        print(peak_memory_bytes())


def ours(sizes: Sizes, kind: str, inputs: Tensor, targets: Tensor, steps: int) -> Callable[[], None]:
    """Steps of the loop that `hornbook train` runs, on one batch."""
    import torch

    from hornbook.device import has_bf16_unit
    from hornbook.layers.loss import next_token_loss
    from hornbook.models.gpt import GPT, GPTConfig
    from hornbook.models.llama import Llama, LlamaConfig
    from hornbook.optimizers.adamw import AdamW
    from hornbook.training.schedule import Schedule
    from hornbook.training.update import Parts, Training, update

    draw, common = torch.Generator().manual_seed(0), vars(sizes)
    model = (
        GPT(GPTConfig(**common, biases="none", activation="gelu"), draw)
        if kind == "gpt"
        else Llama(LlamaConfig(**common), draw)
    )
    optimizer = AdamW(learning_rate=1e-3).build(model.named_parameters())
    parts = Parts(model, optimizer, lambda step: [(inputs, targets)], next_token_loss, lambda: iter(()))
    training = Training(steps=1_000_000, batch_size=len(inputs), clip=1.0)
    training = training.settled(model.num_parameters(), has_bf16_unit(torch.device("cpu")))
    schedule = Schedule(kind="constant")

    def work() -> None:
        for step in range(steps):
            update(parts, training, schedule, step)

    return work


def transformers_gpt2(sizes: Sizes) -> nn.Module:
    """A GPT-2 of transformers whose call gives logits."""
    import transformers
    from torch import nn

    config = transformers.GPT2Config(
        vocab_size=sizes.vocab_size,
        n_positions=sizes.context_length,
        n_embd=sizes.embed_dim,
        n_layer=sizes.num_layers,
        n_head=sizes.num_heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=False,
    )

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = transformers.GPT2LMHeadModel(config)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.inner(tokens).logits

    return Logits()


if __name__ == "__main__":
    if sys.argv[1:2] == [ALONE]:
        print_memory(*sys.argv[2:])
    else:
        main(rows)
