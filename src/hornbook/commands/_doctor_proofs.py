"""Checks against other programs: the folder opened in transformers, and the comparisons that were kept of this model."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hornbook.commands._doctor_check import Finding, left_out, no_faults, within
from hornbook.commands._doctor_subject import Subject
from hornbook.commands._export_record import parity_line, recorded_exports
from hornbook.commands._import_compare import OUTSIDER, compare_with_outsider
from hornbook.errors import Failed
from hornbook.files import sha256_of
from hornbook.weights.model_folder import CONFIG, check_seal, read_object, save_model_folder
from hornbook.weights.own import PREFIX

NOTHING = "neither imported nor exported"


def opens_in_transformers(subject: Subject) -> Finding:
    """Ids of hard strings, logits and greedy tokens, here and in transformers, of the folder or of one made for it."""
    if find_spec(OUTSIDER) is None:
        return left_out(f"{OUTSIDER} is not installed")
    if subject.tokenizer is None:
        return left_out(subject.no_tokenizer)
    with _folder_of(subject) as folder:
        if str(read_object(folder / CONFIG).get("model_type")).startswith(PREFIX):
            return left_out("no other program computes this architecture")
        try:
            report = compare_with_outsider(folder, lambda message: None)
        except Failed as difference:
            return Finding("failed", "it says something else", str(difference))
    assert report is not None
    far, greedy = report["largest_difference"], report["greedy_tokens"]
    return within(far, report["margin"], f"ids, logits to {far:.0e}, {greedy} greedy tokens")


@contextmanager
def _folder_of(subject: Subject) -> Iterator[Path]:
    """The subject's own model folder, or one that lasts as long as the check."""
    if subject.folder is not None:
        yield subject.folder
        return
    assert subject.tokenizer is not None
    with tempfile.TemporaryDirectory() as place:
        yield save_model_folder(Path(place) / "model", subject.model, subject.tokenizer)


def comparisons_hold(subject: Subject) -> Finding:
    """What an import and each export was compared with, and whether their files are still what they were then."""
    if subject.folder is None:
        return no_faults([], NOTHING)
    info, exports = check_seal(subject.folder).get("info", {}), recorded_exports(subject.folder)
    faults = [fault for entry in exports if (fault := _fault(subject.folder, entry))]
    lines = [_line("imported", info.get("parity"))] if "imported" in info else []
    lines += [_line(_name(entry), entry.get("parity")) for entry in exports]
    return no_faults(faults, "; ".join(lines) or NOTHING, "changed")


def _fault(folder: Path, entry: dict[str, Any]) -> str:
    """What is wrong with what was exported, or "". What was moved away is nobody's fault."""
    path = Path(str(entry.get("file")))
    for name, digest in _written(path, entry).items():
        if not (path / name).is_file():
            return f"'{path / name}' was removed after the export"
        if sha256_of(path / name) != digest:
            return f"'{path / name}' was changed after the export"
    for name, digest in dict(entry.get("made_from") or {}).items():
        if not (folder / name).is_file() or sha256_of(folder / name) != digest:
            return f"'{path}' was made from another {name}"
    return ""


def _written(path: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """The sha256 of each file that is still there: of a folder by name, of one file under ""."""
    if path.is_dir():
        return dict(entry.get("files") or {})
    return {"": entry.get("sha256")} if path.is_file() else {}


def _name(entry: dict[str, Any]) -> str:
    path = Path(str(entry.get("file")))
    return path.name + ("" if path.exists() else " (moved away)")


def _line(what: str, parity: dict[str, Any] | None) -> str:
    return f"{what}: {parity_line(parity) if parity else 'not compared'}"
