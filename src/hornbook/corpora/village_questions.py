"""Conversations about stories of the village: what an assistant is fine-tuned on, offline."""

from collections.abc import Mapping
from typing import Any

from hornbook.corpora._generated import ConversationCorpus
from hornbook.village.examples import conversation


class VillageQuestions(ConversationCorpus):
    """`{"messages": [...]}`: a story with a question, its answer, then further questions on the same story."""

    name = "village-questions"
    description = "conversations about stories of the village, made here; every answer is true"
    usual_count = 6000

    def example(self, part: str, index: int) -> Mapping[str, Any]:
        """Conversation `index`."""
        return conversation(self.seed, part, index)
