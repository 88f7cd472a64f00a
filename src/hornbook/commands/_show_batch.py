"""`hornbook show batch`: what one training step reads."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from hornbook.batches.dataset import Dataset

DRAWN_TOKENS = 400


def batch(
    folder: Path,
    /,
    *,
    step: int = 0,
    batch_size: int | None = None,
    context_length: int | None = None,
    seed: int | None = None,
    picture: Path | None = None,
    json: bool = False,
) -> None:
    """Print the text that one training step reads, and where it came from: hornbook show batch runs/book --step 40.

    Parameters
    ----------
    folder
        A run folder, whose settings are used, or a dataset folder.
    step
        Which step, counted from 0.
    batch_size
        How many windows (default: the run's, else 8).
    context_length
        How many tokens a window has (default: the run's, else 64).
    seed
        The number that decides the order (default: the run's, else 0).
    picture
        Draw the first windows, token by token, as PICTURE.png and PICTURE.svg.
    json
        Print one JSON object with the tokens, texts and places of every window.
    """
    from hornbook.batches.dataset import open_dataset
    from hornbook.batches.order import batch_starts
    from hornbook.batches.windows import Windows
    from hornbook.commands._parts import dataset_of_run
    from hornbook.commands._show_terminal import print_pictures
    from hornbook.commands.base import print_json
    from hornbook.config import build
    from hornbook.errors import UserError
    from hornbook.training.update import Training

    run = _run_settings(folder)
    dataset = dataset_of_run(folder, run) if run else open_dataset(folder)
    batch_size = _chosen(batch_size, run, "training", "batch_size", 8)
    context_length = _chosen(context_length, run, "model", "context_length", 64)
    seed = _chosen(seed, run, "training", "seed", 0)
    if step < 0 or batch_size < 1:
        raise UserError(f"step must be at least 0 and batch_size at least 1, not '{step}' and '{batch_size}'")
    windows = Windows(dataset.train, context_length, name="the training part")
    starts = batch_starts(
        step,
        seed=seed,
        batch_size=batch_size,
        num_tokens=len(dataset.train),
        context_length=context_length,
        moving=build(Training, run.get("training", {}), "training").moving_windows,
    )
    rows = [_row(dataset, start, windows.tokens[start : start + context_length + 1]) for start in starts.tolist()]
    paths = _draw(dataset, rows, picture) if picture is not None else []
    if json:
        settings = {"step": step, "seed": seed, "context_length": context_length}
        print_json({**settings, "rows": rows, "pictures": list(map(str, paths))})
        return
    _print(rows, context_length)
    print_pictures(paths)


def _run_settings(folder: Path) -> dict[str, dict[str, Any]]:
    """What run.toml says where `folder` is a run; nothing where it is not."""
    from hornbook.config import read_toml

    return read_toml(folder / "run.toml") if (folder / "run.toml").is_file() else {}


def _chosen(flag: int | None, run: dict[str, dict[str, Any]], section: str, name: str, default: int) -> int:
    """The flag where it was given, else the run's setting, else the default."""
    return int(run.get(section, {}).get(name, default)) if flag is None else flag


def _row(dataset: "Dataset", start: int, tokens: "np.ndarray") -> dict[str, Any]:
    """One window for people: its text, the token that is to be predicted last, and the places of both."""
    ids = tokens.tolist()
    places = dataset.places("train", start, start + len(ids))
    return {
        "first_token": start,
        "tokens": ids,
        "text": dataset.tokenizer.decode(ids[:-1]),
        "next": dataset.tokenizer.decode(ids[-1:]),
        "places": [place._asdict() for place in places],
    }


def _print(rows: list[dict[str, Any]], context_length: int) -> None:
    for number, row in enumerate(rows):
        first = row["first_token"]
        print(f"row {number}, tokens {first:,} to {first + context_length - 1:,} of the training part")
        for place in row["places"]:
            print(f"  from {place['source']}, bytes {place['start']:,} to {place['end']:,}")
        print(f"  {row['text']!r}, then {row['next']!r}")


def _draw(dataset: "Dataset", rows: list[dict[str, Any]], path_stem: Path) -> list[Path]:
    """As many windows as can be read in a picture, one at least; of a long one its beginning."""
    from hornbook.pictures.token_pictures import token_rows

    length = len(rows[0]["tokens"])
    drawn = {
        f"row {number}, from token {row['first_token']:,}": (
            [dataset.tokenizer.token_text(token) for token in row["tokens"][:DRAWN_TOKENS]],
            row["tokens"][:DRAWN_TOKENS],
        )
        for number, row in enumerate(rows[: max(1, min(4, DRAWN_TOKENS // length))])
    }
    return token_rows(drawn, path_stem)
