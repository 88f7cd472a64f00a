"""What every `hornbook finetune KIND` does: from the command's words to a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hornbook.commands._deadline import deadline_of
from hornbook.commands._sections import FINETUNING_SECTIONS
from hornbook.commands._train import begin
from hornbook.commands._watch import watching
from hornbook.config import environment_layer, flag_layer, merge
from hornbook.training.distributed import joined


def finetune_run(
    kind: str,
    keys: dict[str, Any],
    flags: Sequence[str],
    out: Path | None,
    *,
    minutes: float | None = None,
    watch: bool = False,
    opened: bool = False,
    device: str = "auto",
    json: bool = False,
) -> None:
    """What every `hornbook finetune KIND` does. `keys` are the section [finetune] as the command was given it; None: not.

    Later ones win: the kind's defaults, HORNBOOK_... in the environment, `keys`, `flags` (--section.key value).
    Errors: `UserError` for whatever is wrong, before there is a run.
    """
    given = {"kind": kind} | {key: value for key, value in keys.items() if value is not None}
    sections = FINETUNING_SECTIONS
    layer = merge(environment_layer(sections), {"finetune": given}, flag_layer(flags, sections))
    out = out or Path("runs") / f"{kind}-{_title(layer['finetune'].get('model', ''))}"
    page = watching(out, watch, opened)
    with joined() as world:
        begin(layer, None, out, deadline=deadline_of(minutes, None), device=device, json=json, world=world, page=page)


def _title(model: str) -> str:
    """What a run is called after: runs/tales/model -> tales."""
    path = Path(model)
    return (path.parent if path.name == "model" else path).name or "model"
