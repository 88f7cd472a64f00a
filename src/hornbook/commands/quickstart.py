"""`hornbook quickstart`: from raw text to a model that writes, with a bigram beside it, in about two minutes."""

from pathlib import Path


def quickstart(
    *texts: str,
    minutes: float = 1.5,
    out: Path | None = None,
    seed: int = 0,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Take a text to a model that writes: tokens, a bigram to beat, a GPT, samples, pictures and a table.

    Without TEXTS the built-in village tells the stories (offline, no download). The sizes of vocabulary and model
    follow from the amount of text, the number of steps from the minutes and the speed of this machine.

    Parameters
    ----------
    texts
        Files or folders with your own text, or the name of a corpus (see hornbook fetch).
    minutes
        How long to train, for both models together.
    out
        Where to put everything (default: runs/quickstart, then runs/quickstart-2 and so on).
    seed
        The seed of every random choice.
    device
        auto, cpu, cuda or mps.
    json
        Print the result as one JSON object.
    """
    from hornbook.commands._quickstart import Quickstart
    from hornbook.commands.base import print_json
    from hornbook.errors import UserError

    if not 0 < minutes < float("inf"):  # so that nan is refused too
        raise UserError(f"minutes must be a number above 0, not '{minutes}'")
    result = Quickstart(texts or ("village",), minutes * 60, out or _free(Path("runs/quickstart")), seed, device).run()
    if json:
        print_json(result.as_json())
    else:
        result.show()


def _free(path: Path) -> Path:
    """The first of runs/quickstart, runs/quickstart-2, ... that isn't there."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
