"""What every tokenizer does: text -> token ids -> text, trained from text, kept as one `tokenizer.json`.

A tokenizer is a file on this shelf; files whose names begin with an underscore hold ideas that the variants share.
The file format is Hugging Face's, so that `tokenizers.Tokenizer.from_file` gives the same ids.
"""

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from hornbook.discovery import find, names
from hornbook.errors import UserError
from hornbook.files import read_json, write_json
from hornbook.tokenizers._added_tokens import AddedToken, split

if TYPE_CHECKING:
    import numpy as np

FILE_NAME = "tokenizer.json"
END_OF_TEXT = "<|endoftext|>"
UNKNOWN = "<|unk|>"

# At a single space between two other characters every tokenizer here begins a new token, so a cut there changes no id.
SAFE_CUT = re.compile(r"(?<=\S) (?=\S)")

# The names that public vocabularies give to the tokens of each role, ours first.
ROLES = {
    "bos_token": ("[BOS]", "<|begin_of_text|>", "<s>"),
    "eos_token": (END_OF_TEXT, "[EOS]", "<|end_of_text|>", "</s>"),
    "unk_token": (UNKNOWN,),
    "pad_token": ("[PAD]", "<|pad|>"),
}


class Tokenizer(ABC):
    """Text to token ids and back. Finished after construction: nothing changes it.

    Lossless kinds satisfy `decode(encode(x)) == x` for every valid text; lossy kinds say in `loss` what is lost and
    have the special token `<|unk|>`. For all kinds `decode_bytes(ids[:n])` is a prefix of `decode_bytes(ids)`.
    """

    SHELF = True

    kind: ClassVar[str]
    lossless: bool = True
    loss: str = ""
    special_tokens: dict[str, int]

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """The number of ids, special tokens included: every id is in range(vocab_size)."""

    @abstractmethod
    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of `text`, no special token recognised in it; the text is valid Unicode, as `encode` has checked."""

    @abstractmethod
    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The UTF-8 bytes that the ids stand for; a character may be cut. Errors: `UserError` for a wrong id."""

    @abstractmethod
    def token_text(self, token_id: int) -> str:
        """One token for people to read; bytes that are no whole character show as U+FFFD."""

    @classmethod
    @abstractmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int | None = None,
        special_tokens: Sequence[str] = (END_OF_TEXT,),
    ) -> Self:
        """Learn a vocabulary of at most `vocab_size` ids (special tokens included); None is the kind's own choice."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The content of `tokenizer.json`."""

    @classmethod
    @abstractmethod
    def recognises(cls, document: Mapping[str, Any]) -> bool:
        """Whether this kind is the one to read the content of a `tokenizer.json`."""

    @classmethod
    @abstractmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Tokenizer":
        """The inverse of `to_json`. Errors: `UserError` that names the part which this kind can't represent."""

    @property
    def end_of_text(self) -> int | None:
        """The id that separates documents and ends generation; None where there is none."""
        return self.special_id("eos_token")

    @property
    def unknown_id(self) -> int | None:
        """The id of `<|unk|>`; None for lossless kinds."""
        return self.special_id("unk_token")

    def special_id(self, role: str) -> int | None:
        """The id of the special token in a role of `ROLES`, or None: 'pad_token' -> the id of [PAD]."""
        return next((self.special_tokens[name] for name in ROLES[role] if name in self.special_tokens), None)

    def encode(self, text: str, *, allow_special: bool = False) -> list[int]:
        """The ids of `text`. Special tokens written in it are ordinary text unless `allow_special`.

        Errors: `UserError` where the text holds a lone surrogate, which no encoding can represent.
        """
        require_unicode(text)
        if not allow_special or not self.special_tokens:
            return self.encode_ordinary(text)
        return [token for ids in self.encode_parts(self.split_special(text)) for token in ids]

    def split_special(self, text: str, signs: str = "") -> list[str | int]:
        """The text cut at the special tokens written in it, as `encode_parts` takes it; `signs` as `_added_tokens.split`.

        >>> tokenizer.split_special("Hi<|endoftext|> you")
        ['Hi', 50256, ' you']
        """
        return split(text, self.added_tokens, self._normal, signs)

    def encode_parts(self, parts: Sequence[str | int]) -> list[list[int]]:
        """The ids of each part of one text: special tokens are given as ids, all else is ordinary text.

        >>> tokenizer.encode_parts(["Hi", 50256, " you"])
        [[17250], [50256], [345]]
        """
        return [[part] if isinstance(part, int) else self.encode_ordinary(part) if part else [] for part in parts]

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text, special tokens not recognised; the same ids as `encode`, possibly faster."""
        return [self.encode(text) for text in texts]

    def encode_arrays(self, texts: Iterable[str]) -> "list[np.ndarray]":
        """What `encode_batch` gives, each text's ids as an array (uint32)."""
        import numpy as np

        return [np.array(ids, dtype=np.uint32) for ids in self.encode_batch(texts)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids; bytes that form no character become U+FFFD, special tokens appear as their names."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def count_unknown(self, ids: Iterable[int]) -> int:
        """How many of the ids are `<|unk|>`; 0 for lossless kinds."""
        unknown_id = self.unknown_id
        return 0 if unknown_id is None else list(ids).count(unknown_id)

    def unknown_parts(self, text: str) -> Counter[str]:
        """The characters or words of `text` that encode as `<|unk|>`, with how often; empty for lossless kinds."""
        return Counter()

    def save(self, path: Path | str) -> Path:
        """Write `tokenizer.json`, atomically, to a folder or to a file named *.json; the file's path comes back."""
        file = Path(path) if Path(path).suffix == ".json" else Path(path) / FILE_NAME
        write_json(file, self.to_json())
        return file

    def tokenizer_config(self) -> dict[str, Any]:
        """The content of `tokenizer_config.json`, with which transformers opens the folder by `AutoTokenizer`."""
        names = {token_id: name for name, token_id in self.special_tokens.items()}
        roles = {role: names[token_id] for role in ROLES if (token_id := self.special_id(role)) is not None}
        return {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **roles}

    @cached_property
    def added_tokens(self) -> list[AddedToken]:
        """The special tokens, and how each is found in a text: by its name alone where no file says more."""
        return [AddedToken(name, token_id) for name, token_id in self.special_tokens.items()]

    def _normal(self, text: str) -> str:
        """The text as the kind changes it before it is cut; as it is where it doesn't."""
        return text


def require_unicode(text: str) -> None:
    """Raise `UserError` where `text` holds a lone surrogate (half of a UTF-16 pair), naming it and its place."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise UserError(
            f"character {error.start} of the text is a lone surrogate (U+{code:04X}), which is not valid Unicode",
            hint="it comes from a wrong decoding; read the file as UTF-8",
        ) from None


def require_ids(ids: Iterable[int], vocab_size: int) -> list[int]:
    """The ids as a list. Errors: `UserError` for the first one that is not in range(vocab_size)."""
    ids = list(ids)
    if ids and not (min(ids) >= 0 and max(ids) < vocab_size):
        wrong = next(token_id for token_id in ids if not 0 <= token_id < vocab_size)
        raise UserError(f"token id {wrong} is outside the vocabulary of {vocab_size} ids")
    return ids


def require_specials(special_tokens: Sequence[str], *, with_unknown: bool = False) -> list[str]:
    """The special tokens in the order given, `<|unk|>` last where needed. Errors: `UserError` for a bad name."""
    names = list(dict.fromkeys([*special_tokens, *([UNKNOWN] if with_unknown else [])]))
    for name in names:
        require_unicode(name)
        if len(name) < 2 or name != name.strip():
            raise UserError(f"bad special token '{name}'", hint="two characters or more, no space at the ends")
    return names


def variants() -> list[type[Tokenizer]]:
    """The kinds of tokenizer on this shelf."""
    return [find("tokenizers", kind) for kind in names("tokenizers")]


def load_tokenizer(path: Path | str) -> Tokenizer:
    """Read a `tokenizer.json`, or the one in a folder, ours or another program's.

    Errors: `UserError` where the file is missing or damaged, or holds a part that no kind here represents.
    """
    file = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    document = read_json(file)
    try:
        require_unicode(json.dumps(document, ensure_ascii=False))
        for variant in variants():
            if variant.recognises(document):
                return variant.from_json(document)
        model, split = document["model"]["type"], json.dumps(document.get("pre_tokenizer"))[:200]
        raise UserError(f"no kind of tokenizer here has the model '{model}' with the pre_tokenizer {split}")
    except UserError as error:
        raise UserError(f"can't read '{file}': {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise UserError(f"'{file}' is damaged: {type(error).__name__} {error}") from None


def named_tokenizer(name: str) -> Tokenizer:
    """A public vocabulary by its name: 'gpt2' or 'cl100k_base'. Errors: `UserError` for others, and offline."""
    tokenizer: Tokenizer = find("tokenizers", "bpe").named(name)
    return tokenizer


def tokenizer_hash(tokenizer: Tokenizer) -> str:
    """A fingerprint of everything that decides ids: 64 hexadecimal digits, equal for equal tokenizers."""
    canonical = json.dumps(tokenizer.to_json(), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
