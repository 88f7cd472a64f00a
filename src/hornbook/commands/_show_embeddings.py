"""`hornbook show embeddings`: which tokens a model holds for alike."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hornbook.generation.generate import LanguageModel
    from hornbook.tokenizers.base import Tokenizer

SHOWN = 8  # tokens whose neighbours are listed where none is named
DRAWN = 300  # tokens in the picture
SHORTEST = 3  # letters of a token that people recognise


def embeddings(
    model: str,
    /,
    *,
    token: tuple[str, ...] = (),
    neighbours: int = 8,
    device: str = "auto",
    picture: Path | None = None,
    json: bool = False,
) -> None:
    """Show which tokens' embeddings are nearest each other: hornbook show embeddings runs/tales --token fox

    Nearness is the cosine of the angle between two tokens' vectors: 1 is the same direction, 0 none in common.

    Parameters
    ----------
    model
        A model folder, or a run folder with a finished model.
    token
        The token, as written or with a space before it; may be given several times (default: some of the vocabulary).
    neighbours
        How many to list for each.
    device
        auto, cpu, cuda or mps.
    picture
        Draw the tokens on the plane in which their vectors differ most, as PICTURE.png and PICTURE.svg.
    json
        Print one JSON object: for each token its neighbours with their cosines.
    """
    import hornbook
    from hornbook.commands._show_terminal import print_pictures
    from hornbook.commands.base import print_json
    from hornbook.errors import UserError

    if neighbours < 1:
        raise UserError(f"neighbours '{neighbours}' is below 1")
    language_model = hornbook.load(model, device)
    readable = readable_tokens(language_model.tokenizer)
    asked = list(dict.fromkeys(token_named(language_model.tokenizer, name) for name in token)) or readable[:SHOWN]
    rows = _neighbours(language_model, asked, neighbours)
    drawn = list(dict.fromkeys([*asked, *readable]))[: max(DRAWN, len(asked))]
    paths = _draw(language_model, drawn, len(asked) if token else 0, picture) if picture is not None else []
    if json:
        print_json({"tokens": rows, "pictures": list(map(str, paths))})
        return
    _print(rows)
    print_pictures(paths)


def token_named(tokenizer: "Tokenizer", name: str) -> int:
    """The id of a token as written, else with a space before it: 'fox' -> that of ' fox'. Errors: `UserError`."""
    from hornbook.errors import UserError

    for text in (name, f" {name}") if name else ():
        ids = tokenizer.encode(text, allow_special=True)
        if len(ids) == 1 and ids[0] != tokenizer.unknown_id:
            return ids[0]
    ids = tokenizer.encode(name)
    parts = "' '".join(tokenizer.token_text(number) for number in ids)
    hint = f"it is read as '{parts}'" if len(ids) > 1 else "name a token of its vocabulary"
    raise UserError(f"'{name}' is no token of this model", hint=hint)


def readable_tokens(tokenizer: "Tokenizer") -> list[int]:
    """Tokens that are words, or, where there are none, all: those learned first (the most frequent) come first.

    A word vocabulary is in the order of the alphabet, which says nothing, so there it is gone through in long steps.
    """
    texts = {number: tokenizer.token_text(number) for number in shown_tokens(tokenizer)}
    spaced = tokenizer.kind == "bpe"  # only there a space shows where a word begins
    words = [number for number, text in texts.items() if text.startswith(" ") == spaced and _is_word(text)]
    words = words or list(texts)
    if spaced:
        return words
    step = max(1, len(words) // DRAWN)
    return [word for start in range(step) for word in words[start::step]]


def shown_tokens(tokenizer: "Tokenizer") -> list[int]:
    """Tokens that can be read: no special ones, no parts of characters, none of a public vocabulary's gaps."""
    from hornbook.errors import UserError

    special = set(tokenizer.special_tokens.values())
    shown = []
    for number in range(tokenizer.vocab_size):
        try:
            text = tokenizer.token_text(number)
        except UserError:
            continue
        if number not in special and "\ufffd" not in text and text.isprintable():
            shown.append(number)
    return shown


def _is_word(text: str) -> bool:
    word = text.removeprefix(" ")
    return len(word) >= SHORTEST and word.isalpha()


def _neighbours(language_model: "LanguageModel", asked: list[int], count: int) -> list[dict[str, Any]]:
    from hornbook.layers.embedding_space import nearest

    tokenizer = language_model.tokenizer
    among = list(dict.fromkeys([*asked, *shown_tokens(tokenizer)]))
    vectors = language_model.model.get_parameter("token_embedding.weight").detach()[among]
    found, cosines = nearest(vectors, [among.index(token) for token in asked], count)
    return [
        {
            "id": token,
            "text": tokenizer.token_text(token),
            "neighbours": [
                {"id": among[other], "text": tokenizer.token_text(among[other]), "cosine": round(cosine, 6)}
                for other, cosine in zip(others, values, strict=True)
            ],
        }
        for token, others, values in zip(asked, found.tolist(), cosines.tolist(), strict=True)
    ]


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.text import Text

    from hornbook.commands._show_terminal import console, short

    out = console()
    for row in rows:
        line = Text(short(row["text"], 14).ljust(16), "bold")
        for other in row["neighbours"]:
            part = f"{short(other['text'], 20)} {other['cosine']:.2f}"
            if line.plain.rpartition("\n")[2] and len(line.plain.rpartition("\n")[2]) + len(part) + 2 > out.width:
                line.append("\n" + " " * 16)
            line.append(part + "  ", "default not bold")
        out.print(line, soft_wrap=True)


def _draw(language_model: "LanguageModel", tokens: list[int], num_strong: int, path_stem: Path) -> list[Path]:
    import torch.nn.functional as F

    from hornbook.layers.embedding_space import principal_plane
    from hornbook.pictures.embedding_map import embedding_map

    vectors = language_model.model.get_parameter("token_embedding.weight").detach().cpu()[tokens]
    points, shares = principal_plane(F.normalize(vectors.float(), dim=-1))
    names = [
        f"{which} direction ({share:.0%} of the variance)"
        for which, share in zip(("first", "second"), shares.tolist(), strict=True)
    ]
    labels = [
        language_model.tokenizer.token_text(token).removeprefix(" ") for token in tokens
    ]  # a mark looks like a point
    title = f"The embeddings of {len(tokens)} tokens, by direction"
    return embedding_map(
        points.numpy(), labels, path_stem, title=title, axis_names=(names[0], names[1]), strong=range(num_strong)
    )
