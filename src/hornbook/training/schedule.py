"""The learning rate over a run, as a factor of each parameter group's own peak."""

import math
from typing import Literal

from pydantic import Field

from hornbook.config import Settings


class Schedule(Settings):
    """Warm up in a straight line to 1, then fall to `final_fraction`.

    kind cosine: half a cosine from the end of the warm-up to the last step (Loshchilov and Hutter 2017).
    kind warmup_stable_decay: stay at 1, then a straight line down over the last `decay_fraction` of the steps
    (Hu et al. 2024, MiniCPM). kind constant: stay at 1.
    """

    kind: Literal["cosine", "warmup_stable_decay", "constant"] = "cosine"
    warmup_steps: int = Field(default=0, ge=0)
    final_fraction: float = Field(default=0.1, ge=0, le=1)
    decay_fraction: float = Field(default=0.4, gt=0, le=1)

    def factor(self, step: int, steps: int) -> float:
        """The factor for update number `step` (from 0) of `steps`: the last update has exactly `final_fraction`."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        if self.kind == "constant":
            return 1.0
        last = max(1, steps - 1)
        begin = (
            self.warmup_steps if self.kind == "cosine" else max(self.warmup_steps, last - self.decay_fraction * steps)
        )
        progress = min(1.0, max(0.0, (step - begin) / max(1.0, last - begin)))
        fall = 0.5 * (1 + math.cos(math.pi * progress)) if self.kind == "cosine" else 1 - progress
        return self.final_fraction + (1 - self.final_fraction) * fall
