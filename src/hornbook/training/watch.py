"""Whether the numbers of a step are wrong: not finite, or so far above all before that no learning makes them.

A healthy training has spikes. A model that has learned a small text to a loss of 0.00001 answers the first odd batch
with 40,000 times its usual gradient, and a rate that is much too high at the start is often survived. So an explosion
must lie above what is usual and above the largest that was ever seen, and above a floor; the log has the measurements.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

WINDOW = 100  # steps whose median is the usual
FEWEST = 10  # steps before a gradient can be called unusual
TIMES_USUAL = 1000.0
TIMES_LARGEST = 10.0
NORM_FLOOR = 1.0  # a usual gradient norm counts as no less: that of a learned text falls to nothing
LOSS_FLOOR = 1000.0  # nats: runs at a hundredfold rate came back from 74, and a sure bigram met an odd batch with 135


class Watch:
    """Judges each step by the steps that were remembered.

    Remember the recorded steps only. Then a resumed run, which knows no others, judges as one that was never stopped.
    """

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._norms: deque[float] = deque(maxlen=WINDOW)
        self._largest_loss = self._largest_norm = 0.0

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> "Watch":
        """The watch that has seen the records of metrics.jsonl; those of other kinds than "step" are passed over."""
        watch = cls()
        for record in records:
            if record["kind"] == "step":
                watch.remember(record["loss"], record["gradient_norm"])
        return watch

    def remember(self, loss: float, norm: float) -> None:
        """Take the loss (nats per token) and the gradient norm (before clipping) of a step that was right."""
        self._losses.append(loss)
        self._norms.append(norm)
        self._largest_loss = max(self._largest_loss, loss)
        self._largest_norm = max(self._largest_norm, norm)

    @property
    def usual(self) -> dict[str, float]:
        """The medians of the last steps, {"loss", "gradient_norm"}; {} before there are any."""
        if not self._losses:
            return {}
        return {"loss": median(self._losses), "gradient_norm": median(self._norms)}

    def judge(self, loss: float, norm: float) -> str | None:
        """What is wrong with a step, in a few words, or None: 3.1, nan -> "the gradient is no longer a number"."""
        for name, value in (("loss", loss), ("gradient", norm)):
            if math.isnan(value):
                return f"the {name} is no longer a number"
            if math.isinf(value):
                return f"the {name} is infinite"
        if self._losses and loss > max(LOSS_FLOOR, TIMES_LARGEST * self._largest_loss):
            return _far_above("loss", loss, self.usual["loss"])
        if norm > TIMES_USUAL * NORM_FLOOR and self._far_above_all(
            norm
        ):  # the first comparison is all that a step costs
            return _far_above("gradient norm", norm, self.usual["gradient_norm"])
        return None

    def _far_above_all(self, norm: float) -> bool:
        if len(self._norms) < FEWEST:
            return False
        return norm > max(TIMES_USUAL * self.usual["gradient_norm"], TIMES_LARGEST * self._largest_norm)


def _far_above(name: str, value: float, usual: float) -> str:
    """'loss', 8.1e5, 12.3 -> 'the loss 8.1e+05 is 66,000 times the usual 12.3'."""
    times = f"{float(f'{value / usual:.2g}'):,.0f} times" if usual > 0 else "far above"
    return f"the {name} {value:.3g} is {times} the usual {usual:.3g}"
