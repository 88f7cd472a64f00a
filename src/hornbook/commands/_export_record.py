"""What a model folder remembers of the files that were made from it: `exports.json`, one entry a file."""

from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.files import read_json, write_json

EXPORTS = "exports.json"


def record_export(folder: Path, entry: dict[str, Any]) -> str:
    """Add an entry to the folder's list, in place of an earlier one of the same file; why that can't be, or ''."""
    kept = [known for known in recorded_exports(folder) if known.get("file") != entry["file"]]
    try:
        write_json(folder / EXPORTS, [*kept, entry])
    except UserError as error:  # a folder of another user's, or a read-only cache
        return f"the export is not remembered in the model folder: {error}"
    return ""


def recorded_exports(folder: Path) -> list[dict[str, Any]]:
    """Every entry, oldest first. Errors: `UserError` where the list is damaged."""
    if not (folder / EXPORTS).is_file():
        return []
    entries = read_json(folder / EXPORTS)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"'{folder / EXPORTS}' is damaged", hint="remove it: it only remembers what was exported")
    return entries


def parity_line(parity: dict[str, Any]) -> str:
    """A comparison in a line: 'llama.cpp v0.5.0: ids, logits to 1e-05, 128 of 128 greedy tokens'."""
    release = f" {parity['release']}" if parity.get("release") else ""
    written = f"{parity.get('greedy_equal', parity['greedy_tokens'])} of {parity['greedy_tokens']} greedy tokens"
    return f"{parity['with']}{release}: ids, logits to {parity['largest_difference']:.0e}, {written}"
