"""`hornbook compare`: which of several models is better, and whether that is more than luck."""

from pathlib import Path


def compare(
    *runs: Path,
    data: Path | None = None,
    picture: Path | None = None,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Compare finished runs on the same validation text: hornbook compare runs/before runs/after.

    Each difference comes with an interval that holds it 95 times of 100 (a bootstrap over blocks of the text that all
    have read), a plain verdict, and what was set differently. Models with different tokenizers are compared by bits
    per character.

    Parameters
    ----------
    runs
        Run folders, model folders, or folders made by hornbook train --seeds; the first is the reference.
    data
        A dataset folder whose validation text all shall read (default: the one that they were all validated on).
    picture
        Draw the losses while training, all in one picture: PICTURE.png and PICTURE.svg.
    device
        auto, cpu, cuda or mps.
    json
        Print one JSON object.
    """
    from hornbook.batches.dataset import open_dataset
    from hornbook.commands._compare_curves import check_curves, draw_curves
    from hornbook.commands._compare_measure import measure
    from hornbook.commands._compare_show import as_json, show
    from hornbook.commands._compare_sides import open_sides
    from hornbook.commands._show_terminal import print_pictures
    from hornbook.commands.base import print_json

    sides = open_sides(runs)
    dataset = open_dataset(data) if data is not None else None
    if picture is not None:
        check_curves(sides)
    found = measure(sides, dataset, device)
    paths = []
    if picture is not None:
        paths = draw_curves(
            sides, picture, per_character=found.pieces.per_character, one_text=len(found.strangers) == 0
        )
    if json:
        print_json({**as_json(found), "pictures": list(map(str, paths))})
        return
    show(found)
    print_pictures(paths)
