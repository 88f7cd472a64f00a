"""What was written for another program, whatever the format."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Exported:
    """What was written: the architecture, how each tensor is stored, and what the user should know."""

    architecture: str
    types: dict[str, str]  # tensor -> f32, f16, q8_0, q4_0
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many tensors are stored how: {"q8_0": 14, "f32": 9}."""
        return dict(Counter(self.types.values()).most_common())
