"""The vocabulary of llama2.c (tokenizer.bin): SentencePiece's pieces with their scores, from which merges follow.

    uint32 length of the longest piece; then for each id: float32 score, uint32 length, so many bytes   (little-endian)

Ids 0 to 2 are <unk>, <s> and </s>, the next 256 the bytes, whatever text stands there. Of two neighbours that make a
piece those with the highest score are joined first, the leftmost of equals (Kudo and Richardson 2018).
"""

import math
import struct
from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.files import disk_errors
from hornbook.tokenizers._sentencepiece import PREPEND, REPLACE, SPACE, SentencePieceBPE
from hornbook.tokenizers._word_level import added_tokens

SPECIALS = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
FIRST_PIECE = len(SPECIALS) + len(BYTES)
LONGEST_PIECE = 1 << 16

Piece = tuple[float, str]


def read_tokenizer_bin(path: Path) -> SentencePieceBPE:
    """Read a tokenizer.bin. Errors: `UserError` where it is missing, cut short, or something else."""
    return SentencePieceBPE(_document(_pieces(path), path))


def _pieces(path: Path) -> list[Piece]:
    """Score and text of every id."""
    try:
        with disk_errors(path):
            data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"no such file '{path}'") from None
    place, found = 4, list[Piece]()
    while place < len(data):
        if place + 8 > len(data):
            raise _damaged(path, "it is cut short")
        score, length = struct.unpack_from("<fI", data, place)
        text = data[place + 8 : place + 8 + length]
        if len(text) < length or length > LONGEST_PIECE or not math.isfinite(score):
            raise _damaged(path, f"id {len(found)} is cut short or no piece")
        try:
            found.append((score, text.decode()))
        except UnicodeDecodeError:
            raise _damaged(path, f"id {len(found)} is no UTF-8") from None
        place += 8 + length
    if len(found) <= FIRST_PIECE:
        raise _damaged(path, f"it has {len(found)} pieces, and {FIRST_PIECE} are special or bytes")
    return found


def _document(pieces: list[Piece], path: Path) -> dict[str, Any]:
    """What a tokenizer.json of the same vocabulary says, in the form of Llama 2's."""
    scores = {text.replace(" ", SPACE): score for score, text in pieces[FIRST_PIECE:]}
    texts = [*SPECIALS, *BYTES, *scores]
    vocabulary = {text: token_id for token_id, text in enumerate(texts)}
    if len(vocabulary) != len(pieces) or "" in vocabulary:
        raise _damaged(path, "a piece stands there twice, or is empty")
    begin = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    tokens = {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}
    fallback = [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": added_tokens({name: place for place, name in enumerate(SPECIALS)}),
        "normalizer": {"type": "Sequence", "normalizers": [PREPEND, REPLACE]},
        "pre_tokenizer": None,
        "post_processor": {"type": "TemplateProcessing", "single": begin, "pair": begin, "special_tokens": tokens},
        "decoder": {"type": "Sequence", "decoders": [*fallback, {"type": "Fuse"},
                                                     {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": vocabulary, "merges": merges_of(scores),
        },
    }  # fmt: skip


def merges_of(scores: dict[str, float]) -> list[list[str]]:
    """Every pair of pieces that makes a piece, in the order in which they are joined: by its score, then the longer left.

    {"a": -3, "b": -4, "ab": -1, "abb": -2, "bb": -5} -> [a, b], [ab, b], [a, bb], [b, b].
    """
    by_score = sorted((text for text in scores if len(text) > 1), key=lambda text: -scores[text])
    cuts = ((text[:place], text[place:]) for text in by_score for place in range(len(text) - 1, 0, -1))
    return [list(pair) for pair in cuts if pair[0] in scores and pair[1] in scores]


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"'{path}' is no vocabulary of llama2.c: {why}", hint="its tokenizer.bin is meant, or tok512.bin")
