"""Questions about stories of the village, whose truth is known: does the model say where the kite is?"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from hornbook.batches.dataset import Dataset
from hornbook.evaluation.base import Evaluation, Findings
from hornbook.generation.generate import LanguageModel
from hornbook.village.asking import Question
from hornbook.village.stories import prompt, stories

STOPS = ("\n", "Question:")  # a word tokenizer knows no line ends: there the next question ends the answer
SHOWN = 8


@dataclass(frozen=True)
class VillageQuestions(Evaluation):
    """One question on each of `count` test stories, answered greedily; right is the exact answer and nothing else.

    The test stories bring together names, things and places that no training story does, so a model that only
    remembers its training stories fails.
    """

    description: ClassVar[str] = "questions about new stories of the village, by kind"
    count: int = 200
    seed: int = 0

    def reason_to_skip(self, language_model: LanguageModel, dataset: Dataset | None) -> str | None:
        """The model learned from another text, or its tokenizer can't write the village's stories."""
        if dataset and dataset.info["made_from"]["source"].get("corpus") != "village":
            return "the data is not the village's"
        unknown = language_model.tokenizer.unknown_parts(" ".join(text for text, _ in self.questions()))
        return f"the tokenizer doesn't know the village's '{next(iter(unknown))}'" if unknown else None

    def questions(self) -> list[tuple[str, Question]]:
        """(prompt, question) pairs, one a story; the questions of a story stand in random order already."""
        told = stories(self.seed, self.count, part="test")
        return [(prompt(story, story.questions[0]), story.questions[0]) for story in told]

    def run(self, language_model: LanguageModel, dataset: Dataset | None) -> Findings:
        """The share of right answers, in all and by kind of question, and the first few answers."""
        asked = self.questions()
        answers = self.answers(language_model, asked)
        right = [answer == question.answer for answer, (_, question) in zip(answers, asked, strict=True)]
        kinds: dict[str, list[bool]] = defaultdict(list)
        for (_, question), is_right in zip(asked, right, strict=True):
            kinds[question.kind].append(is_right)
        numbers = {"right (share)": sum(right) / len(right)}
        numbers |= {f"right, {kind} (share)": sum(rows) / len(rows) for kind, rows in sorted(kinds.items())}
        examples = (
            {"question": question.text, "right": question.answer, "answer": answer}
            for answer, (_, question) in zip(answers, asked, strict=True)
        )
        return Findings(numbers | {"questions": len(asked)}, list(islice(examples, SHOWN)))

    def answers(self, language_model: LanguageModel, asked: list[tuple[str, Question]]) -> list[str]:
        """What the model says to each question, up to the end of the line.

        A story longer than the context loses its beginning before the answer, not in the middle of it.
        """
        longest = 1 + max(len(language_model.tokenizer.encode(" " + question.answer)) for _, question in asked)
        room = max(1, language_model.config.context_length - longest)
        prompts = [language_model.prompt_ids(text)[-room:] for text, _ in asked]
        texts = language_model.generate_many(prompts, max_new_tokens=longest, stop=STOPS, temperature=0)
        return [text.strip() for text in texts]
