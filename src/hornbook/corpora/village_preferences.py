"""A true and a false answer to questions about stories of the village: what a model learns to prefer from, offline."""

from collections.abc import Mapping
from typing import Any

from hornbook.corpora._generated import GeneratedCorpus
from hornbook.village.examples import preference


class VillagePreferences(GeneratedCorpus):
    """`{"instruction": story and question, "input": "", "chosen": the true answer, "rejected": a false one}`."""

    name = "village-preferences"
    description = "questions about stories of the village, each with a true answer and a false one, made here"
    usual_count = 2000

    def example(self, part: str, index: int) -> Mapping[str, Any]:
        """Pair `index`."""
        return preference(self.seed, part, index)

    def text_of(self, example: Mapping[str, Any]) -> str:
        """The story, the question and the true answer."""
        return f"{example['instruction']}\n{example['chosen']}"
