"""A corpus that is one JSON list of entries with named fields."""

import json
from collections.abc import Iterator
from typing import ClassVar

from hornbook.corpora.base import DownloadedCorpus
from hornbook.text.reading import Document

ENTRY_SEPARATORS = "[], \r\n\t"


class EntryList(DownloadedCorpus):
    """One document an entry: those of its `fields` that are not empty, an empty line between them."""

    fields: ClassVar[tuple[str, ...]]

    def documents(self) -> Iterator[Document]:
        """The entries' texts, in order, each with the bytes that its entry takes up in the file."""
        for entry, start, end in self._entries():
            parts = [entry[field] for field in self.fields]
            yield Document("\n\n".join(part for part in parts if part), str(self.path), start, end)

    def _entries(self) -> Iterator[tuple[dict[str, str], int, int]]:
        """(entry, first byte, last byte + 1), decoded one by one because the list as a whole keeps no places."""
        text = self.fetched_path().read_text(encoding="utf-8")
        decoder, place, byte = json.JSONDecoder(), 0, 0
        while place < len(text):
            if text[place] in ENTRY_SEPARATORS:
                place, byte = place + 1, byte + 1
                continue
            entry, end = decoder.raw_decode(text, place)
            num_bytes = len(text[place:end].encode())
            yield entry, byte, byte + num_bytes
            place, byte = end, byte + num_bytes
