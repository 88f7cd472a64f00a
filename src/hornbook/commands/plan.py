"""`hornbook plan`: what a run will take, before anything runs."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def plan(
    recipe: str | None = None,
    /,
    *settings: Annotated[str, Parameter(allow_leading_hyphen=True)],
    on: str | None = None,
    data: Path | None = None,
    vocab_size: int | None = None,
    json: bool = False,
) -> None:
    """Say what a run will take, before it begins: hornbook plan shakespeare-char, or hornbook plan gpt2-124m --on 8xh100.

    Parameters, FLOPs, memory, disk, tokens, time, and the cost of a rented machine. Nothing is trained, fetched or kept.
    On this machine the time comes from a few real steps of a throwaway model, about ten seconds; for others it is
    computed, and what is assumed is said. If it doesn't fit, the cheapest change that does is named.

    Parameters
    ----------
    recipe
        The name of a packaged recipe, or the path of a .toml file.
    settings
        --section.key value, as for hornbook train.
    on
        cpu or cuda: this machine (default: the better of both that is here). h100, 8xh100 and so on: one that isn't.
    data
        A dataset folder made by hornbook prepare, as for hornbook train.
    vocab_size
        The size of the vocabulary, where the text isn't to be read or isn't here.
    json
        Print one JSON object: bytes, seconds, dollars.
    """
    from hornbook.commands._recipe import check_recipe, read_recipe, recipe_lines
    from hornbook.commands.base import print_json, talk
    from hornbook.errors import UserError

    if recipe is None:
        talk("\n".join(recipe_lines()))
        raise UserError("no recipe given", hint="name one of these, or a .toml file of your own")

    from hornbook.commands._plan_make import make_plan, place_of
    from hornbook.commands._plan_print import print_plan
    from hornbook.commands._plan_text import text_of
    from hornbook.device import choose_device
    from hornbook.training.hardware import machine_named

    here = on in (None, "cpu", "cuda")
    place = place_of(None if here else machine_named(str(on)), choose_device((on or "auto") if here else "cpu"))
    checked = check_recipe(read_recipe(recipe, settings))
    with text_of(checked, data, vocab_size) as text:
        made = make_plan(Path(recipe).stem, checked, text, place)
    if json:
        print_json(made.as_json())
    else:
        print_plan(made)
