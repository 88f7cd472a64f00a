"""Open questions: what does the model answer, and how like is it to what is right?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hornbook.batches.dataset import Dataset
from hornbook.evaluation._asking import Reply, replies
from hornbook.evaluation._chat_address import ChatAddress
from hornbook.evaluation._intervals import Interval, wilson
from hornbook.evaluation._judge import Verdict, judge
from hornbook.evaluation._matching import best, exact_match, rouge_l, word_f1
from hornbook.evaluation._questions import OpenQuestion, repeated
from hornbook.evaluation.base import Evaluation, Findings
from hornbook.generation.generate import LanguageModel

SHOWN = 4  # exact answers and others, of each
EXACT, JUDGED = "exact match (share)", "judge's score (0 to 100)"
MEASURES = {EXACT: exact_match, "word F1": word_f1, "ROUGE-L (F1)": rouge_l}


def _silent(_: str) -> None: ...


@dataclass(frozen=True)
class Answers(Evaluation):
    """Questions answered greedily, compared with the right answer, of several with the nearest.

    With a `judge`, another model gives each answer a score too. `notify` gets a line for each of its failures.
    """

    description: ClassVar[str] = "open questions, answered greedily"
    questions: tuple[OpenQuestion, ...] = ()
    max_new_tokens: int = 128
    judge: ChatAddress | None = None
    notify: Callable[[str], None] = _silent

    def reason_to_skip(self, language_model: LanguageModel, dataset: Dataset | None) -> str | None:
        """There are no questions."""
        return None if self.questions else 'no questions; name a file of {"question", "answer"} with --data'

    def run(self, language_model: LanguageModel, dataset: Dataset | None) -> Findings:
        """Means with their intervals.

        Errors: `UserError` with the place of a question that the model can't read, or where the judge says nothing.
        """
        found = replies(language_model, [question.prompt for question in self.questions], self.max_new_tokens)
        items = [_item(question, reply) for question, reply in zip(self.questions, found, strict=True)]
        count = len(items)
        means = {name: wilson(sum(item[name] for item in items), count) for name in MEASURES}
        means["ended by themselves (share)"] = wilson(sum(reply.ended for reply in found), count)
        numbers: dict[str, float] = {name: mean.value for name, mean in means.items()}
        numbers["questions"] = count
        if self.judge:
            verdicts = judge(
                self.judge,
                [(item["question"], item["answers"], item["answer"]) for item in items],
                self.notify,
            )
            for item, verdict in zip(items, verdicts, strict=True):
                item |= {"score": verdict.score, "verdict": verdict.said}
            means |= _mean_score(verdicts)
            numbers |= {JUDGED: means[JUDGED].value} if JUDGED in means else {}
            numbers |= _counts(verdicts)
        notes = repeated(self.questions)
        if cut := sum(reply.cut for reply in found):
            notes.append(f"prompts too long for the context, whose beginning was not read: {cut} of {count}")
        intervals = {name: (mean.low, mean.high) for name, mean in means.items()}
        return Findings(numbers, _examples(items), intervals, notes, items)


def _item(question: OpenQuestion, reply: Reply) -> dict[str, Any]:
    scores = {name: best(measure, reply.text, question.answers) for name, measure in MEASURES.items()}
    return {
        "place": question.prompt.place,
        "question": question.prompt.said,
        "answers": list(question.answers),
        "answer": reply.text,
        "ended": reply.ended,
        "cut": reply.cut,
        **scores,
    }


def _mean_score(verdicts: Sequence[Verdict]) -> dict[str, Interval]:
    """The judge's mean over the answers that got a score; nothing where none did."""
    scores = [verdict.score for verdict in verdicts if verdict.score is not None]
    if not scores:
        return {}
    share = wilson(sum(scores) / 100, len(scores))
    return {JUDGED: Interval(share.value * 100, share.low * 100, share.high * 100)}


def _counts(verdicts: Sequence[Verdict]) -> dict[str, float]:
    return {
        "judged": sum(verdict.score is not None for verdict in verdicts),
        "verdicts that are no score": sum(verdict.answered and verdict.score is None for verdict in verdicts),
        "without a verdict": sum(not verdict.answered for verdict in verdicts),
    }


def _examples(items: list[dict[str, Any]]) -> list[dict[str, str]]:
    """A few exact answers, then a few others."""
    exact = [item for item in items if item[EXACT]]
    others = [item for item in items if not item[EXACT]]
    return [
        {"question": item["question"], "right": " | ".join(item["answers"]), "answer": item["answer"]}
        | ({"score": str(item["verdict"])} if "verdict" in item else {})
        for item in [*exact[:SHOWN], *others[:SHOWN]]
    ]
