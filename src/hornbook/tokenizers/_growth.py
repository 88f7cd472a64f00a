"""How a byte pair vocabulary grew: each of its smaller sizes is the bytes (or characters) and the first of its merges.

Nothing has to be learned for that. The greedy merges of a small vocabulary are the first ones of a large vocabulary of
the same text, so the vocabulary of 512 pieces is inside the one of 2,048.
"""

from collections.abc import Sequence
from dataclasses import replace

from hornbook.tokenizers._sentencepiece import SentencePieceBPE
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.bpe import BPE

BYTES = [bytes([byte]) for byte in range(256)]


def sizes(tokenizer: Tokenizer) -> range:
    """The sizes that a vocabulary went through, special tokens not counted; empty for kinds that don't merge."""
    if isinstance(tokenizer, BPE):
        return range(256, 257 + len(tokenizer.parts.merges))
    if isinstance(tokenizer, SentencePieceBPE):
        model = tokenizer.to_json()["model"]
        full = len(model["vocab"].keys() - tokenizer.special_tokens.keys())
        return range(full - len(_made(_pairs(model["merges"]))), full + 1)
    return range(0)


def at_size(tokenizer: Tokenizer, size: int) -> Tokenizer:
    """The vocabulary as it was at one of its `sizes`, with the ids of today; the first size is that of no merge."""
    count = size - sizes(tokenizer).start
    if isinstance(tokenizer, BPE):
        return _first_merges(tokenizer, count)
    assert isinstance(tokenizer, SentencePieceBPE), f"a {tokenizer.kind} vocabulary didn't grow"
    return _first_made(tokenizer, count)


def _first_merges(tokenizer: BPE, count: int) -> BPE:
    parts = tokenizer.parts
    merges = parts.merges[:count]
    names = [*BYTES, *(left + right for left, right in merges)]
    return BPE(replace(parts, tokens={name: parts.tokens[name] for name in names}, merges=merges, special_tokens={}))


def _first_made(tokenizer: SentencePieceBPE, count: int) -> SentencePieceBPE:
    """A piece may be made by several merges, which all go or stay together."""
    document = tokenizer.to_json()
    model, pairs = document["model"], _pairs(document["model"]["merges"])
    gone = set(_made(pairs)[count:])
    model["vocab"] = {name: token_id for name, token_id in model["vocab"].items() if name not in gone}
    model["merges"] = [pair for pair in pairs if not gone & {*pair, pair[0] + pair[1]}]
    return SentencePieceBPE(document)


def _pairs(merges: Sequence[str] | Sequence[list[str]]) -> list[list[str]]:
    return [pair.split(" ") if isinstance(pair, str) else pair for pair in merges]


def _made(pairs: Sequence[Sequence[str]]) -> list[str]:
    """What the merges make, each once, in the order of the first merge that does."""
    return list(dict.fromkeys(left + right for left, right in pairs))
