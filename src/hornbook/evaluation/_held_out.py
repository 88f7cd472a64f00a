"""The validation text as one tokenizer writes it, where its documents begin, and what a model loses on each token.

N tokens, B batch, T sequence, V vocabulary.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch.nn.functional as F

from hornbook.batches.dataset import DOCUMENTS_FILE, Dataset
from hornbook.batches.token_file import Tokens
from hornbook.batches.windows import Windows
from hornbook.errors import UserError
from hornbook.generation.generate import LanguageModel
from hornbook.layers.evaluating import evaluating
from hornbook.layers.loss import IGNORED
from hornbook.text.reading import Document
from hornbook.tokenizers.base import END_OF_TEXT, Tokenizer, tokenizer_hash

MOST_LOGITS = 1 << 26  # numbers (256 MB) that one batch may produce
MOST_ROWS = 64
MARK = b"\xff"  # stands for <|endoftext|> among the bytes of a text: no UTF-8 has this byte


@dataclass(frozen=True)
class HeldOut:
    """A validation text in the tokens (N,) of one tokenizer; `documents` are the tokens at which they begin."""

    tokenizer: Tokenizer
    tokens: Tokens
    documents: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """The validation part of a dataset. Errors: `UserError` where it has fewer than two tokens."""
        if len(dataset.val) < 2:
            raise UserError(
                f"the validation part of '{dataset.folder}' has {len(dataset.val)} tokens, which is too few"
            )
        return cls(dataset.tokenizer, dataset.val, document_starts(dataset, "val"))

    @classmethod
    def written(cls, documents: Iterable[Document], tokenizer: Tokenizer) -> Self:
        """Any text as this tokenizer writes it, each document closed by <|endoftext|> where there is one.

        Errors: `UserError` for fewer than two tokens.
        """
        parts: list[np.ndarray] = []
        starts: list[int] = []
        length, end, name = 0, tokenizer.end_of_text, ""
        for document in documents:
            if not document.continues:
                if parts and end is not None:
                    parts.append(np.array([end]))
                    length += 1
                starts.append(length)
            parts.append(np.array(tokenizer.encode(document.text), dtype=np.int64))
            length, name = length + len(parts[-1]), document.source
        if parts and end is not None:
            parts.append(np.array([end]))
        tokens = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
        if len(tokens) < 2:
            raise UserError(f"'{name}' has {len(tokens)} tokens, which is too few to be measured on")
        return cls(tokenizer, tokens, np.array(starts, dtype=np.int64))

    def count_unknown(self) -> int:
        """How many of the tokens stand for something that the tokenizer doesn't know."""
        unknown = self.tokenizer.unknown_id
        return 0 if unknown is None else int((self.tokens[0 : len(self.tokens)] == unknown).sum())

    def spelled(self) -> tuple[bytes, np.ndarray]:
        """The bytes of all tokens, `MARK` for <|endoftext|>, and where each token begins (N + 1,), the end included.

        What a token adds depends at most on the token before it, so every pair of neighbours is decoded once.
        Errors: `UserError` where the tokenizer didn't know a part of the text.
        """
        ids = self.tokens[0 : len(self.tokens)].astype(np.int64)
        if self.count_unknown():
            hint = "compare models of one tokenizer, or of tokenizers that lose nothing (bpe)"
            raise UserError("a tokenizer doesn't know all of the validation text, so characters don't count", hint=hint)
        before, base = np.append(-1, ids[:-1]), self.tokenizer.vocab_size
        pairs, which = np.unique((before + 1) * base + ids, return_inverse=True)
        added = [self._added(pair // base - 1, pair % base) for pair in pairs.tolist()]
        lengths = np.array([len(part) for part in added])[which]
        return b"".join(added[place] for place in which.tolist()), np.append(0, np.cumsum(lengths))

    def _added(self, before: int, token: int) -> bytes:
        """The bytes that `token` adds behind the token `before` (-1: behind nothing)."""
        end, decode = self.tokenizer.end_of_text, self.tokenizer.decode_bytes
        if token == end:
            return MARK
        return decode([token]) if before in (-1, end) else decode([before, token])[len(decode([before])) :]

    def in_tokens_of(self, tokenizer: Tokenizer) -> "HeldOut":
        """The same text in the tokens of another tokenizer, document by document.

        Errors: `UserError` where one of both doesn't know all of it, or the other has no mark between documents.
        """
        if tokenizer_hash(tokenizer) == tokenizer_hash(self.tokenizer):
            return self
        text, _ = self.spelled()
        *marked, rest = text.split(MARK)
        if marked and tokenizer.end_of_text is None:
            raise UserError(f"a tokenizer without {END_OF_TEXT} can't read the documents of this text")
        parts = [tokenizer.encode(part.decode(errors="replace")) for part in [*marked, *([rest] if rest else [])]]
        for part in parts[: len(marked)]:
            part.append(int(tokenizer.end_of_text or 0))
        starts = np.cumsum([0, *map(len, parts)])[: len(parts)]
        return HeldOut(tokenizer, np.array([token for part in parts for token in part], dtype=np.int64), starts)


def document_starts(dataset: Dataset, split: str) -> np.ndarray:
    """The first token of each document of a split ('train' or 'val'); a long one's further pieces are not new ones."""
    starts, last = [], None
    with open(dataset.folder / DOCUMENTS_FILE, encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            if record["split"] == split and record["num_tokens"]:
                if not (record["continues"] and last == record["source"]):
                    starts.append(record["first_token"])
                last = record["source"]
    return np.array(starts, dtype=np.int64)


def token_losses(language_model: LanguageModel, tokens: Tokens, stride: int | None = None) -> np.ndarray:
    """The loss (N - 1,) in nats of every token but the first, read in the model's own windows side by side.

    With a `stride` the windows overlap, so that a token has context_length - stride tokens before it or more.
    """
    model, config = language_model.model, language_model.config
    if stride is not None and stride > config.context_length:
        raise UserError(f"a stride of {stride} leaves tokens out: the context is {config.context_length}")
    windows = Windows(tokens, config.context_length, stride, padded=True, name="the validation part")
    rows = min(MOST_ROWS, max(1, MOST_LOGITS // (config.context_length * config.vocab_size)))
    found, device = [], next(model.parameters()).device
    with evaluating(model):
        for inputs, targets in windows.every_batch(rows):
            wanted = targets.to(device).flatten()
            logits = model(inputs.to(device)).flatten(0, -2)  # (B * T, V)
            losses = F.cross_entropy(logits.float(), wanted, ignore_index=IGNORED, reduction="none")
            found.append(losses[wanted != IGNORED].cpu().numpy())
    return np.concatenate(found)
