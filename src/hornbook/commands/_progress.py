"""What a person sees of a run: one live line at a terminal, plain lines elsewhere. Always on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hornbook.device import peak_memory_bytes

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_SECONDS = 10.0  # how often a log file gets a line
LIVE_SECONDS = 0.1


class RunProgress:
    """Shows the records of the training loop: `report(record)` for each."""

    def __init__(self, steps: int, begun: int, bar: "Progress | None") -> None:
        self.steps, self.begun, self.bar = steps, begun, bar
        self.task = bar.add_task("", total=steps, completed=begun) if bar else None
        self.validation = ""
        self.started = self.shown = time.monotonic()

    def report(self, record: dict[str, Any]) -> None:
        """Show one record."""
        match record["kind"]:
            case "step":
                self._step(record)
            case "evaluation":
                self.validation = f"  val {record['validation_loss']:.3f}"
                self._line(f"step {record['step']}/{self.steps}  validation loss {record['validation_loss']:.4f}")
            case "plan":
                self._replan(record["steps"])
            case "sample":
                for text in record["texts"]:
                    self._line("    " + text.strip().replace("\n", "\n    "))

    def _step(self, record: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self.shown < (LIVE_SECONDS if self.bar else PLAIN_SECONDS) and record["step"] < self.steps:
            return
        self.shown = now
        left = (now - self.started) / max(1, record["step"] - self.begun) * (self.steps - record["step"])
        text = (
            f"{record['step']}/{self.steps}  loss {record['loss']:.3f}{self.validation}  "
            f"{record['tokens_per_second']:,} tok/s  {clock(left)} left  {peak_memory_bytes() / 1e6:,.0f} MB"
        )
        if self.bar and self.task is not None:
            self.bar.update(self.task, completed=record["step"], description=text)
        else:
            print("step " + text, file=sys.stderr, flush=True)

    def _replan(self, steps: int) -> None:
        """A run with a deadline is longer or shorter than it was thought to be."""
        self.steps = steps
        if self.bar and self.task is not None:
            self.bar.update(self.task, total=steps)

    def _line(self, text: str) -> None:
        if self.bar:
            self.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)


@contextmanager
def run_progress(steps: int, begun: int = 0, *, silent: bool = False) -> Iterator[RunProgress]:
    """Progress of a run of `steps` steps, `begun` of them already done; the live line goes away at the end.

    `silent` where another process of the same run shows it.
    """
    if silent or not sys.stderr.isatty():
        yield RunProgress(steps, begun, None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    with Progress(BarColumn(12), TextColumn("{task.description}"), console=console, transient=True) as bar:
        yield RunProgress(steps, begun, bar)


def clock(seconds: float) -> str:
    """A duration as minutes and seconds: 75.2 -> '1:15'; from an hour on '2:03:04'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
