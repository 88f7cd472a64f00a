"""Training on a CPU: to a known loss, and tokens a second of models of three sizes."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from side_by_side import Absent, Contest, Row, Turn, main, rate, seconds

if TYPE_CHECKING:
    from plain_gpt import Sizes
    from torch import Tensor, dtype, nn

KNOWN_LOSS = 1.8857  # of nanoGPT's CPU recipe on its validation characters, after 2,000 steps
KNOWN_STEPS, MEASURED_STEPS = 2000, 100


def rows() -> list[Row]:
    """All of this program."""
    return [
        Row(
            "train-speedrun",
            f"tiny-shakespeare in characters to a validation loss of {KNOWN_LOSS}",
            "s",
            speedrun,
            aim=6,
            smaller_is_better=True,
            turns=3,
            warm_up=0,
        ),
        Row(
            "train-char",
            "training, characters, 0.8 million weights, 12 x 64 tokens a step",
            "tokens/s",
            of_size(66, 64, 4, 4, 128, batch_size=12, steps=40),
            smoke=True,
        ),
        Row(
            "train-10m",
            "training, characters, 10.7 million weights, 16 x 256 tokens a step",
            "tokens/s",
            of_size(66, 256, 6, 6, 384, batch_size=16, steps=2),
            aim=13_400,
            turns=3,
        ),
        Row(
            "train-124m",
            "training, GPT-2's 124 million weights, 4 x 256 tokens a step",
            "tokens/s",
            of_size(50_257, 256, 12, 12, 768, batch_size=4, steps=1),
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
        from plain_gpt import PlainGPT, Sizes

        sizes = Sizes(vocab_size, context_length, num_layers, num_heads, embed_dim)
        draw = torch.Generator().manual_seed(0)
        both = torch.randint(vocab_size, (batch_size, context_length + 1), generator=draw)
        inputs, targets = both[:, :-1].contiguous(), both[:, 1:].contiguous()
        tokens = steps * inputs.numel()
        contest.add("hornbook, gpt", rate(tokens, ours(sizes, "gpt", inputs, targets, steps)))
        contest.add("hornbook, llama", rate(tokens, ours(sizes, "llama", inputs, targets, steps)))
        contest.add("plain PyTorch, as nanoGPT", rate(tokens, plain(PlainGPT(sizes), inputs, targets, steps)))
        contest.add(
            "the same, autocast to bf16", rate(tokens, plain(PlainGPT(sizes), inputs, targets, steps, torch.bfloat16))
        )
        contest.peer(
            "transformers, GPT-2", lambda: rate(tokens, plain(transformers_gpt2(sizes), inputs, targets, steps))
        )

    return setup


def ours(sizes: Sizes, kind: str, inputs: Tensor, targets: Tensor, steps: int) -> Callable[[], None]:
    """Steps of the loop that `hornbook train` runs, on one batch."""
    import torch

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
    schedule = Schedule(kind="constant")

    def work() -> None:
        for step in range(steps):
            update(parts, training, schedule, step)

    return work


def plain(
    model: nn.Module, inputs: Tensor, targets: Tensor, steps: int, autocast: dtype | None = None
) -> Callable[[], None]:
    """The same number of steps written by hand."""
    from plain_gpt import PlainTraining

    training = PlainTraining(model, autocast=autocast)

    def work() -> None:
        for _ in range(steps):
            training.step(inputs, targets)

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


def speedrun(contest: Contest) -> None:
    """`hornbook train shakespeare-speedrun` from its first step to its last, against nanoGPT's CPU recipe.

    The other's time is that of some of its 2,000 steps, times as many as there are: the loss that it ends at is known.
    """
    contest.add("hornbook, shakespeare-speedrun", recipe_turn(contest))
    contest.add("plain PyTorch, nanoGPT's CPU recipe", known_recipe_turn())
    contest.facts["the other's seconds"] = (
        f"{MEASURED_STEPS} of its {KNOWN_STEPS:,} steps, times {KNOWN_STEPS // MEASURED_STEPS}"
    )


def recipe_turn(contest: Contest) -> Turn:
    """Seconds of training of a whole run, evaluations left out; the losses that its turns reached go to the facts."""
    folder = Path(contest.stack.enter_context(tempfile.TemporaryDirectory()))
    numbers, losses = itertools.count(), []

    def turn() -> float:
        run = folder / f"run-{next(numbers)}"
        command = [sys.executable, "-m", "hornbook", "train", "shakespeare-speedrun", "--out", str(run), "--json"]
        done = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Absent(done.stderr.strip().splitlines()[-1])
        losses.append(json.loads(done.stdout)["validation_loss"])
        contest.facts["its validation losses"] = ", ".join(f"{loss:.4f}" for loss in losses)
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        steps = [record for record in records if record["kind"] == "step"]
        return steps[-1]["step"] * steps[-1]["tokens"] / steps[-1]["tokens_per_second"]

    return turn


def known_recipe_turn() -> Turn:
    """Seconds that all steps of nanoGPT's CPU recipe take, from those of some."""
    import torch
    from plain_gpt import PlainGPT, Sizes

    sizes = Sizes(65, 64, 4, 4, 128)
    both = torch.randint(65, (12, 65), generator=torch.Generator().manual_seed(0))
    needed = seconds(plain(PlainGPT(sizes), both[:, :-1].contiguous(), both[:, 1:].contiguous(), MEASURED_STEPS))
    return lambda: needed() * KNOWN_STEPS / MEASURED_STEPS


if __name__ == "__main__":
    main(rows)
