"""Letters and notices of the village with their labels: what a classifier is fine-tuned on, offline."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hornbook.corpora._generated import GeneratedCorpus
from hornbook.village.post import post


class VillageNotices(GeneratedCorpus):
    """`{"text": "...", "label": "letter" or "notice"}`, about as many of one as of the other."""

    name = "village-notices"
    description = "letters and notices of the village with their labels, made here"
    usual_count = 1500

    def example(self, part: str, index: int) -> Mapping[str, Any]:
        """Letter or notice `index`."""
        return asdict(post(self.seed, part, index))

    def text_of(self, example: Mapping[str, Any]) -> str:
        """The text without its label."""
        return str(example["text"])
