"""The watch: it lets every healthy spike pass, and stops what no learning makes."""

import math
from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hornbook.layers.loss import next_token_loss
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.optimizers.adamw import AdamW
from hornbook.randomness import torch_generator
from hornbook.training.watch import FEWEST, LOSS_FLOOR, TIMES_LARGEST, WINDOW, Watch

SIZES = {"vocab_size": 32, "context_length": 16, "num_layers": 2, "num_heads": 2, "embed_dim": 32}
sizes = st.floats(min_value=0, allow_nan=False, allow_infinity=False)


def watch_of(steps: Iterable[tuple[float, float]]) -> Watch:
    watch = Watch()
    for loss, norm in steps:
        watch.remember(loss, norm)
    return watch


@pytest.mark.parametrize(
    ("loss", "norm", "words"),
    [
        (math.nan, math.nan, "the loss is no longer a number"),
        (math.inf, 1.0, "the loss is infinite"),
        (2.0, math.nan, "the gradient is no longer a number"),
        (2.0, math.inf, "the gradient is infinite"),
    ],
)
def test_what_is_not_finite_is_wrong_from_the_first_step(loss: float, norm: float, words: str) -> None:
    assert Watch().judge(loss, norm) == words
    assert watch_of([(2.0, 1.0)] * 50).judge(loss, norm) == words


def test_an_explosion_is_told_beside_what_is_usual() -> None:
    watch = watch_of([(2.3, 12.3)] * 20)
    assert watch.judge(2.3, 8.1e5) == "the gradient norm 8.1e+05 is 66,000 times the usual 12.3"
    assert watch.judge(5000.0, 12.3) == "the loss 5e+03 is 2,200 times the usual 2.3"
    assert watch_of([(0.0, 0.0)] * 20).judge(0.0, 2e4) == "the gradient norm 2e+04 is far above the usual 0"
    assert watch.usual == {"loss": 2.3, "gradient_norm": 12.3}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1000)), max_size=150))
def test_nothing_below_the_floors_is_wrong(steps: list[tuple[float, float]]) -> None:
    watch = Watch()
    for loss, norm in steps:
        assert watch.judge(loss, norm) is None
        watch.remember(loss, norm)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=120), st.floats(0, TIMES_LARGEST))
def test_nothing_is_wrong_that_is_near_the_largest_ever(steps: list[tuple[float, float]], times: float) -> None:
    largest = [min(times * max(values), 1e308) for values in zip(*steps, strict=True)]
    assert watch_of(steps).judge(largest[0], largest[1]) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=FEWEST, max_size=150), st.floats(2e5, 1e30))
def test_what_is_far_above_everything_is_wrong(steps: list[tuple[float, float]], size: float) -> None:
    assert str(watch_of(steps).judge(1.0, size)).startswith("the gradient norm ")
    assert str(watch_of(steps).judge(size, 1.0)).startswith("the loss ")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(sizes, sizes), max_size=2 * WINDOW), sizes, sizes)
def test_a_watch_is_rebuilt_from_the_metrics(steps: list[tuple[float, float]], loss: float, norm: float) -> None:
    """What was seen longer ago than the window counts too: the largest of all."""
    records = [
        {"kind": "step", "step": place, "loss": pair[0], "gradient_norm": pair[1]} for place, pair in enumerate(steps)
    ]
    others = [
        {"kind": "evaluation", "step": 3, "validation_loss": 1.0},
        {"kind": "incident", "step": 4, "loss": "nan", "gradient_norm": "nan"},
    ]
    rebuilt = Watch.of([*others, *records, *others])
    assert rebuilt.judge(loss, norm) == watch_of(steps).judge(loss, norm)
    assert rebuilt.usual == watch_of(steps).usual


def test_the_usual_is_that_of_the_last_hundred_steps() -> None:
    watch = watch_of([*[(9.0, 8.0)] * 200, *[(2.0, 1.0)] * 51])
    assert watch.usual == {"loss": 2.0, "gradient_norm": 1.0}
    assert watch_of([*[(9.0, 8.0)] * 200, *[(2.0, 1.0)] * 49]).usual == {"loss": 9.0, "gradient_norm": 8.0}


def test_the_start_of_a_run_may_be_wild() -> None:
    """A bad first loss is only bad, and gradients of fewer than ten steps are no custom yet."""
    assert Watch().judge(50_000.0, 1e9) is None
    assert watch_of([(1500.0, 900.0)]).judge(14_000.0, 1e9) is None
    assert watch_of([(4.2, 0.8)] * (FEWEST - 1)).judge(30.0, 1e6) is None
    assert watch_of([(4.2, 0.8)] * FEWEST).judge(30.0, 1e6) is not None
    assert watch_of([(4.2, 0.8)]).judge(2 * LOSS_FLOOR, 1.0) is not None


def steps_of(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[torch.Tensor], learns: int
) -> list[tuple[float, float]]:
    """Loss and norm of each step; the first `learns` of them change the weights. No clipping."""
    torch.set_num_threads(1)
    found = []
    for step, batch in enumerate(batches):
        total, count = next_token_loss(model, batch[:, :-1], batch[:, 1:])
        (total / count).backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.get_total_norm([weight.grad for weight in model.parameters() if weight.grad is not None])
        found.append((total.item() / count.item(), norm.item()))
        if step < learns:
            optimizer.step()
        optimizer.zero_grad()
    return found


@pytest.mark.parametrize("kind", ["gpt", "bigram"])
def test_a_text_learned_by_heart_may_meet_an_odd_batch(kind: str) -> None:
    """The last three batches are noise: thousands of times the usual gradient, and nothing is wrong."""
    model: nn.Module = GPT(GPTConfig(**{**SIZES, "num_layers": 1}), torch_generator(0, "weights"))
    rate, rows, steps = 1e-2, 1, 100
    if kind == "bigram":
        model, rate = Bigram(BigramConfig(vocab_size=32, context_length=16)), 10.0
    noise = torch_generator(1, "noise")
    count = torch.arange(17).expand(rows, 17)
    batches = [count] * steps + [torch.randint(0, 32, (rows, 17), generator=noise) for _ in range(3)]
    optimizer = AdamW(learning_rate=rate, weight_decay=0.0).build(model.named_parameters())
    watch = Watch()
    for loss, norm in steps_of(model, optimizer, batches, steps):
        assert watch.judge(loss, norm) is None
        usual = watch.usual
        watch.remember(loss, norm)
    assert usual["loss"] < 0.05
    assert norm > 1000 * usual["gradient_norm"]
    assert loss > 100 * usual["loss"]


def test_a_run_that_explodes_is_stopped_before_it_is_lost() -> None:
    """Plain gradient descent at a rate of 10: the loss goes 4, 7, 20, 3,000, ... and in a few steps nothing is a number."""
    model = Llama(LlamaConfig(**SIZES), torch_generator(0, "weights"))
    noise = torch_generator(1, "noise")
    batches = [torch.arange(17).expand(8, 17) + torch.randint(0, 15, (8, 1), generator=noise) for _ in range(30)]
    watch = Watch()
    seen = 0
    for loss, norm in steps_of(model, torch.optim.SGD(model.parameters(), 10.0), batches, 30):
        wrong = watch.judge(loss, norm)
        if wrong:
            break
        watch.remember(loss, norm)
        seen += 1
    assert wrong is not None
    assert wrong.startswith("the loss ")
    assert math.isfinite(loss)
    assert seen > 2
