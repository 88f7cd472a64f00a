"""Instructions with answers: what a model learns to follow requests from."""

import json
from collections.abc import Iterator

from hornbook.corpora.base import DownloadedCorpus
from hornbook.text.reading import Document

ENTRY_SEPARATORS = "[], \r\n\t"


class Instructions(DownloadedCorpus):
    """1,100 entries `{"instruction", "input", "output"}` in one JSON list."""

    name = "instructions"
    description = "1,100 instructions, some with an input, each with the answer wanted"
    licence = "Apache-2.0 (Raschka, LLMs-from-scratch)"
    file_name = "instruction-data.json"
    address = (
        "https://raw.githubusercontent.com/rasbt/LLMs-from-scratch/main/ch07/01_main-chapter-code/instruction-data.json"
    )
    mirrors = (
        "https://cdn.jsdelivr.net/gh/rasbt/LLMs-from-scratch@main/ch07/01_main-chapter-code/instruction-data.json",
    )
    sha256 = "7e09a9af353722ca15c18bc580f093f9c39d3178335a75177319cb1e1d163944"
    size_bytes = 203_524

    def documents(self) -> Iterator[Document]:
        """One document an entry: its instruction, input (where there is one) and output, an empty line between them."""
        for entry, start, end in self._entries():
            parts = [entry["instruction"], entry["input"], entry["output"]]
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
