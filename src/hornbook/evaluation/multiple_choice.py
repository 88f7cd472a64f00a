"""Multiple choice: which of several answers does the model find likeliest?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hornbook.batches.dataset import Dataset
from hornbook.errors import UserError
from hornbook.evaluation._asking import can_chat, cut_left, prompt_ids
from hornbook.evaluation._intervals import wilson
from hornbook.evaluation._questions import ChoiceQuestion, repeated
from hornbook.evaluation._scoring import room_for, score_endings, split
from hornbook.evaluation.base import Evaluation, Findings
from hornbook.generation.conversation import require_known
from hornbook.generation.generate import LanguageModel

SHOWN = 4  # right answers and wrong ones, of each


@dataclass(frozen=True, slots=True)
class Weighed:
    """A question's choices by the logarithms (nats) of their probabilities, with their sizes."""

    question: ChoiceQuestion
    scores: tuple[float, ...]
    num_tokens: tuple[int, ...]
    cut: bool

    def chosen(self, unit: str) -> int:
        """The likeliest choice by the sum of its tokens, or by their mean "per token" or "per byte" of its text."""
        sizes: Sequence[int] = [1] * len(self.scores)
        if unit == "per token":
            sizes = self.num_tokens
        elif unit == "per byte":
            sizes = [len(choice.encode()) for choice in self.question.choices]
        means = [score / size for score, size in zip(self.scores, sizes, strict=True)]
        return means.index(max(means))


UNITS = ("sum", "per token", "per byte")


@dataclass(frozen=True)
class MultipleChoice(Evaluation):
    """The share of questions whose right choice has the highest probability behind the prompt.

    The sum of the logarithms favours short choices, so there are the mean per token and per byte of the choice too.
    Prompt and choice are encoded together, as a text is in training. Where a tokenizer joins the end of the prompt with
    the beginning of a choice, that token counts to the choice, for all choices of the question. With a chat template
    they are encoded apart, as fine-tuning does. A prompt too long for the context loses its beginning.
    """

    description: ClassVar[str] = "multiple choice: the right answer is the likeliest"
    questions: tuple[ChoiceQuestion, ...] = ()

    def reason_to_skip(self, language_model: LanguageModel, dataset: Dataset | None) -> str | None:
        """There are no questions."""
        return None if self.questions else 'no questions; name a file of {"question", "choices", "answer"} with --data'

    def run(self, language_model: LanguageModel, dataset: Dataset | None) -> Findings:
        """The shares with Wilson's intervals, and what chance gives. Errors: `UserError` with the place of a question."""
        weighed = [weigh(language_model, question) for question in self.questions]
        count = len(weighed)
        numbers, intervals = {}, {}
        for unit in UNITS:
            right = sum(each.chosen(unit) == each.question.right for each in weighed)
            found = wilson(right, count)
            name = f"right, {unit} (share)"
            numbers[name], intervals[name] = found.value, (found.low, found.high)
        numbers["by chance (share)"] = sum(1 / len(question.choices) for question in self.questions) / count
        notes = repeated(self.questions)
        if cut := sum(each.cut for each in weighed):
            notes.append(f"prompts longer than the context, whose beginning was not read: {cut} of {count}")
        items = [_item(each) for each in weighed]
        wrong = [item for item in items if item["chosen"] != item["right"]]
        right_ones = [item for item in items if item["chosen"] == item["right"]]
        examples = [
            {key: str(item[key]) for key in ("question", "right", "chosen")}
            for item in [*right_ones[:SHOWN], *wrong[:SHOWN]]
        ]
        return Findings(numbers | {"questions": count}, examples, intervals, notes, items)


def weigh(language_model: LanguageModel, question: ChoiceQuestion) -> Weighed:
    """What the model gives each choice of a question. Errors: `UserError` with its place where it can't be read."""
    beginning, endings, cut = boundary(language_model, question)
    scores = tuple(each.log_probability for each in score_endings(language_model, beginning, endings))
    return Weighed(question, scores, tuple(map(len, endings)), cut)


def boundary(language_model: LanguageModel, question: ChoiceQuestion) -> tuple[list[int], list[list[int]], bool]:
    """The tokens that all choices of a question have before them, those of each choice, and whether a part was cut.

    Errors: `UserError` with the place of what the model can't read, or of a choice that doesn't fit into the context.
    """
    prompt, tokenizer = question.prompt, language_model.tokenizer
    try:
        if can_chat(language_model):
            for choice in question.choices:
                require_known("a choice", choice, tokenizer)
            endings = [tokenizer.encode(choice) for choice in question.choices]
            beginning, cut = prompt_ids(language_model, prompt, room_for(language_model, endings))
            return beginning, endings, cut
        assert prompt.written is not None
        beginning, endings = split(
            language_model.prompt_ids, prompt.written, [prompt.gap + each for each in question.choices]
        )
        beginning, cut = cut_left(language_model, beginning, room_for(language_model, endings))
        return beginning, endings, cut
    except UserError as error:
        raise UserError(f"{prompt.place}: {str(error).removeprefix(f'{prompt.place}: ')}") from None


def _item(each: Weighed) -> dict[str, object]:
    question = each.question
    return {
        "place": question.prompt.place,
        "question": question.prompt.said,
        "choices": list(question.choices),
        "right": question.choices[question.right],
        "chosen": question.choices[each.chosen("sum")],
        "log_probabilities": [round(score, 5) for score in each.scores],
        "tokens": list(each.num_tokens),
        "cut": each.cut,
    }
