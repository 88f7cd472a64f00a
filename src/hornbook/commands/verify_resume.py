"""`hornbook verify-resume`: is a killed and resumed run the same as one that was never stopped? To the last bit, here."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def verify_resume(
    recipe: str,
    /,
    *settings: Annotated[str, Parameter(allow_leading_hyphen=True)],
    kills: int = 5,
    seed: int = 0,
    data: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Train a recipe once undisturbed, once killed and resumed again and again, and compare: a certificate.

    The kills are SIGKILL from outside at random moments; at least a third of them hit the inside of a checkpoint write.
    Compared are the weights, the optimizer's state, the model and every record of metrics.jsonl. Exit code 1 where
    anything differs. For a long recipe give fewer steps: --training.steps 100.

    Parameters
    ----------
    recipe
        The name of a packaged recipe, or the path of a .toml file.
    settings
        --section.key value, as for hornbook train.
    kills
        How often to kill.
    seed
        The seed of the kills' moments.
    data
        A dataset folder made by hornbook prepare; without it the recipe's own source is prepared once.
    out
        A folder to make and keep: both runs and certificate.json (default: a temporary one).
    device
        auto, cpu, cuda or mps.
    json
        Print the certificate as one JSON object.
    """
    from hornbook.commands._verify import Plan, verify
    from hornbook.commands.base import print_json
    from hornbook.errors import Failed

    certificate = verify(Plan(recipe, settings, kills, seed, data, out, device))
    if json:
        print_json(certificate.as_json())
    else:
        print("\n".join(certificate.lines()))
    if not certificate.exact:
        raise Failed(certificate.verdict)
