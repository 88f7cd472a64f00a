"""The loop: it learns, its sums are right however they are cut, it stops when asked, and it goes on exactly."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch

from hornbook.errors import Interrupted, UserError
from hornbook.optimizers.muon import Muon
from hornbook.training.checkpoint import load_checkpoint, newest_intact
from hornbook.training.deadline import Deadline
from hornbook.training.loop import Loop

MakeLoop = Callable[..., Loop]


def ignore(record: dict[str, Any]) -> None:
    """A report that nobody reads."""


def weights(loop: Loop) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in loop.parts.model.state_dict().items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns(make_loop: MakeLoop) -> None:
    loop = make_loop("a", steps=120, evaluate_every=40)
    best = loop.run(ignore)
    assert best.loss < 0.2  # a count of sixteen; it starts at ln 16 = 2.77
    assert best.step in (40, 80, 120)


def test_metrics_hold_each_step_once_and_each_evaluation(make_loop: MakeLoop) -> None:
    loop = make_loop("a")
    seen: list[dict[str, Any]] = []
    loop.run(seen.append)
    assert [record["step"] for record in loop.folder.records("step")] == list(range(1, 13))
    assert [record["step"] for record in loop.folder.records("evaluation")] == [4, 8, 12]
    assert list(loop.folder.records()) == seen


def test_cutting_a_batch_into_microbatches_changes_rounding_only(make_loop: MakeLoop) -> None:
    whole, cut = make_loop("whole"), make_loop("cut", microbatch_size=3)  # 8 rows as 3 + 3 + 2
    whole.run(ignore)
    cut.run(ignore)
    losses = [[record["loss"] for record in loop.folder.records("step")] for loop in (whole, cut)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_same_run_twice_is_the_same_to_the_last_bit(make_loop: MakeLoop) -> None:
    first, second = make_loop("a", dropout=0.1), make_loop("b", dropout=0.1)
    first.run(ignore)
    torch.rand(7)  # whatever happens to the global generator
    second.run(ignore)
    assert equal(weights(first), weights(second))


@pytest.mark.parametrize("optimizer", [None, Muon(learning_rate=1e-2)], ids=["adamw", "muon"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed_is_as_if_never_stopped(make_loop: MakeLoop, optimizer: Any, number: int) -> None:
    straight = make_loop("straight", dropout=0.1, optimizer=optimizer)
    straight.run(ignore)

    def stop_at_step_6(record: dict[str, Any]) -> None:
        if record["kind"] == "step" and record["step"] == 6:
            os.kill(os.getpid(), number)

    broken = make_loop("broken", dropout=0.1, optimizer=optimizer)
    with pytest.raises(Interrupted, match="stopped after step 6, saved; go on with: hornbook resume") as caught:
        broken.run(stop_at_step_6)
    assert caught.value.exit_code == 128 + number

    resumed = make_loop("broken", dropout=0.1, optimizer=optimizer)
    checkpoint, messages = newest_intact(resumed.folder.checkpoints)
    assert checkpoint is not None
    assert messages == []
    resumed.done = load_checkpoint(checkpoint, resumed.parts.model, resumed.parts.optimizer)
    resumed.folder.rewind(resumed.done)
    resumed.run(ignore)
    assert equal(weights(straight), weights(resumed))
    timeless = [
        [(record["step"], record["loss"], record["gradient_norm"]) for record in loop.folder.records("step")]
        for loop in (straight, resumed)
    ]
    assert timeless[0] == timeless[1]


def test_the_last_and_the_best_checkpoint_are_kept(make_loop: MakeLoop) -> None:
    loop = make_loop("a", steps=20, evaluate_every=4, keep=1)
    best = loop.run(ignore)
    names = sorted(path.name for path in loop.folder.checkpoints.glob("step-*"))
    assert names == sorted({f"step-{best.step:08d}", "step-00000020"})


def test_patience_ends_a_run_that_no_longer_improves(make_loop: MakeLoop) -> None:
    loop = make_loop("a", steps=400, evaluate_every=2, patience=2)
    loop.parts.model.requires_grad_(True)
    for group in loop.parts.optimizer.param_groups:
        group["base_lr"] = 0.0  # nothing is learned, so nothing improves after the first evaluation
        group["weight_decay"] = 0.0
    loop.run(ignore)
    assert loop.done == 6


def test_a_loss_that_is_no_number_is_one_line(make_loop: MakeLoop) -> None:
    loop = make_loop("a")
    with torch.no_grad():
        next(loop.parts.model.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match="no longer a number at step 1, .*; hint: .*learning rate"):
        loop.run(ignore)


def test_a_sample_is_taken_at_each_evaluation(make_loop: MakeLoop) -> None:
    loop = make_loop("a")
    object.__setattr__(loop.parts, "sample", lambda step: [f"text {step}"])
    loop.run(ignore)
    assert [record["texts"] for record in loop.folder.records("sample")] == [["text 4"], ["text 8"], ["text 12"]]


def test_a_batch_that_is_skipped_changes_nothing(make_loop: MakeLoop) -> None:
    loop = make_loop("a", steps=3, skipped=(1, 2, 3))
    before = weights(loop)
    loop.run(ignore)
    assert equal(before, weights(loop))
    assert [record["step"] for record in loop.folder.records("skipped")] == [1, 2, 3]


def test_every_so_manieth_checkpoint_may_be_kept(make_loop: MakeLoop) -> None:
    loop = make_loop("a", steps=24, evaluate_every=4, keep=1, keep_every=8)
    best = loop.run(ignore)
    names = {int(path.name[-8:]) for path in loop.folder.checkpoints.glob("step-*")}
    assert names == {8, 16, 24, best.step}


def test_a_stop_between_evaluation_and_sample_loses_neither(make_loop: MakeLoop) -> None:
    """What of a look isn't in metrics.jsonl yet is done by the run that goes on, and nothing twice."""
    straight, broken = make_loop("straight"), make_loop("broken")
    for loop in (straight, broken):
        object.__setattr__(loop.parts, "sample", lambda step: [f"text {step}"])

    def die(record: dict[str, Any]) -> None:
        if record["kind"] == "evaluation" and record["step"] == 8:
            raise MemoryError("as if killed")

    straight.run(ignore)
    with pytest.raises(MemoryError):
        broken.run(die)
    resumed = make_loop("broken")
    object.__setattr__(resumed.parts, "sample", lambda step: [f"text {step}"])
    checkpoint, _ = newest_intact(resumed.folder.checkpoints)
    assert checkpoint is not None
    resumed.done = load_checkpoint(checkpoint, resumed.parts.model, resumed.parts.optimizer)
    resumed.folder.rewind(resumed.done)
    resumed.run(ignore)
    timeless = [
        [{**record, "tokens_per_second": 0} for record in loop.folder.records()] for loop in (straight, resumed)
    ]
    assert timeless[0] == timeless[1]


def test_a_deadline_ends_the_run_in_time_with_the_rate_at_its_end(make_loop: MakeLoop) -> None:
    """A clock that is asked once a step and once a second: 100 seconds are not enough for 1,000 steps."""
    now = [0.0]
    deadline = Deadline(100.0, ending=5.0, clock=lambda: now[0])
    deadline.step_took = lambda seconds: deadline.steps_took.append(1.0)  # type: ignore[method-assign]
    deadline.looked = lambda seconds: deadline.looks_took.append(2.0)  # type: ignore[method-assign]
    loop = make_loop("a", steps=1000, evaluate_every=250)
    loop.deadline = deadline

    def tick(record: dict[str, Any]) -> None:
        now[0] += {"step": 1.0, "evaluation": 2.0}.get(record["kind"], 0.0)

    loop.run(tick)
    rates = [record["learning_rate"] for record in loop.folder.records("step")]
    assert 80 <= loop.done <= 95
    assert now[0] <= 95.0
    assert rates[-1] == pytest.approx(0.1 * 1e-2)  # final_fraction of the peak
    assert len(list(loop.folder.records("evaluation"))) == 4  # as many looks as were laid out
    assert next(loop.folder.records("plan"))["until"] == 100.0
