"""The files of a fine-tuning: a run names where they lie and what they were, and goes on with no others."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from hornbook.commands._recipe import place_of
from hornbook.config import Layer, Settings
from hornbook.errors import UserError
from hornbook.files import sha256_of

DIGITS = 16  # of a hash, in a message

Own = TypeVar("Own", bound=Settings)


def same_file(path: Path, known: str | None, what: str) -> str:
    """The sha256 of a file. Errors: `UserError` where it is another than the one `known`; `what` the file is."""
    found = sha256_of(path)
    if known not in (None, found):
        raise UserError(
            f"'{path}' is not the {what} that this run began with: its sha256 is {found[:DIGITS]}..., "
            f"that one's was {str(known)[:DIGITS]}...",
            hint="put the old one back, or begin anew",
        )
    return found


def with_files(own: Own, names: Sequence[str], home: Path) -> Own:
    """A kind's settings in which the files `names` are found from `home`, each with its hash in `<name>_hash`.

    What is no file there stays as it is: a template may be called by its name, and an absent file is the kind's to refuse.
    Errors: as `same_file`.
    """
    found: dict[str, str] = {}
    for name in names:
        value = getattr(own, name)
        if value is not None and (home / value).is_file():
            path = home / value
            known = getattr(own, f"{name}_hash")
            found |= {name: str(path), f"{name}_hash": same_file(path, known, f"{name} file")}
    return own.model_copy(update=found)


def placed(own: Settings, names: Sequence[str], run: Path) -> Layer:
    """A kind's settings as its run.toml holds them: files relative to the run where they lie in or beside it."""
    layer = own.model_dump()
    return layer | {name: place_of(Path(layer[name]), run) for name in names if layer[f"{name}_hash"]}
