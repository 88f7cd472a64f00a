"""`hornbook classify`: the class of texts, with its probability."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def classify(
    model: str,
    /,
    *,
    text: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    csv: Path | None = None,
    column: str = "text",
    out: Path | None = None,
    device: str = "auto",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Ask a classifier: hornbook classify runs/spam --text "Win a prize now", or for a file:
    hornbook classify runs/spam --csv letters.csv --out sorted.csv

    The file OUT has the rows of CSV with two more columns, predicted_label and predicted_probability.

    Parameters
    ----------
    model
        The run of hornbook finetune classifier, or its model folder, or one of transformers with such a head.
    text
        A text; may be given several times.
    csv
        A .csv, .tsv or .jsonl file of texts, of any size: it is read in portions.
    column
        Its column of texts. By number, from 1, where the table has no header.
    out
        The file to write, of the same kind.
    device
        auto, cpu, cuda or mps.
    json
        Print one JSON object: for texts the probability of every class, for a file how many were found of each.
    """
    from hornbook.errors import UserError

    if bool(text) == (csv is not None):
        raise UserError("what shall be classified?", hint='give --text "..." or --csv FILE --out FILE')
    if (csv is None) != (out is None):
        raise UserError("a file is read from --csv and written to --out", hint="give both")

    import hornbook
    from hornbook.commands._classify import check_files, classify_file, classify_texts

    if csv is None or out is None:
        classify_texts(hornbook.load_classifier(model, device), text, json)
        return
    check_files(csv, out)
    classify_file(hornbook.load_classifier(model, device), csv, column, out, json)
