"""What pairs of answers teach an assistant of the village: `python benchmarks/preferences.py OUT --model RUN`.

RUN is what `hornbook quickstart --chat` made, runs/quickstart-chat/chat. `hornbook finetune preference` learns from
`village-preferences`, whose stories are for training. Before and after it, the same measures of stories that belong to
the test: of pairs, how often the true answer is the likelier one, and of questions, how many are answered exactly and
how many answers end by themselves. Further flags go to the fine-tuning.
"""

import argparse
import math
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor

import hornbook
from hornbook.corpora.village_preferences import VillagePreferences
from hornbook.evaluation._intervals import NORMAL, Interval, wilson
from hornbook.evaluation.village_questions import VillageQuestions
from hornbook.finetuning.preference import both_log_probabilities, pad_pairs
from hornbook.finetuning.preference_data import make_pairs, read_preferences
from hornbook.finetuning.rows import in_order, padding_id
from hornbook.generation.generate import LanguageModel
from hornbook.layers.evaluating import evaluating

SEED = 2  # of the test pairs; those to learn from have 1
TOGETHER = 16


@dataclass(frozen=True)
class Measured:
    """Of the same pairs and questions: ln p(chosen) - ln p(rejected) of each pair, right answers, answers that ended."""

    margins: Tensor
    right: list[bool]
    ended: list[bool]


def main() -> None:
    """Measure, train, measure again, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--learn", type=int, default=2000, help="pairs to learn from and to choose the weights by")
    parser.add_argument("--pairs", type=int, default=1000, help="test pairs")
    parser.add_argument("--questions", type=int, default=600)
    asked, flags = parser.parse_known_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    tested = VillagePreferences(count=asked.pairs, seed=SEED).write(asked.out / "test.jsonl", "test")
    begun = measured(asked.model, tested, asked.questions)
    learned = VillagePreferences(count=asked.learn).write(asked.out / "learn.jsonl")
    words = ["finetune", "preference", asked.model, "--data", str(learned), "--out", str(asked.out / "run"), "--json"]
    subprocess.run([sys.executable, "-m", "hornbook", *words, *flags], stdout=subprocess.PIPE, check=True)
    done = measured(str(asked.out / "run"), tested, asked.questions)
    for line in table(begun, done):
        print(line, flush=True)


def measured(folder: str, pairs: Path, questions: int) -> Measured:
    """The measures of a model folder or a run."""
    model = hornbook.load(folder)
    items = VillageQuestions(count=questions).run(model, None).items or []
    return Measured(margins_of(model, pairs), [each["is_right"] for each in items], [each["ended"] for each in items])


def margins_of(model: LanguageModel, path: Path) -> Tensor:
    """How much likelier the chosen answer of each pair is, (N,) nats."""
    template = model.conventions.template
    assert template is not None
    pairs = make_pairs(read_preferences(path), template, model.tokenizer, model.config.context_length).pairs
    collate = partial(pad_pairs, pad_id=padding_id(model.tokenizer))
    known = [pair._replace(reference_margin=0.0) for pair in pairs]
    with evaluating(model.model):
        found = torch.cat(
            [both_log_probabilities(model.model, batch) for batch, _ in in_order(known, collate, TOGETHER)]
        )
    return found[:, 0] - found[:, 1]


def table(begun: Measured, done: Measured) -> list[str]:
    """Lines of both, each share with its interval, and of the differences between the same pairs or questions."""
    rows = {
        "true answer the likelier": ((begun.margins > 0).tolist(), (done.margins > 0).tolist()),
        "questions answered exactly": (begun.right, done.right),
        "answers that ended": (begun.ended, done.ended),
    }
    lines = [
        f"{name}: {share(before)} before, {share(after)} after, {of_differences(before, after)} of {len(before):,}"
        for name, (before, after) in rows.items()
    ]
    gained = (done.margins - begun.margins).tolist()
    told = f"margin: {begun.margins.mean():.2f} nats before, {done.margins.mean():.2f} after"
    return [*lines, f"{told}, larger in {share([each > 0 for each in gained])} of {len(gained):,}"]


def share(found: list[bool]) -> str:
    """A share with Wilson's interval, in percent."""
    interval = wilson(sum(found), len(found))
    return f"{100 * interval.value:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def of_differences(before: list[bool], after: list[bool]) -> str:
    """The mean of the differences item by item, with its 95 % interval, in points."""
    changes = [float(later) - float(first) for first, later in zip(before, after, strict=True)]
    reach = NORMAL * stdev(changes) / math.sqrt(len(changes))
    interval = Interval(mean(changes), mean(changes) - reach, mean(changes) + reach)
    return f"{100 * interval.value:+.1f} points ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"


if __name__ == "__main__":
    main()
