"""What of a text stands word for word in the training text of a dataset, and where: plain numbers for a page."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from hornbook.batches.dataset import Dataset
from hornbook.batches.text_index import build_index, open_index
from hornbook.text.suffix_array import Progress
from hornbook.text.suffix_search import Span, Suffixes
from hornbook.tokenizers.base import Tokenizer

SHOWN = 10  # places of a span
AROUND = 40  # tokens before and behind it
LOOKED_AT = 1 << 16  # places among which the first ones are looked for; a comma stands in millions


class Origins:
    """A dataset with the index of its training text, if it was made: `find` and `places` need it."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.index: Suffixes | None = open_index(dataset)

    def build(self, progress: Progress) -> None:
        """Make the index, see `build_index`."""
        self.index = build_index(self.dataset, progress)

    def facts(self) -> dict[str, Any]:
        """How much there is to look in: documents, characters and tokens."""
        counts = self.dataset.info["splits"]["train"]
        return {name: counts[name] for name in ("documents", "characters", "tokens")}

    def ids(self, text: str) -> list[int]:
        """The tokens of a text as they would stand in the dataset. Errors: `UserError` for a lone surrogate."""
        return self.dataset.tokenizer.encode(text)

    def find(self, ids: Sequence[int], least: int) -> dict[str, Any]:
        """The parts of a text, `least` characters or more, that stand in the training text and would not if longer.

        Out: `text`, as the tokenizer keeps it; `spans`, each with its tokens (`start`, `stop`), its characters
        (`from`, `to`) and how often it stands there (`times`). They may overlap.
        """
        assert self.index, "no index"
        data, begins = _spelled(self.dataset.tokenizer, ids)
        letters = _characters(data)
        found = []
        for span in self._spans(ids):
            first, last = letters[begins[span.start]], letters[begins[span.stop]]
            if begins[span.stop] < len(data) and data[begins[span.stop]] & 0xC0 == 0x80:
                last -= 1  # the span ends within a character
            if last - first >= least:
                found.append({**span._asdict(), "from": first, "to": last})
        return {"text": data.decode(errors="replace"), "spans": found}

    def places(self, ids: Sequence[int]) -> dict[str, Any]:
        """Where these tokens stand: how often (`count`), and the first few places, each with the text around it."""
        assert self.index, "no index"
        found = self.index.found(ids)
        first = np.sort(found[:LOOKED_AT])[:SHOWN].tolist()
        return {"count": len(found), "places": [self._place(token, len(ids)) for token in first]}

    def _spans(self, ids: Sequence[int]) -> Iterator[Span]:
        """The spans of each part between unknown words, which may stand for anything."""
        assert self.index
        unknown = self.dataset.tokenizer.unknown_id
        borders = [-1, *(place for place, token in enumerate(ids) if token == unknown), len(ids)]
        for before, behind in pairwise(borders):
            for span in self.index.spans(ids[before + 1 : behind]):
                yield Span(span.start + before + 1, span.stop + before + 1, span.times)

    def _place(self, token: int, length: int) -> dict[str, Any]:
        """One place: the document, bytes and line of it, and the text around.

        Where cleaning changed the length, the bytes are the whole document's (not `exact`), the line that of the cleaned.
        """
        record = self.dataset.record("train", token)
        first, end = record["first_token"], record["first_token"] + record["num_tokens"]
        end -= int(self.dataset.train[end - 1 : end][0] == self.dataset.info["separator"])
        stop = min(token + length, end)
        around = max(first, token - AROUND), token, stop, min(stop + AROUND, end)
        texts = [self._bytes(around[0], border) for border in around]
        before, match, behind = (whole[len(part) :].decode(errors="replace") for part, whole in pairwise(texts))
        place = {"source": record["source"], "start": record["start"], "end": record["end"], "exact": False}
        sizes = [len(self._bytes(first, border)) for border in (token, stop, end)]
        if sizes[2] == record["end"] - record["start"]:
            place |= {"start": record["start"] + sizes[0], "end": record["start"] + sizes[1], "exact": True}
        if not record["continues"]:
            place["line"] = 1 + self._bytes(first, token).count(b"\n")
        return place | {"before": before, "match": match, "behind": behind}

    def _bytes(self, start: int, stop: int) -> bytes:
        return self.dataset.tokenizer.decode_bytes(self.dataset.train[start:stop].tolist())


def _spelled(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[bytes, list[int]]:
    """The bytes of some tokens, and where each begins, the end included; a token depends on the one before it at most."""
    decode = tokenizer.decode_bytes
    parts = [decode(ids[:1])]
    parts += [decode([before, token])[len(decode([before])) :] for before, token in pairwise(ids)]
    parts = parts if ids else []
    return b"".join(parts), list(accumulate(map(len, parts), initial=0))


def _characters(data: bytes) -> list[int]:
    """For each byte, and for the end, how many characters have begun before it."""
    return list(accumulate((byte & 0xC0 != 0x80 for byte in data), initial=0))
