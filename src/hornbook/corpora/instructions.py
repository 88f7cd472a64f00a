"""Instructions with answers: what a model learns to follow requests from."""

from hornbook.corpora._entry_list import EntryList


class Instructions(EntryList):
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
    fields = ("instruction", "input", "output")
