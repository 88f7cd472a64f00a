"""Whether two programs compute the same with one model: the ids of hard strings, logits of fixed prompts, greedy tokens.

Nothing here knows which programs they are: each gives a function from text to ids and one from tokens to logits.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from hornbook.errors import Failed, UserError
from hornbook.tokenizers.base import Tokenizer

HARD_STRINGS = (
    "", " ", "  two  spaces ", "\n", "\r\n\r\n", "\t tab\n \n", "Once upon a time", "don't, I'LL, we've",
    "1862 + 3.14159 = 1865,14", "٠١٢ ½ Ⅷ 二", "naïve Größe œuvre", "e\u0301 and \u00e9", "日本語のテキスト", "Привет, мир!",
    "مرحبا", "नमस्ते", "👩‍👩‍👧 🦊🏽", "\u200bzero\u00a0width\ufeff", "f(x):\n\treturn x**2  # {}[]<>\\", "aaaaaaaaaaaaaaaaaaaaa",
    "https://example.org/?q=a%20b&c=d_e", "CamelCase snake_case SCREAMING", "\x00\x07\x7f", "…—“quoted”‘s",
)  # fmt: skip
OWN_WORDS = 256
PROMPTS = ("Once upon a time", "The capital of France is", "1, 2, 3, 4, 5,")
NEW_TOKENS = 32
TOLERANCE = 1e-4  # of the largest logit (or of 1): what float32 loses by adding in another order


@dataclass(frozen=True)
class Answers:
    """What one program says: ids of each hard string; logits (T, V) and greedy tokens of each prompt."""

    ids: list[list[int]]
    logits: list[Tensor]
    greedy: list[list[int]]


@dataclass(frozen=True)
class Report:
    """What was compared and how far apart it was; `margin` is what the largest difference may be."""

    strings: int
    prompts: int
    largest_difference: float
    margin: float
    greedy_tokens: int

    def facts(self) -> dict[str, Any]:
        """For JSON and the model card."""
        return asdict(self)


def prompts_for(tokenizer: Tokenizer, vocab_size: int, context_length: int) -> list[list[int]]:
    """The prompts as ids, and one of ids from all over the vocabulary; short enough that the new tokens fit."""
    room = max(1, context_length - NEW_TOKENS)
    spread = [place * vocab_size // 16 for place in range(16)]
    texts = [tokenizer.encode(text) for text in PROMPTS]
    return [ids[:room] for ids in [*texts, spread] if ids]


def answer(
    encode: Callable[[str], list[int]],
    logits: Callable[[Tensor], Tensor],
    prompts: Sequence[Sequence[int]],
    context_length: int,
) -> Answers:
    """Ask one program; `logits` turns tokens (1, T) into (1, T, V). Greedy tokens end where the context does."""
    with torch.no_grad():
        read = [logits(torch.tensor([list(prompt)]))[0].float() for prompt in prompts]
        written = [_greedy(logits, list(prompt), context_length) for prompt in prompts]
    return Answers([list(encode(text)) for text in HARD_STRINGS], read, written)


def own_words(tokenizer: Tokenizer) -> list[str]:
    """Tokens from all over a vocabulary as texts, each alone and all in rows: where patterns part, they part on these."""
    special, step = set(tokenizer.special_tokens.values()), max(1, tokenizer.vocab_size // OWN_WORDS)
    words = []
    for token in range(0, tokenizer.vocab_size, step):
        with suppress(UserError):  # a gap in a public vocabulary
            if token not in special and "\ufffd" not in (word := tokenizer.token_text(token)):
                words.append(word)
    return [*words, "".join(words), " ".join(words), "\n".join(words)]


def compare(ours: Answers, theirs: Answers, whose: str) -> Report:
    """The report of two programs that agree. Errors: `Failed` naming the first thing in which they don't."""
    require_same_ids(HARD_STRINGS, ours.ids, theirs.ids, whose)
    far, margin = _apart(ours.logits, theirs.logits, whose)
    for mine, other in zip(ours.greedy, theirs.greedy, strict=True):
        if mine != other:
            raise Failed(f"greedy tokens differ from those of {whose}: {_head(mine)} here, {_head(other)} there")
    return Report(len(ours.ids), len(ours.logits), far, margin, sum(map(len, ours.greedy)))


def require_same_ids(
    texts: Sequence[str], ours: Sequence[Sequence[int]], theirs: Sequence[Sequence[int]], whose: str
) -> None:
    """Raise `Failed` naming the first of the texts that has other ids there."""
    for text, mine, other in zip(texts, ours, theirs, strict=True):
        if list(mine) != list(other):
            raise Failed(
                f"the tokenizer disagrees with {whose} about {text!r}: {_head(mine)} here, {_head(other)} there"
            )


def _apart(ours: Sequence[Tensor], theirs: Sequence[Tensor], whose: str) -> tuple[float, float]:
    """The largest difference of logits, and what rounding explains. Errors: `Failed` where it is more, or no number."""
    for mine, other in zip(ours, theirs, strict=True):
        if mine.shape != other.shape:
            raise Failed(f"logits are {tuple(mine.shape)} here and {tuple(other.shape)} in {whose}")
    joined, expected = torch.cat([found.flatten() for found in ours]), torch.cat([found.flatten() for found in theirs])
    far, margin = float((joined - expected).abs().max()), TOLERANCE * max(1.0, float(expected.abs().max()))
    if not far <= margin:  # so that nan fails too
        raise Failed(f"logits are up to {far:.2g} from those of {whose}, and {margin:.2g} is what rounding explains")
    return far, margin


def to_tensors(answers: Answers) -> dict[str, Tensor]:
    """Answers as tensors by name, to go from one process to another in a file."""
    texts = {f"ids.{place}": torch.tensor(ids, dtype=torch.int64) for place, ids in enumerate(answers.ids)}
    greedy = {f"greedy.{place}": torch.tensor(ids, dtype=torch.int64) for place, ids in enumerate(answers.greedy)}
    return texts | greedy | {f"logits.{place}": found for place, found in enumerate(answers.logits)}


def from_tensors(tensors: Mapping[str, Tensor]) -> Answers:
    """The inverse of `to_tensors`."""

    def group(name: str) -> list[Tensor]:
        count = sum(key.startswith(f"{name}.") for key in tensors)
        return [tensors[f"{name}.{place}"] for place in range(count)]

    return Answers([ids.tolist() for ids in group("ids")], group("logits"), [ids.tolist() for ids in group("greedy")])


def _greedy(logits: Callable[[Tensor], Tensor], ids: list[int], context_length: int) -> list[int]:
    """The likeliest token again and again."""
    start = len(ids)
    while len(ids) < min(start + NEW_TOKENS, context_length):
        ids = [*ids, int(logits(torch.tensor([ids]))[0, -1].argmax())]
    return ids[start:]


def _head(ids: Sequence[int]) -> str:
    return str(list(ids[:8])) + (" ..." if len(ids) > 8 else "")
