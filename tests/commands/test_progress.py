"""What a person sees while a model trains: a live line at a terminal, plain lines elsewhere, always on stderr."""

import io
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from hornbook.commands import _progress
from hornbook.commands._progress import RunProgress, clock, run_progress


def step(number: int, loss: float) -> dict[str, Any]:
    return {"kind": "step", "step": number, "loss": loss, "tokens_per_second": 12345}


def test_a_log_gets_plain_lines_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with run_progress(steps=40) as progress:
        for number in range(1, 41):
            progress.report(step(number, 5.0 - number / 10))
            if number == 20:
                progress.report({"kind": "evaluation", "step": 20, "validation_loss": 3.25})
                progress.report({"kind": "sample", "step": 20, "texts": ["Once\nupon"]})
    out, err = capsys.readouterr()
    assert out == ""
    evaluated, first, second, last = err.splitlines()  # of forty quick steps only the last has a line of its own
    assert evaluated == "step 20/40  validation loss 3.2500"
    assert (first, second) == ("    Once", "    upon")
    assert last.startswith("step 40/40  loss 1.000  val 3.250  12,345 tok/s  0:00 left  ")


def test_a_terminal_has_one_line_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "LIVE_SECONDS", 0.0)
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Progress(TextColumn("{task.description}"), console=screen, auto_refresh=False) as bar:
        progress = RunProgress(40, 10, bar)  # a resumed run: ten steps are done
        (task,) = bar.tasks
        assert (task.completed, task.total) == (10, 40)
        progress.report(step(11, 4.5))
        assert task.completed == 11
        assert task.description.startswith("11/40  loss 4.500  12,345 tok/s  ")


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (75.2, "1:15"), (7384, "2:03:04")])
def test_a_duration_is_read_at_a_glance(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
