"""llama.cpp as it is on this machine: found, and asked about a GGUF file in a process of its own.

It is the npm package node-llama-cpp with the binary that it brings; what it is asked stands in `_llama_cpp.mjs`.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.errors import Failed, UserError

VARIABLE = "LLAMA_CPP_NODE"
PACKAGE = Path("node_modules", "node-llama-cpp")
SCRIPT = Path(__file__).with_name("_llama_cpp.mjs")
ABSENT = 3  # the exit code of the script where the package is there and its binary isn't


@dataclass(frozen=True)
class LlamaCpp:
    """The program `node`, and the folder whose node_modules hold node-llama-cpp."""

    node: str
    folder: Path


class Absent(Exception):
    """llama.cpp can't be asked here, and why."""


def find_llama_cpp() -> LlamaCpp:
    """In the folder that LLAMA_CPP_NODE names, else in this folder or one above it, where node itself would look.

    Errors: `Absent` where there is none; `UserError` where the variable names a folder without it.
    """
    node, named = shutil.which("node"), os.environ.get(VARIABLE)
    here = Path.cwd()
    places = [Path(named)] if named else [here, *here.parents]
    folder = next((place for place in places if (place / PACKAGE).is_dir()), None)
    if named and folder is None:
        raise UserError(f"{VARIABLE} is '{named}', where no {PACKAGE} is", hint="npm install node-llama-cpp there")
    if folder is None or node is None:
        raise Absent("node-llama-cpp is not installed" if node else "node is not installed")
    return LlamaCpp(node, folder.absolute())


def ask_llama_cpp(llama: LlamaCpp, question: dict[str, Any], place: Path) -> dict[str, Any]:
    """What the script prints about `question`, which is written to the folder `place`.

    Errors: `Absent` where it doesn't start; `Failed` with its last words where it doesn't open the file or breaks off.
    """
    asked = place / "question.json"
    asked.write_text(json.dumps(question), encoding="utf-8")
    command = [llama.node, str(SCRIPT), str(llama.folder), str(asked)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode == ABSENT:
        raise Absent(f"node-llama-cpp doesn't start: {_last(done.stderr)}")
    if done.returncode != 0:
        raise Failed(f"llama.cpp doesn't run '{question['model']}': {_last(done.stderr) or done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def question_about(
    path: Path, texts: Sequence[str], prompts: Sequence[Sequence[int]], new_tokens: int, context_length: int
) -> dict[str, Any]:
    """A question without logits; new tokens end where the context does."""
    return {
        "model": str(path.absolute()),
        "texts": list(texts),
        "prompts": [list(prompt) for prompt in prompts],
        "newTokens": [min(new_tokens, context_length - len(prompt)) for prompt in prompts],
        "contextSize": max((len(prompt) for prompt in prompts), default=1) + new_tokens,
        "threads": int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        "logits": "",
    }


def _last(said: str) -> str:
    """The line of a program's complaint that says most: node prints a stack below it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line and not line.startswith("at ")]
    return (errors or lines or [""])[0][:300]
