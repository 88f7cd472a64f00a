"""Questions about stories of the village, whose truth is known: does the model say where the kite is?"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, ClassVar

from hornbook.batches.dataset import Dataset
from hornbook.errors import UserError
from hornbook.evaluation._asking import can_chat, prompt_ids, replies
from hornbook.evaluation._intervals import wilson
from hornbook.evaluation._questions import Prompt, question_prompt
from hornbook.evaluation.base import Evaluation, Findings
from hornbook.generation.generate import LanguageModel
from hornbook.village.asking import Question
from hornbook.village.stories import stories

SHOWN = 4  # right answers and wrong ones, of each
CHAT_TOKENS = 64  # an assistant's answer may be so long; a written one as long as the longest right one


@dataclass(frozen=True)
class VillageQuestions(Evaluation):
    """One question on each of `count` test stories, answered greedily; right is the exact answer and nothing else.

    The test stories bring together names, things and places that no training story does, so a model that only
    remembers its training stories fails. A model with a chat template is asked in a message: the story, an empty line,
    the question. A story too long for the context loses its beginning before the answer, not in the middle of it.
    """

    description: ClassVar[str] = "questions about new stories of the village, by kind"
    count: int = 200
    seed: int = 0

    def reason_to_skip(self, language_model: LanguageModel, dataset: Dataset | None) -> str | None:
        """The model learned from another text, or its tokenizer can't write the village's stories."""
        if dataset and dataset.info["made_from"]["source"].get("corpus") != "village":
            return "the data is not the village's"
        unknown = language_model.tokenizer.unknown_parts(
            " ".join(str(prompt.written) for prompt, _ in self.questions())
        )
        if unknown:
            return f"the tokenizer doesn't know the village's '{next(iter(unknown))}'"
        try:
            prompt_ids(language_model, self.questions()[0][0], language_model.config.context_length)
        except UserError as error:
            return str(error)
        return None

    def questions(self) -> list[tuple[Prompt, Question]]:
        """(prompt, question) pairs, one a story; the questions of a story stand in random order already."""
        told = enumerate(stories(self.seed, self.count, part="test"), 1)
        return [
            (question_prompt(f"story {number}", story.questions[0].text, story.text), story.questions[0])
            for number, story in told
        ]

    def run(self, language_model: LanguageModel, dataset: Dataset | None) -> Findings:
        """The share of right answers, in all and by kind of question, with Wilson's intervals, and a few answers."""
        asked = self.questions()
        longest = 1 + max(len(language_model.tokenizer.encode(" " + question.answer)) for _, question in asked)
        limit = max(longest, CHAT_TOKENS) if can_chat(language_model) else longest
        found = replies(language_model, [prompt for prompt, _ in asked], limit)
        items: list[dict[str, Any]] = [
            {
                "kind": question.kind, "story": prompt.said.removesuffix(question.text).strip(),
                "question": question.text, "right": question.answer, "answer": reply.text,
                "is_right": reply.text == question.answer, "ended": reply.ended, "cut": reply.cut,
            }
            for (prompt, question), reply in zip(asked, found, strict=True)
        ]  # fmt: skip
        kinds: dict[str, list[bool]] = defaultdict(list)
        for item in items:
            kinds[f"right, {item['kind']} (share)"].append(item["is_right"])
        rows = {"right (share)": [item["is_right"] for item in items], **dict(sorted(kinds.items()))}
        shares = {name: wilson(sum(row), len(row)) for name, row in rows.items()}
        shares["ended by themselves (share)"] = wilson(sum(reply.ended for reply in found), len(found))
        numbers: dict[str, float] = {name: share.value for name, share in shares.items()}
        intervals = {name: (share.low, share.high) for name, share in shares.items()}
        cut = sum(reply.cut for reply in found)
        notes = (
            [f"stories too long for the context, whose beginning was not read: {cut} of {len(found)}"] if cut else []
        )
        return Findings(numbers | {"questions": len(asked)}, _examples(items), intervals, notes, items)


def _examples(items: list[dict[str, Any]]) -> list[dict[str, str]]:
    """A few right answers, then a few wrong ones."""
    right = [item for item in items if item["is_right"]]
    wrong = [item for item in items if not item["is_right"]]
    columns = ("question", "right", "answer")
    return [{column: item[column] for column in columns} for item in [*right[:SHOWN], *wrong[:SHOWN]]]
