"""One import from its source to the model folder: as it is, or changed on its way."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.commands._import_changed import Changed, Changes, import_changed
from hornbook.commands._import_compare import compare_with_outsider
from hornbook.commands._import_source import opened_source, require_absent
from hornbook.commands.base import talk
from hornbook.weights.imported import examine, write_imported


@dataclass(frozen=True)
class Imported:
    """A model folder that was written, and what is known of it."""

    out: Path
    origin: dict[str, str]
    facts: dict[str, Any]
    parity: dict[str, Any] | None
    changed: Changed | None = None

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        told = {"folder": str(self.out), **self.origin, **self.facts, "parity": self.parity}
        return told | ({"changed": self.changed.changes} if self.changed else {})

    def lines(self) -> list[str]:
        """For people."""
        shown = [f"{name.replace('_', ' ')}: {_number(fact)}" for name, fact in self.facts.items()]
        shown += self.changed.lines() if self.changed else []
        if self.parity:
            found = f"ids, logits to {self.parity['largest_difference']:.1g}, {self.parity['greedy_tokens']} tokens"
            shown.append(f"as in {self.parity['with']}: {found}")
        begun = f"imported '{self.origin['source']}' to '{self.out}'"
        return [begun, *shown, f"try: hornbook generate {self.out} Once"]


def import_model(
    source: str, out: Path, changes: Changes, *, tokenizer: Path | None = None, compare: bool = True
) -> Imported:
    """Take SOURCE in at `out`. Errors: `UserError` for what doesn't open or can't be changed so; `Failed`, see there."""
    require_absent(out)
    changing = changes.any
    with opened_source(source, tokenizer) as (folder, origin):
        talk(f"reading '{source if 'format' in origin else folder}'")
        if changing:
            changed = import_changed(folder, out, changes, origin, compare)
            return Imported(out, origin, changed.facts, changed.parity, changed)
        found = examine(folder)
        parity = compare_with_outsider(folder, talk) if compare else None
        write_imported(found, out, {"imported": origin | found.facts()} | ({"parity": parity} if parity else {}))
        return Imported(out, origin, found.facts(), parity)


def _number(fact: Any) -> str:
    return f"{fact:,}" if isinstance(fact, int) else str(fact)
