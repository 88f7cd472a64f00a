"""`hornbook show examples`: what a fine-tuning would read, and which tokens of it are learned."""

from typing import TYPE_CHECKING, Any

from hornbook.commands._chat_settings import TooLong

if TYPE_CHECKING:
    from rich.console import Console

    from hornbook.finetuning.examples import Example, Examples
    from hornbook.tokenizers.base import Tokenizer


def examples(
    data: str,
    /,
    *,
    model: str,
    template: str = "auto",
    new_tokens: bool = False,
    max_length: int | None = None,
    too_long: TooLong = "cut",
    train_prompt: bool = False,
    number: int = 3,
    json: bool = False,
) -> None:
    """See the tokens of conversations and which are learned: hornbook show examples questions.jsonl --model runs/tales

    Learned tokens are on colour, or stand above ^^^ where there are no colours: those of answers, and the token that
    ends each. The first lines are about all examples of the file. Settings are those of hornbook finetune chat.

    Parameters
    ----------
    data
        A .json list or a .jsonl file of conversations, or the name of a fetched corpus (instructions).
    model
        A model folder, or a run folder with a finished model: its tokenizer cuts, its context is the limit.
    template
        auto (the model's own, else alpaca), alpaca, chatml, phi3, plain, or a file of Jinja.
    new_tokens
        Add the template's marks to the vocabulary.
    max_length
        The most tokens of an example (default: the context).
    too_long
        What is done with longer ones: cut (leave out the oldest turns), drop or refuse.
    train_prompt
        Learn the questions too.
    number
        How many examples to show.
    json
        Print one JSON object with the tokens and marks of each.
    """
    import hornbook
    from hornbook.commands._chat_data import read_examples
    from hornbook.commands._chat_settings import ExampleSettings
    from hornbook.commands._finetune_data import find_data
    from hornbook.commands._finetune_template import taught
    from hornbook.commands.base import print_json
    from hornbook.config import build

    keys = {"template": template, "new_tokens": new_tokens, "max_length": max_length, "too_long": too_long,
            "train_prompt": train_prompt}  # fmt: skip
    settings = build(ExampleSettings, keys, "finetune")
    path = find_data(data)
    language_model = taught(hornbook.load(model), template, new_tokens)
    found = read_examples(path, language_model, settings)
    shown = found.kept[: max(0, number)]
    if json:
        rows = [_row(example, language_model.tokenizer) for example in shown]
        print_json({"data": str(path), **_summary(found), "dropped": list(found.dropped), "shown": rows})
        return
    _print(found, shown, language_model.tokenizer, settings.max_length or language_model.config.context_length)


def _summary(found: "Examples") -> dict[str, Any]:
    lengths = [len(example.marked.tokens) for example in found.kept]
    return {
        "examples": len(found.kept),
        "tokens": found.num_tokens,
        "trained_tokens": found.num_trained,
        "longest": max(lengths),
        "shortest": min(lengths),
        "cut": found.num_cut,
        "unanswered": found.unanswered,
    }


def _row(example: "Example", tokenizer: "Tokenizer") -> dict[str, Any]:
    """One example as JSON has it."""
    return {
        "place": example.conversation.place,
        "tokens": example.marked.tokens,
        "texts": [tokenizer.token_text(token) for token in example.marked.tokens],
        "trained": example.marked.trained,
        "cut": [dict(message) for message in example.cut],
    }


def _print(found: "Examples", shown: "tuple[Example, ...]", tokenizer: "Tokenizer", max_length: int) -> None:
    from hornbook.commands._chat_data import said
    from hornbook.commands._show_terminal import console, short, visible

    out, sums = console(), _summary(found)
    share = sums["trained_tokens"] / sums["tokens"]
    out.print(f"{sums['examples']:,} examples of {sums['shortest']:,} to {sums['longest']:,} tokens", style="bold")
    out.print(f"  {sums['tokens']:,} tokens, {sums['trained_tokens']:,} of them learned ({share:.1%})")
    for line in said(found):
        out.print(f"  {line}", soft_wrap=True)
    for example in shown:
        marked = example.marked
        out.print()
        counts = f"{len(marked.tokens):,} tokens, {sum(marked.trained):,} learned"
        out.print(f"{example.conversation.place}: {counts}, room for {max_length + 1:,}", style="bold", soft_wrap=True)
        for message in example.cut:
            out.print(f"  cut  {message['role']}: {short(message['content'], out.width - 20)}")
        _print_marks(out, [visible(tokenizer.token_text(token)) for token in marked.tokens], marked.trained)


def _print_marks(out: "Console", pieces: list[str], trained: list[bool], indent: int = 2) -> None:
    """Pieces in reading order: the trained ones on colour, or where there is none parted by bars, above ^^^."""
    from rich.cells import cell_len
    from rich.text import Text

    from hornbook.commands._show_terminal import FILLS, wrapped

    coloured = out.color_system is not None
    for line in wrapped(pieces, out.width - indent, 1):
        text, below = Text(" " * indent), " " * indent
        for number, part in line:
            text.append(part, FILLS[1] if coloured and trained[number] else "")
            text.append(" " if coloured else "|")
            below += ("^" if trained[number] else " ") * cell_len(part) + " "
        out.print(text, soft_wrap=True)
        if not coloured and below.strip():
            out.print(below.rstrip(), soft_wrap=True)
