"""Byte pair encoding on disk: the parts of `tokenizer.json` for bytes, merges and patterns, written and read.

JSON holds text, not bytes, so each byte is written as one printable character, in the way of GPT-2: the 188 printable
Latin-1 characters stand for themselves, the other 68 bytes for U+0100 and after. A space is "Ġ", a line end "Ċ".
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.tokenizers._added_tokens import read_added
from hornbook.tokenizers._patterns import PATTERNS
from hornbook.tokenizers._word_level import added_tokens
from hornbook.tokenizers.base import END_OF_TEXT

PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
BYTE_ORDER = PRINTABLE + [byte for byte in range(256) if byte not in PRINTABLE]  # GPT-2's ids 0 to 255
BYTE_TO_CHARACTER = {byte: chr(byte if place < 188 else 256 + place - 188) for place, byte in enumerate(BYTE_ORDER)}
CHARACTER_TO_BYTE = {character: byte for byte, character in BYTE_TO_CHARACTER.items()}

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}

NOT_HERE = ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback")

# Parts of another program's file that change no ids here and go back to disk as they came.
CARRIED = ("added_tokens", "post_processor")


@dataclass(frozen=True)
class Parts:
    """What a byte level `tokenizer.json` says."""

    tokens: dict[bytes, int]
    merges: list[tuple[bytes, bytes]]
    pattern: str
    special_tokens: dict[str, int]
    compose: bool = False  # whether text becomes Unicode's composed form NFC first, as in Qwen's files
    whole_pieces: bool = False  # whether a piece that is a token is taken whole, without its merges, as in Llama 3's
    carried: dict[str, Any] = field(default_factory=dict)


def to_text(token: bytes) -> str:
    """A token's bytes in printable characters: b" cat" -> "Ġcat"."""
    return "".join([BYTE_TO_CHARACTER[byte] for byte in token])


def to_bytes(text: str) -> bytes:
    """The inverse of `to_text`. Errors: KeyError for a character that stands for no byte."""
    return bytes([CHARACTER_TO_BYTE[character] for character in text])


def is_token(text: str, tokens: Mapping[bytes, int]) -> bool:
    """Whether `tokenizer.json` writes one of the tokens as `text`."""
    return set(text) <= CHARACTER_TO_BYTE.keys() and to_bytes(text) in tokens


def write(parts: Parts) -> dict[str, Any]:
    """The content of `tokenizer.json`."""
    split = {"type": "Split", "pattern": {"Regex": PATTERNS[parts.pattern]}, "behavior": "Isolated", "invert": False}
    in_order = sorted(parts.tokens.items(), key=lambda item: item[1])
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens(parts.special_tokens),
        "normalizer": {"type": "NFC"} if parts.compose else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, dict(BYTE_LEVEL)]},
        "post_processor": None,
        "decoder": BYTE_LEVEL | {"use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": parts.whole_pieces,
            "vocab": {to_text(token): token_id for token, token_id in in_order},
            "merges": [f"{to_text(left)} {to_text(right)}" for left, right in parts.merges],
        },
    } | deepcopy(parts.carried)


def read(document: Mapping[str, Any]) -> Parts:
    """The inverse of `write`, for other programs' files too. Errors: `UserError` naming a part not possible here."""
    model = document["model"]
    for part in NOT_HERE:
        if model.get(part):
            raise UserError(f"the part 'model.{part}' is {model[part]!r}, which byte level encoding doesn't have")
    for part in ("truncation", "padding"):
        if document.get(part) is not None:
            raise UserError(f"the part '{part}' must be empty")
    normalizer = document.get("normalizer")
    if normalizer not in (None, {"type": "NFC"}):
        raise UserError(f"the part 'normalizer' is {str(normalizer)[:100]}, not NFC or none")
    specials = {token.name: token.token_id for token in read_added(document.get("added_tokens") or [])}
    merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    return Parts(
        tokens={to_bytes(text): token_id for text, token_id in model["vocab"].items() if text not in specials},
        merges=[(to_bytes(left), to_bytes(right)) for left, right in merges],
        pattern=_read_pattern(document["pre_tokenizer"]),
        special_tokens=specials,
        compose=normalizer is not None,
        whole_pieces=bool(model.get("ignore_merges")),
        carried={part: document[part] for part in CARRIED if document.get(part) is not None},
    )


def read_gpt2(vocab_json: Path, merges_txt: Path) -> Parts:
    """GPT-2's vocabulary from its two files. Errors: `UserError` where one is missing or damaged."""
    vocab = read_json(vocab_json)
    try:
        lines = merges_txt.read_text(encoding="utf-8").splitlines()
        pairs = [line.split() for line in lines if line and not line.startswith("#version")]
        merges = [(to_bytes(left), to_bytes(right)) for left, right in pairs]
        tokens = {to_bytes(text): token_id for text, token_id in vocab.items() if text != END_OF_TEXT}
        return Parts(tokens, merges, "gpt-2", {END_OF_TEXT: vocab[END_OF_TEXT]})
    except FileNotFoundError:
        raise UserError(f"no such file '{merges_txt}'") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"'{vocab_json}' or '{merges_txt}' is damaged: {type(error).__name__} {error}") from None


def _read_pattern(pre_tokenizer: Mapping[str, Any]) -> str:
    """The name of the pattern: of ByteLevel alone, which cuts by GPT-2's, or of Split and then ByteLevel."""
    steps = pre_tokenizer["pretokenizers"] if pre_tokenizer["type"] == "Sequence" else [pre_tokenizer]
    *splits, last = steps
    if last["type"] == "ByteLevel" and not last.get("add_prefix_space"):
        if not splits and last.get("use_regex", True):
            return "gpt-2"
        if len(splits) == 1 and not last.get("use_regex", True) and splits[0]["type"] == "Split":
            for name, text in PATTERNS.items():
                if splits[0] == {"type": "Split", "pattern": {"Regex": text}, "behavior": "Isolated", "invert": False}:
                    return name
    raise UserError(f"the part 'pre_tokenizer' is no pattern known here: {str(pre_tokenizer)[:300]}", choices=PATTERNS)
