"""Shelves: folders in which a variant is a file and its name is the file's name. There is no registry to edit."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any

from hornbook.errors import unknown

PACKAGE = Path(__file__).parent


def names(shelf: str) -> list[str]:
    """The variants on a shelf, found without importing them: 'tokenizers' -> ['bpe', 'character', 'word'].

    A file whose name begins with an underscore is a part of a variant, not one itself.
    """
    files = (module.name for module in pkgutil.iter_modules([str(PACKAGE / shelf)]))
    return sorted(name for name in files if name != "base" and not name.startswith("_"))


def typed(name: str) -> str:
    """A variant's name as a person types it: 'verify_resume' -> 'verify-resume', 'import_' -> 'import' (a word of Python)."""
    return name.rstrip("_").replace("_", "-")


def find(shelf: str, name: str) -> Any:
    """The class that `shelf/name.py` defines: the one that subclasses the shelf's base (the class with `SHELF = True`).

    Errors: `UserError` with the choices and the near name where the shelf has no such file.
    """
    if name not in names(shelf):
        raise unknown(shelf.removesuffix("s"), name, names(shelf))
    base_module = importlib.import_module(f"hornbook.{shelf}.base")
    base = next(item for item in vars(base_module).values() if isinstance(item, type) and "SHELF" in vars(item))
    module = importlib.import_module(f"hornbook.{shelf}.{name}")
    own = [item for item in vars(module).values() if isinstance(item, type) and item.__module__ == module.__name__]
    found = [item for item in own if issubclass(item, base)]
    assert len(found) == 1, f"{module.__name__} must define exactly one {base.__name__}, not {len(found)}"
    return found[0]
