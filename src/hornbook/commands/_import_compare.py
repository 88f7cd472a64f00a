"""An import put beside transformers: the same folder opened by both, the same questions, the answers compared."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from hornbook.errors import Failed
from hornbook.weights.model_folder import load_model_folder
from hornbook.weights.parity import Answers, answer, compare, from_tensors, prompts_for

OUTSIDER = "transformers"


def compare_with_outsider(
    folder: Path, talk: Callable[[str], None], prompts: list[list[int]] | None = None
) -> dict[str, Any] | None:
    """What the comparison found; None where transformers is not installed. One model is held at a time, in float32.

    `prompts` are ids, a few short ones where None.
    Errors: `Failed` where the two disagree, or transformers doesn't open the folder.
    """
    if find_spec(OUTSIDER) is None:
        talk(f"note: not compared with {OUTSIDER}, which is not installed; hint: pip install 'hornbook[interop]'")
        return None
    talk(f"comparing with {OUTSIDER}")
    questions, ours = ask_ourselves(folder, prompts)
    report = compare(ours, ask_outsider("_outsider", questions, OUTSIDER), OUTSIDER)
    return {"with": OUTSIDER, **report.facts()}


def ask_ourselves(folder: Path, prompts: list[list[int]] | None) -> tuple[dict[str, Any], Answers]:
    """The questions, and what this program answers; its model is let go."""
    model, tokenizer, _ = load_model_folder(folder)
    length = model.config.context_length
    prompts = prompts or prompts_for(tokenizer, model.config.vocab_size, length)
    questions = {"folder": str(folder.absolute()), "prompts": prompts, "context_length": length}
    return questions, answer(tokenizer.encode, model, prompts, length)


def ask_outsider(program: str, questions: dict[str, Any], whose: str) -> Answers:
    """What another program answers, asked in a process of its own by `commands/PROGRAM.py`.

    Errors: `Failed` with its last words where it doesn't open the folder.
    """
    with tempfile.TemporaryDirectory() as place:
        asked, said = Path(place) / "questions.json", Path(place) / "answers.safetensors"
        asked.write_text(json.dumps(questions), encoding="utf-8")
        command = [sys.executable, "-m", f"hornbook.commands.{program}", str(asked), str(said)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
            raise Failed(f"{whose} doesn't open '{questions['folder']}': {last[:300]}")
        return from_tensors(load_file(said))
