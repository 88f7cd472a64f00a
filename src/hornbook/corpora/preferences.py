"""Instructions with two answers each, one preferred: what a model learns to prefer from."""

from hornbook.corpora._entry_list import EntryList


class Preferences(EntryList):
    """1,100 entries `{"instruction", "input", "output", "rejected", "chosen"}`; the document is the chosen answer's."""

    name = "preferences"
    description = "1,100 instructions, each with a chosen answer and a rejected one"
    licence = "Apache-2.0 (Raschka, LLMs-from-scratch)"
    file_name = "preference-data.json"
    address = (
        "https://raw.githubusercontent.com/rasbt/LLMs-from-scratch/main/ch07/04_preference-tuning-with-dpo/"
        "instruction-data-with-preference.json"
    )
    mirrors = (
        "https://cdn.jsdelivr.net/gh/rasbt/LLMs-from-scratch@main/ch07/04_preference-tuning-with-dpo/"
        "instruction-data-with-preference.json",
    )
    sha256 = "305315abf14f65fa42c01a0877572f832606571c2a7d49f152ac1d758b16756e"
    size_bytes = 386_968
    fields = ("instruction", "input", "chosen")
