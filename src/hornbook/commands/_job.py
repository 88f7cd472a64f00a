"""A training of any kind, its settings checked: what train, resume and replay need to know of it.

settings of a recipe or of a run.toml -> Job -> Parts -> Loop -> what is kept and said at the end
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from hornbook.config import Layer
from hornbook.training.distributed import World
from hornbook.training.loop import Loop
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training


class Job(ABC):
    """One training. `new` begins it, `of_run` finds it again in the settings of its run; both check everything."""

    training: Training
    schedule: Schedule

    @classmethod
    @abstractmethod
    def new(cls, layer: Layer, data: Path | None, out: Path, world: World, bf16_unit: bool = False) -> Self:
        """The job of a recipe, whose run is to be `out`; `data` is given where it isn't the recipe's own.

        `bf16_unit`: the device of every process has one, which `training.precision = "auto"` asks for.
        Of several processes each calls it in its turn. Errors: `UserError` for what is wrong with settings or data.
        """

    @classmethod
    @abstractmethod
    def of_run(cls, run: Path, settings: Layer) -> Self:
        """The job that `run` was begun with. Errors: `UserError` where what it learns from is gone, or another by now."""

    @staticmethod
    @abstractmethod
    def check(layer: Layer) -> Training:
        """Check all settings, without looking at any data. Errors: `UserError` for the first that is not allowed."""

    @abstractmethod
    def settings(self, run: Path) -> Layer:
        """What the run.toml of `run` holds: every setting with its value."""

    @abstractmethod
    def build(self, device: str, world: World) -> Parts:
        """What the loop is made of, as it stands before the first step."""

    @abstractmethod
    def about(self, parts: Parts) -> str:
        """One line before the first step, which begins with "N parameters, "."""

    def trained(self, parts: Parts) -> list[str]:
        """What trains, in lines, where that isn't all of the model."""
        return []

    @abstractmethod
    def finish(self, loop: Loop) -> tuple[dict[str, Any], list[str]]:
        """Keep the best weights as the run's model folder; what came out, for programs and, a line each, for people."""

    @abstractmethod
    def evaluation_steps(self, loop: Loop) -> float:
        """How many steps read as much as one evaluation does."""

    def predicted_peak(self, loop: Loop, process: int) -> int | None:
        """The bytes that the run was to need, `process` of them the program itself; None where nothing predicts them."""
        return None
