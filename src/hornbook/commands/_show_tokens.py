"""`hornbook show tokens`: one text, cut by several tokenizers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hornbook.commands._show_tokenizers import Choice


def tokens(
    text: str,
    /,
    *,
    tokenizer: tuple[str, ...] = (),
    model: Path | None = None,
    picture: Path | None = None,
    json: bool = False,
) -> None:
    """Cut one text into characters, words and subwords, side by side: hornbook show tokens "The fox was asleep."

    Blanks are shown as marks: · is a space, ↵ a line end; � is a part of a character. Below are the tokens' ids.

    Parameters
    ----------
    text
        The text to cut.
    tokenizer
        character, word, bpe, gpt2, cl100k_base or the path of a tokenizer.json; may be given several times (default:
        the five names).
    model
        A model, run or dataset folder, whose tokenizer stands in for bpe; without it bpe is a small one, learned from
        the built-in village's stories.
    picture
        Draw the tokens as PICTURE.png and PICTURE.svg.
    json
        Print one JSON object with the tokens and ids of each.
    """
    from hornbook.commands._show_terminal import print_pictures
    from hornbook.commands._show_tokenizers import NAMES, choose, require_known
    from hornbook.commands.base import print_json
    from hornbook.errors import UserError
    from hornbook.pictures.token_pictures import token_rows

    if not text.strip():
        raise UserError("the text is empty", hint='hornbook show tokens "The fox was asleep."')
    names = tokenizer or NAMES
    require_known(names)
    choices = [choose(name, text, model) for name in names]
    if all(choice.missing for choice in choices):
        raise UserError(str(choices[0].missing))
    rows = [_cut(choice, text) for choice in choices]
    drawn = {row["name"]: (row["tokens"], row["ids"]) for row in rows if "missing" not in row}
    paths = token_rows(drawn, picture, characters=len(text)) if picture is not None else []
    if json:
        print_json({"text": text, "tokenizers": rows, "pictures": list(map(str, paths))})
        return
    _print(rows)
    print_pictures(paths)


def _cut(choice: "Choice", text: str) -> dict[str, Any]:
    """One row as JSON has it: the tokens' texts and ids, or why they are missing."""
    from hornbook.commands._show_tokenizers import num_pieces

    if choice.tokenizer is None:
        return {"name": choice.name, "origin": choice.origin, "missing": choice.missing}
    ids = choice.tokenizer.encode(text)
    return {
        "name": choice.name,
        "origin": choice.origin,
        "vocab_size": num_pieces(choice.tokenizer),
        "tokens": [choice.tokenizer.token_text(number) for number in ids],
        "ids": ids,
        "characters_per_token": round(len(text) / len(ids), 4),
    }


def _print(rows: list[dict[str, Any]]) -> None:
    from hornbook.commands._show_terminal import console, print_missing, print_pieces, visible

    out = console()
    for place, row in enumerate(rows):
        if place:
            out.print()
        if "missing" in row:
            print_missing(out, row["name"], row["missing"])
            continue
        counts = f"{len(row['ids'])} tokens, {row['characters_per_token']:.2f} characters each"
        out.print(f"{row['name']}: {counts}", style="bold")
        out.print(f"  vocabulary of {row['vocab_size']:,}, {row['origin']}")
        print_pieces(out, [visible(token) for token in row["tokens"]], row["ids"])
