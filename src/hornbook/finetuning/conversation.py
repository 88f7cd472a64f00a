"""Instructions and answers as rows of tokens: the prompt is read, the answer and its end are learned.

The prompt and the answer are encoded apart and joined. So the prompt's ids in training are, id for id, those that a
user's question has later, whatever the answer begins with.
"""

from dataclasses import dataclass

from hornbook.errors import UserError
from hornbook.finetuning.rows import Row, shifted
from hornbook.layers.loss import IGNORED
from hornbook.named_templates import ALPACA
from hornbook.tokenizers.base import Tokenizer


@dataclass(frozen=True, slots=True)
class Marked:
    """An example's tokens, and for each whether it is trained: what a person looks at to see what will be learned."""

    tokens: list[int]
    trained: list[bool]

    def row(self, max_length: int | None = None) -> Row:
        """The row for training; of a longer one the first `max_length` positions are kept, so the end may be lost.

        Errors: `UserError` where nothing trained is left.
        """
        row = shifted(self.tokens, self.trained)
        kept = Row(row.inputs[:max_length], row.targets[:max_length])
        if all(target == IGNORED for target in kept.targets):
            where = "" if max_length is None else f" within its first {max_length} tokens"
            raise UserError(f"an example of {len(self.tokens)} tokens has nothing to learn{where}")
        return kept


def alpaca_prompt(instruction: str, about: str = "") -> str:
    """The prompt of the template `alpaca`, up to where the answer begins; without input its section is left out.

    Source: Taori et al. 2023, "Stanford Alpaca".
    """
    section = f"\n\n### Input:\n{about}" if about else ""
    return f"{ALPACA}\n\n### Instruction:\n{instruction}{section}\n\n### Response:\n"


def mark(prompt: str, answer: str, tokenizer: Tokenizer, *, train_prompt: bool = False) -> Marked:
    """The tokens of prompt, answer and the end of the text; trained are the answer and the end, or all.

    Errors: `UserError` where the tokenizer has no end token: a model that never saw an end never stops.
    """
    end = tokenizer.end_of_text
    if end is None:
        raise UserError("this tokenizer has no end token, so an answer would never end")
    before, after = tokenizer.encode(prompt), [*tokenizer.encode(answer), end]
    return Marked(before + after, [train_prompt] * len(before) + [True] * len(after))
