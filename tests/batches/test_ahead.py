"""Batches ahead of time: the same ones, whatever is asked for; with a stand-in for pinning, which needs a GPU."""

import threading
from collections.abc import Sequence

import pytest
import torch

from hornbook.batches import ahead
from hornbook.batches.ahead import Ahead, Pinned, pinned_ahead
from hornbook.errors import UserError

Batch = tuple[torch.Tensor, torch.Tensor]


def test_the_next_step_is_fetched_by_a_thread_and_any_other_at_once() -> None:
    fetched: list[tuple[int, str]] = []

    def fetch(step: int) -> int:
        fetched.append((step, threading.current_thread().name))
        return 10 * step

    items = Ahead(fetch)
    assert [items(step) for step in (0, 1, 2, 7, 8, 3)] == [0, 10, 20, 70, 80, 30]
    items._thread.shutdown()
    here = [step for step, thread in fetched if thread == "MainThread"]
    assert here == [0, 7, 3]
    assert [step for step, thread in fetched if thread != "MainThread"] == [1, 2, 3, 8, 9, 4]


def test_an_error_comes_with_its_own_step() -> None:
    def fetch(step: int) -> int:
        if step == 1:
            raise UserError("nothing to learn in the batch of step 2")
        return step

    items = Ahead(fetch)
    assert items(0) == 0
    with pytest.raises(UserError, match="step 2"):
        items(1)
    assert items(2) == 2


def test_own_microbatches_are_pinned_and_others_read_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    class Counted(Sequence[Batch]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, place: int) -> Batch:  # type: ignore[override]
            read.append(place)
            return torch.tensor([place]), torch.tensor([place])

    monkeypatch.setattr(ahead, "_pin", lambda batch: (batch[0] + 100, batch[1]))
    batches = pinned_ahead(lambda step: Counted(), lambda count: range(2, count))
    microbatches = batches(0)
    assert isinstance(microbatches, Pinned)
    batches._thread.shutdown()  # type: ignore[attr-defined]
    assert len(microbatches) == 4
    assert sorted(read) == [2, 2, 3, 3]  # of this step and the next
    assert [int(microbatches[place][0]) for place in range(4)] == [0, 1, 102, 103]
