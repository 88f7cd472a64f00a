"""Public vocabularies by name, through tiktoken's downloads: `gpt2` and `cl100k_base`.

tiktoken keeps each file in a folder under the sha1 of its address and downloads what is absent, so without a network
the files only have to lie there.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.errors import UserError, unknown
from hornbook.files import sha256_of
from hornbook.tokenizers._byte_level import Parts
from hornbook.tokenizers._merges import parents

if TYPE_CHECKING:
    import tiktoken

HOST = "https://openaipublic.blob.core.windows.net"

# The pattern of each, and its files. tiktoken spells the patterns otherwise, with the same ids.
ENCODINGS = {
    "gpt2": ("gpt-2", ("gpt-2/encodings/main/vocab.bpe", "gpt-2/encodings/main/encoder.json")),
    "cl100k_base": ("llama-bpe", ("encodings/cl100k_base.tiktoken",)),
}
SHA256 = {
    "gpt-2/encodings/main/vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    "gpt-2/encodings/main/encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    "encodings/cl100k_base.tiktoken": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}


def load(name: str) -> Parts:
    """The vocabulary, its merges found from its ids. Errors: `UserError` for another name or a file that can't be had."""
    import tiktoken

    if name not in ENCODINGS:
        raise unknown("vocabulary", name, ENCODINGS)
    pattern, files = ENCODINGS[name]
    try:
        encoding = tiktoken.get_encoding(name)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong hash is a ValueError
        hint = _what_to_put_where(files)
        raise UserError(f"the vocabulary '{name}' is not here and can't be fetched", hint=hint) from error
    ranks = dict(encoding._mergeable_ranks)
    return Parts(ranks, parents(ranks), pattern, dict(encoding._special_tokens))


def cache_folder() -> Path:
    """Where tiktoken keeps its files: TIKTOKEN_CACHE_DIR, else DATA_GYM_CACHE_DIR, else a temporary folder."""
    named = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
    return Path(named) if named else Path(tempfile.gettempdir()) / "data-gym-cache"


def is_here(name: str) -> bool:
    """Whether the right files of a vocabulary lie where tiktoken looks for them, so that `load` needs no network."""
    variables = [os.environ[key] for key in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR") if key in os.environ]
    if variables[:1] == [""]:
        return False  # tells tiktoken to keep nothing, and to fetch each time
    places = [(_place_of(file), SHA256[file]) for file in ENCODINGS[name][1]]
    return all(place.exists() and sha256_of(place) == sha256 for place, sha256 in places)


def encoding_where_here(name: str) -> "tiktoken.Encoding | None":
    """tiktoken's own encoder, with the ids that `load` gives but without its merges; None where `is_here` says no."""
    import tiktoken

    return tiktoken.get_encoding(name) if is_here(name) else None


def _place_of(file: str) -> Path:
    return cache_folder() / hashlib.sha1(f"{HOST}/{file}".encode()).hexdigest()


def _what_to_put_where(files: Iterable[str]) -> str:
    lines = []
    for name in files:
        address, sha256, file = f"{HOST}/{name}", SHA256[name], _place_of(name)
        if not file.exists() or sha256_of(file) != sha256:
            lines.append(f"save {address} as '{file}' (sha256 {sha256})")
    return "; ".join([*lines, "or set TIKTOKEN_CACHE_DIR to a folder that has the files"])
