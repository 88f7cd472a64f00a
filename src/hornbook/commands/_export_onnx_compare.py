"""An ONNX folder put beside onnxruntime: the same questions to the folder and to the model it was made from."""

from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from hornbook.commands._export_result import Result
from hornbook.commands._import_compare import ask_ourselves, ask_outsider
from hornbook.weights.parity import compare

OUTSIDER = "onnxruntime"
NEEDED = (OUTSIDER, "tokenizers")  # the graph knows ids only


def compare_onnx(result: Result, talk: Callable[[str], None]) -> dict[str, Any] | None:
    """What the comparison of a folder with its model found; None where onnxruntime can't be asked.

    One of the two has its weights in memory at a time.
    Errors: `Failed` where the two disagree, or onnxruntime doesn't open the folder.
    """
    if absent := [package for package in NEEDED if find_spec(package) is None]:
        reason = f"{absent[0]} is not installed; hint: pip install 'hornbook[interop]'"
        talk(f"note: not compared with {OUTSIDER}: {reason}")
        return None
    talk(f"comparing with {OUTSIDER}")
    questions, ours = ask_ourselves(result.source, None)
    theirs = ask_outsider("_onnxruntime", questions | {"folder": str(result.path.absolute())}, OUTSIDER)
    report = compare(ours, theirs, OUTSIDER)
    return {"with": OUTSIDER, "release": metadata.version(OUTSIDER), **report.facts()}
