"""Tasks of lm-eval, EleutherAI's Language Model Evaluation Harness: public ones by name, or one's own .yaml files."""

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from hornbook.batches.dataset import Dataset
from hornbook.errors import UserError
from hornbook.evaluation._asking import can_chat
from hornbook.evaluation._intervals import NORMAL
from hornbook.evaluation.base import Evaluation, Findings
from hornbook.generation.generate import LanguageModel


@dataclass(frozen=True)
class Harness(Evaluation):
    """What lm-eval measures with its tasks, by its own rules; models with a chat template are asked through it.

    Public tasks fetch their data from Hugging Face's hub. Intervals: 1.96 of the standard errors that lm-eval gives.
    """

    description: ClassVar[str] = "tasks of lm-eval"
    tasks: tuple[str, ...] = ()

    def reason_to_skip(self, language_model: LanguageModel, dataset: Dataset | None) -> str | None:
        """There are no tasks, or the package is missing."""
        if not self.tasks:
            return "no task; name one with --task, or a .yaml file"
        return None if find_spec("lm_eval") else "the package lm-eval is missing: pip install 'hornbook[eval]'"

    def run(self, language_model: LanguageModel, dataset: Dataset | None) -> Findings:
        """The metrics of each task. Errors: `UserError` for a task that doesn't exist or can't be loaded."""
        from lm_eval import simple_evaluate
        from lm_eval.tasks import TaskManager

        from hornbook.evaluation._lm_eval import HarnessModel

        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        manager = TaskManager(include_defaults=any(not Path(task).is_file() for task in self.tasks))
        try:
            manager.load(list(self.tasks))
        except (KeyError, ValueError, TypeError, OSError) as error:
            raise UserError(f"lm-eval can't load the tasks {', '.join(self.tasks)}: {error}") from None
        found = simple_evaluate(
            HarnessModel(language_model),
            tasks=list(self.tasks),
            task_manager=manager,
            apply_chat_template=can_chat(language_model),
            bootstrap_iters=1000,
        )
        return findings(found["results"], found.get("samples") or {})


def findings(results: dict[str, dict[str, Any]], samples: dict[str, list[dict[str, Any]]]) -> Findings:
    """lm-eval's results as ours: {"task": {"acc,none": 0.5, "acc_stderr,none": 0.1}} -> "task acc": 0.5, 0.304 to 0.696."""
    numbers: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    for task, row in results.items():
        for key, value in row.items():
            metric, _, chosen = key.partition(",")
            if not isinstance(value, int | float) or not chosen or metric.endswith("_stderr"):
                continue
            name = f"{task} {metric}" + ("" if chosen == "none" else f" ({chosen})")
            numbers[name] = float(value)
            error = row.get(f"{metric}_stderr,{chosen}")
            if isinstance(error, int | float):
                intervals[name] = value - NORMAL * error, value + NORMAL * error
        numbers[f"{task} questions"] = len(samples.get(task, []))
    items = [{"task": task, "answers": each.get("filtered_resps")} for task, rows in samples.items() for each in rows]
    return Findings(numbers, intervals=intervals, items=items)
