"""What the lessons share: pictures where the reader is, texts where there are any, and numbers that are checked."""

import json
import math
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from hornbook.corpora.base import DownloadedCorpus, open_corpus
from hornbook.errors import UserError
from hornbook.text.reading import read_documents
from hornbook.tokenizers.base import Tokenizer, named_tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.village.stories import document, story

PICTURES = Path("runs/lessons")  # where a lesson draws; below the folder that it is run in
SHARED = Path(os.environ.get("HORNBOOK_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
TIKTOKEN_CACHE = SHARED / "tiktoken-cache"
STAND_IN_STORIES = 40

missing: set[str] = set()  # the texts and vocabularies for which this machine has only a stand-in


def show(name: str, caption: str) -> None:
    """Show the picture PICTURES/name.png: in a notebook below the cell, in a script by its path and what it shows."""
    path = PICTURES / f"{name}.png"
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        print(f"[picture {path}: {caption}]")
        return
    from IPython.display import Image, display

    display(Image(path, alt=caption), metadata={"image/png": {"name": name, "alt": caption}})


def village_text(stories: int = STAND_IN_STORIES) -> str:
    """The first stories of the village, each with a few questions; always the same."""
    return "\n".join(document(story(1, "train", index)) for index in range(stories))


def get_text(name: str) -> str:
    """A published text by its name, raw: 'verdict'. Where it isn't on this machine, stories of the village instead."""
    corpus = open_corpus(name)
    assert isinstance(corpus, DownloadedCorpus), f"'{name}' is not a text to fetch"
    for path in (SHARED / corpus.file_name, corpus.path):
        if path.is_file():
            return "".join(piece.text for piece in read_documents([path]))
    missing.add(name)
    print(f"'{name}' is not on this machine (to get it: hornbook fetch {name}); stories of the village stand in for it")
    return village_text()


def get_tokenizer(name: str) -> Tokenizer:
    """A public vocabulary by its name: 'gpt2'. Where it can't be had, a small one made from the village instead."""
    if TIKTOKEN_CACHE.is_dir():
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(TIKTOKEN_CACHE))
    try:
        return named_tokenizer(name)
    except UserError as error:
        missing.add(name)
        print(f"{error}; a vocabulary of the village stands in for it")
        return BPE.train([village_text()], vocab_size=1024)


def number(name: str, value: Any, expected: Any, *, needs: str = "", tolerance: float = 1e-4) -> None:
    """Stop the lesson where `value` is not `expected`, the number that the project's list keeps under `name`.

    `needs` names the text or vocabulary from which the number comes ("verdict gpt2" for two); where only a stand-in
    is here, nothing is compared. Where the list itself is here, `expected` must stand in its entry, whole or as a part.
    """
    if missing & set(needs.split()):
        return
    found = plain(value)
    assert same(found, expected, tolerance), f"{name}: {found} is not {expected}"
    if entries := _reference_numbers():
        assert stands_in(entries[name], expected, tolerance), f"{name}: the list has no {expected}"


def plain(value: Any) -> Any:
    """Tensors and arrays as lists, tuples as lists, and dicts of those."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def same(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two plain values agree, numbers within the tolerance and all else exactly."""
    one, other = plain(one), plain(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(*pair, tolerance) for pair in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key], tolerance) for key in one)
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=0, abs_tol=tolerance)
    return bool(one == other)


def stands_in(entry: Any, expected: Any, tolerance: float) -> bool:
    """Whether the value is the entry or a part of it: 4690 in {"n_tokens": 4690, "vocab_size": 1130}."""
    if same(entry, expected, tolerance):
        return True
    if isinstance(entry, dict) and isinstance(expected, dict) and expected.keys() <= entry.keys():
        return all(same(entry[key], expected[key], tolerance) for key in expected)
    parts = entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
    return any(stands_in(part, expected, tolerance) for part in parts)


@cache
def _reference_numbers() -> dict[str, Any]:
    path = SHARED.parent / "reference-numbers.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return {entry["id"]: entry["expected"] for entry in entries}
