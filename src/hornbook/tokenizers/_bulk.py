"""Training and encoding in bulk, by rustbpe and tiktoken on all cores: the same merges and ids as our own code, sooner.

Three things make them quick:

- Of the patterns only the part `\\s+(?!\\S)` looks ahead, and it alone keeps rust from compiling them to an automaton.
  It leaves the last character of a run of white space to the word behind it. A text with a mark at just that place needs
  it no more: "a  | b" is cut into "a", "  " and " b" without it, as "a   b" is with it.
- A long text is cut at single spaces, where a piece begins anyway, so that every core gets some of it.
- Short texts are joined by marks, so that one call takes many of them and doesn't wait for Python between them.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hornbook.tokenizers._merges import Pair, parents
from hornbook.tokenizers._patterns import pattern_text
from hornbook.tokenizers.base import SAFE_CUT

if TYPE_CHECKING:
    import numpy as np

LOOK_AHEAD = r"|\s+(?!\S)"
PART_CHARACTERS = 50_000  # a few milliseconds of one core
MOST_WAITING = 256  # texts that rustbpe gathers before it counts them: about 13 million characters

PART, END = "<|part\0|>", "<|end\0|>"  # for encoding: a part of a text is over, a text is over
RESERVED = "\0|>"
DIGIT = (
    "0"  # for training: to qwen2's pattern every digit is a piece, and in a piece of one byte there is no pair to count
)

WHITE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Unicode's White_Space, which is rust's \s
WITHIN_LINES = WHITE.replace("\t-\r", "\t\x0b\x0c")
OTHERS = re.compile(f"[{WITHIN_LINES.replace(' ', '')}]")
TWO_SPACES = re.compile(rf"  (?=[^{WHITE}])")
RUNS = {  # where the part that looks ahead would stop: behind the match; but for gpt-2's, line ends are taken before it
    "gpt-2": re.compile(rf"[{WHITE}](?=[{WHITE}][^{WHITE}])"),
    "llama-bpe": re.compile(rf"[{WITHIN_LINES}](?=[{WITHIN_LINES}][^{WHITE}])"),
    "qwen2": re.compile(rf"[{WITHIN_LINES}](?=[{WITHIN_LINES}][^{WHITE}])"),
}


class BulkEncoder:
    """tiktoken with a vocabulary of ours, for one of `PATTERNS`; the caller knows that its ids are the same."""

    def __init__(self, tokens: Mapping[bytes, int], pattern: str) -> None:
        import tiktoken

        self._pattern = pattern
        self._part = max(tokens.values()) + 1
        self._end = self._part + 1
        self._encoding = tiktoken.Encoding(
            "hornbook",
            pat_str=without_look_ahead(pattern),
            mergeable_ranks=dict(tokens),
            special_tokens={PART: self._part, END: self._end},
        )

    def encode(self, texts: Sequence[str]) -> "list[np.ndarray]":
        """The ids of each text (uint32). None of them may hold `RESERVED`, or half a million white spaces in a row."""
        import numpy as np

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            found = list(pool.map(self._ids, self._joined(texts)))
        ids = np.concatenate([np.empty(0, np.uint32), *found])
        ids = ids[ids != self._part]
        ends = np.flatnonzero(ids == self._end).tolist()
        return [ids[before + 1 : end] for before, end in zip([-1, *ends], ends, strict=False)]

    def _ids(self, joined: str) -> "np.ndarray":
        return self._encoding.encode_to_numpy(joined, allowed_special={PART, END}, disallowed_special=())

    def _joined(self, texts: Sequence[str]) -> Iterator[str]:
        return gathered(marked(text, self._pattern, PART) + END for text in texts)


def learn_merges_in_bulk(texts: Iterable[str], num_merges: int, pattern: str) -> list[Pair]:
    """The merges of `learn_merges` for the pieces of the texts by one of `PATTERNS`, as rustbpe finds them.

    Errors: ImportError where it isn't installed.
    """
    import rustbpe

    if pattern == "qwen2":
        short = gathered(marked(text, pattern, DIGIT) + DIGIT for text in texts)
        expression = without_look_ahead(pattern)
    else:
        short = (part for text in texts for part in shorter(text))
        expression = pattern_text(pattern)
    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(short, vocab_size=256 + num_merges, buffer_size=MOST_WAITING, pattern=expression)
    ranks = {bytes(token): rank for token, rank in trainer.get_mergeable_ranks()}
    return [(ranks[left], ranks[right]) for left, right in parents(ranks)]


def without_look_ahead(pattern: str) -> str:
    """The expression of a pattern that cuts each `marked` text as the whole pattern cuts the text."""
    text = pattern_text(pattern)
    assert LOOK_AHEAD in text
    return text.replace(LOOK_AHEAD, "")


def marked(text: str, pattern: str, mark: str) -> str:
    """The text with a mark before the last white space of each run that the pattern shares out.

    >>> marked("if a:\\n    b", "qwen2", "|")
    'if a:\\n   | b'
    """
    if pattern == "gpt-2" or _has_others(text):
        return RUNS[pattern].sub(lambda found: found[0] + mark, text)
    return TWO_SPACES.sub(f" {mark} ", text) if "  " in text else text  # looking is many times as fast as encoding


def _has_others(text: str) -> bool:
    """Whether the text has white space within a line other than plain spaces."""
    return any(map(text.__contains__, "\t\x0b\x0c")) if text.isascii() else bool(OTHERS.search(text))


def gathered(texts: Iterable[str]) -> Iterator[str]:
    """The texts joined to strings of about PART_CHARACTERS."""
    held: list[str] = []
    size = 0
    for text in texts:
        for part in shorter(text):
            held.append(part)
            size += len(part)
            if size >= PART_CHARACTERS:
                yield "".join(held)
                held, size = [], 0
    yield "".join(held)


def shorter(text: str) -> Iterator[str]:
    """The text in parts of PART_CHARACTERS, each on to the next safe cut."""
    begin = 0
    while len(text) - begin > PART_CHARACTERS and (found := SAFE_CUT.search(text, begin + PART_CHARACTERS)):
        yield text[begin : found.start()]
        begin = found.start()
    yield text[begin:]
