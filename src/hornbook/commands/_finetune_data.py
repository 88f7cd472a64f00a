"""The data of a fine-tuning as a user names it: a file, or the name of a fetched corpus."""

from collections.abc import Sequence
from pathlib import Path

NAMED = 3  # of places that a line names


def find_data(name_or_path: str) -> Path:
    """The file to read: "instructions" -> ~/.cache/hornbook/corpora/instruction-data.json, "./mine.jsonl" as it is.

    A corpus goes before a file of its name; './instructions' is the file. Examples of the village are written into the
    cache folder where they aren't there yet. Errors: `UserError` for a corpus that isn't
    fetched yet or is no single file, and for a path where no file is.
    """
    from hornbook.corpora._generated import GeneratedCorpus
    from hornbook.corpora.base import DownloadedCorpus, corpus_names, open_corpus
    from hornbook.errors import UserError, nearest

    if name_or_path not in corpus_names():
        path = Path(name_or_path)
        if not path.is_file():
            near = nearest(name_or_path, corpus_names())
            hint = f"did you mean '{near}'?" if near else "give a file, or the name of a corpus (see hornbook fetch)"
            raise UserError(f"no such file '{name_or_path}'", hint=hint)
        return path
    corpus = open_corpus(name_or_path)
    if isinstance(corpus, GeneratedCorpus):
        return corpus.cached()
    if not isinstance(corpus, DownloadedCorpus):
        raise UserError(f"'{name_or_path}' is built in and no file of examples", hint="give a file")
    corpus.fingerprint()  # the cached file is still the published one
    return corpus.fetched_path()


def some(places: Sequence[str]) -> str:
    """The first few places, for a line: "line 3, line 8, line 9, ..."."""
    return ", ".join(places[:NAMED]) + (", ..." if len(places) > NAMED else "")


def readable_length(max_length: int | None, context_length: int) -> int:
    """How many tokens of an example are read at most. Errors: `UserError` for more than the model can read."""
    from hornbook.errors import UserError

    if max_length is not None and max_length > context_length:
        raise UserError(f"max_length {max_length} is more than the model's context of {context_length} tokens")
    return max_length or context_length
