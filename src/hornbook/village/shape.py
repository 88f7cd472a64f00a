"""A story shape: a short function that scripts events for whatever cast it is given."""

from collections.abc import Callable
from dataclasses import dataclass

from hornbook.village.casting import ANY, Cast, Needs
from hornbook.village.telling import Telling


@dataclass(frozen=True, slots=True)
class Shape:
    """What happens (`tell`), and what the shape asks of its thing and its place."""

    tell: Callable[[Telling, Cast], None]
    needs: Needs = ANY

    @property
    def name(self) -> str:
        """The function's name: 'lost_and_found'."""
        return self.tell.__name__
