"""`hornbook doctor`: a pass/fail card of a model, on this machine."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from hornbook.commands._doctor_check import Check, Result
    from hornbook.commands._doctor_subject import Subject


def doctor(
    model: str | None = None,
    /,
    *settings: Annotated[str, Parameter(allow_leading_hyphen=True)],
    only: tuple[str, ...] = (),
    device: str = "auto",
    json: bool = False,
) -> None:
    """Examine a model on this machine: does it read, learn and keep what it promises? hornbook doctor shakespeare-char

    Each check is a line: what was measured, what is allowed. A failed one says what that means and where to look.
    Without MODEL it lists the checks. The exit code is 0 where all that ran passed, 1 otherwise.

    Parameters
    ----------
    model
        A model folder, a run folder with a finished model, a hub's model (owner/name), or a recipe, whose model is
        drawn freshly.
    settings
        For a recipe: --section.key value, as for hornbook train.
    only
        The check to make; may be given several times.
    device
        auto, cpu, cuda or mps.
    json
        Print one JSON object: every check with its result, numbers, meaning and seconds.
    """
    from hornbook.commands._doctor_card import description
    from hornbook.commands._doctor_checks import CHECKS
    from hornbook.commands._doctor_subject import open_subject
    from hornbook.commands.base import talk
    from hornbook.errors import UserError

    if model is None:
        talk("\n".join(line for check in CHECKS for line in description(check)))
        raise UserError("nothing to examine", hint="name a model folder, a run folder or a recipe")
    chosen = _chosen(only)
    _examine(open_subject(model, settings, device), chosen, json)


def _chosen(only: tuple[str, ...]) -> "list[Check]":
    """The checks named, or all. Errors: `UserError` for a name that none has."""
    from hornbook.commands._doctor_checks import CHECKS
    from hornbook.errors import unknown

    known = {check.name: check for check in CHECKS}
    for name in only:
        if name not in known:
            raise unknown("check", name, known, "hornbook doctor lists them all")
    return [check for check in CHECKS if not only or check.name in only]


def _examine(subject: "Subject", checks: "list[Check]", json: bool) -> None:
    """Make the checks, show each as it is made, and the summary. Errors: `Failed` where one of them failed."""
    from hornbook.commands._doctor_card import heading, lines, summary
    from hornbook.commands._doctor_check import run_check
    from hornbook.commands.base import print_json, talk
    from hornbook.errors import Failed

    if not json:
        print(heading(subject), flush=True)
    results: list[Result] = []
    for check in checks:
        if check.slow:
            talk(check.slow)
        results.append(run_check(check, subject))
        if not json:
            print("\n".join(lines(results[-1])), flush=True)
    failed = [result.check.name for result in results if result.finding.verdict == "failed"]
    if json:
        print_json(as_json(subject, results))
    else:
        print(summary(results))
    if failed:
        raise Failed(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}")


def as_json(subject: "Subject", results: "list[Result]") -> dict[str, object]:
    """Everything about the visit as JSON values."""
    failed = [result for result in results if result.finding.verdict == "failed"]
    return {
        "model": subject.name,
        "kind": type(subject.model).__name__.lower(),
        "config": subject.model.config.model_dump(),
        "parameters": subject.model.num_parameters(),
        "trained": subject.trained,
        "device": str(subject.device),
        "passed": not failed,
        "checks": [result.as_json() for result in results],
    }
