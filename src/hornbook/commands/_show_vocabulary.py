"""`hornbook show vocabulary`: what a text's vocabulary is, by every way to cut it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hornbook.commands._show_tokenizers import Choice

MOST_CHARACTERS = 20_000_000  # a longer text would take minutes to cut eight times


def vocabulary(
    *source: str,
    clean: str = "standard",
    bpe: tuple[int, ...] = (512, 2048, 8192),
    context_length: int = 256,
    picture: Path | None = None,
    json: bool = False,
) -> None:
    """Compare vocabularies on one text: their sizes, how many tokens they make of it, how much a context holds.

    hornbook show vocabulary meditations --clean letters. Characters, words and byte pairs are learned from the text;
    gpt2 and cl100k_base are public and the same for every text.

    Parameters
    ----------
    source
        A corpus's name, or files and folders of your own.
    clean
        A recipe (none, standard, book, lower, letters, words), a rule, or several joined by +.
    bpe
        The size of a byte pair vocabulary to learn; may be given several times.
    context_length
        How many tokens a model reads at once.
    picture
        Draw the comparison as PICTURE.png and PICTURE.svg.
    json
        Print one JSON object.
    """
    from hornbook.commands._show_terminal import print_pictures
    from hornbook.commands.base import print_json
    from hornbook.errors import UserError
    from hornbook.pictures.vocabulary_pictures import compare_vocabularies

    if context_length < 1:
        raise UserError(f"context_length '{context_length}' is below 1")
    texts = _texts(source, clean)
    characters, words = sum(map(len, texts)), sum(len(text.split()) for text in texts)
    rows = [_row(choice, texts, words, context_length) for choice in _choices(texts, bpe)]
    sizes = {row["name"]: (row["vocab_size"], row["characters_per_token"]) for row in rows if "missing" not in row}
    title = f"Vocabularies on {', '.join(Path(name).name for name in source)}"[:60]
    paths = compare_vocabularies(sizes, picture, title=title) if picture is not None else []
    if json:
        counts = {"characters": characters, "words": words, "clean": clean, "context_length": context_length}
        print_json({"source": source, **counts, "vocabularies": rows, "pictures": list(map(str, paths))})
        return
    _print(f"{' '.join(source)}: {characters:,} characters, {words:,} words (cleaning: {clean})", rows, context_length)
    print_pictures(paths)


def _texts(source: tuple[str, ...], clean: str) -> list[str]:
    """The cleaned documents, up to about 20 million characters. Errors: `UserError` where there is no text."""
    from hornbook.commands.base import talk
    from hornbook.corpora.base import open_source
    from hornbook.errors import UserError
    from hornbook.text.cleaning import Cleaner

    cleaner = Cleaner(clean)
    texts: list[str] = []
    characters = 0
    for document in cleaner.clean(open_source(source).documents()):
        texts.append(document.text)
        characters += len(document.text)
        if characters >= MOST_CHARACTERS:
            talk(f"only the first {characters:,} characters are read")
            break
    if not any(text.strip() for text in texts):
        raise UserError(f"'{' '.join(source)}' has no text")
    return texts


def _choices(texts: list[str], bpe: tuple[int, ...]) -> "Iterator[Choice]":
    """Tokenizers, one after the other. A text too small for a byte pair vocabulary gives the most it can."""
    from hornbook.commands._show_tokenizers import PUBLIC, Choice, choose, learned

    here = "learned from this text"
    yield Choice("characters", here, learned("character", texts))
    yield Choice("words (at blanks)", here, learned("word", texts, split="whitespace"))
    yield Choice("words and marks", here, learned("word", texts, split="book"))
    made = set()
    for size in bpe:
        tokenizer = learned("bpe", texts, vocab_size=size)
        if tokenizer.vocab_size not in made:
            made.add(tokenizer.vocab_size)
            yield Choice(f"byte pairs {tokenizer.vocab_size:,}", here, tokenizer)
    yield from (choose(name, "", None) for name in PUBLIC)


def _row(choice: "Choice", texts: list[str], words: int, context_length: int) -> dict[str, Any]:
    from hornbook.commands._show_tokenizers import num_pieces

    if (tokenizer := choice.tokenizer) is None:
        return {"name": choice.name, "missing": choice.missing}
    tokens = sum(map(len, tokenizer.encode_batch(texts)))
    per_token = sum(map(len, texts)) / tokens
    return {
        "name": choice.name,
        "vocab_size": num_pieces(tokenizer),
        "tokens": tokens,
        "characters_per_token": round(per_token, 4),
        "context_characters": round(context_length * per_token),
        "context_words": round(context_length * words / tokens),
    }


def _print(heading: str, rows: list[dict[str, Any]], context_length: int) -> None:
    from rich.table import Table

    from hornbook.commands._show_terminal import console, print_missing

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for column in (
        "vocabulary",
        "tokens",
        "characters\nin a token",
        f"{context_length} tokens:\ncharacters",
        "words",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        if "missing" not in row:
            numbers = [row[name] for name in ("vocab_size", "tokens")]
            covers = [row[name] for name in ("context_characters", "context_words")]
            per_token = f"{row['characters_per_token']:.2f}"
            table.add_row(row["name"], *map("{:,}".format, numbers), per_token, *map("{:,}".format, covers))
    out = console()
    out.print(heading, table, sep="\n\n")
    for row in rows:
        if "missing" in row:
            out.print()
            print_missing(out, row["name"], row["missing"])
