"""Conversations about facts of the village and nothing else: what an assistant learns to look things up with."""

from collections.abc import Mapping
from typing import Any

from hornbook.corpora._generated import ConversationCorpus
from hornbook.village.examples import looking_up


class VillageFacts(ConversationCorpus):
    """`{"messages": [...]}`: who has what and where in a row, then a question on each, with its answer."""

    name = "village-facts"
    description = "conversations about who has what and where, without a story; every answer is true"
    usual_count = 2400

    def example(self, part: str, index: int) -> Mapping[str, Any]:
        """Conversation `index`."""
        return looking_up(self.seed, part, index)
