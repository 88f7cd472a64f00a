"""An export put beside the program it is for; of GGUF what llama.cpp must say is computed here, and compared."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import is_normalized

import numpy as np
import torch

from hornbook.commands._export_onnx_compare import compare_onnx
from hornbook.commands._export_record import record_export
from hornbook.commands._export_result import Result
from hornbook.commands._llama_cpp import Absent, LlamaCpp, ask_llama_cpp, find_llama_cpp, question_about
from hornbook.errors import Failed
from hornbook.files import remove_folder
from hornbook.tokenizers._sentencepiece import SentencePieceBPE
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.weights.model_folder import load_model_folder
from hornbook.weights.parity import HARD_STRINGS, NEW_TOKENS, Answers, own_words, prompts_for, require_same_ids
from hornbook.weights.parity_rounded import compare_rounded, expect

OUTSIDER = "llama.cpp"


def check_judge(form: str) -> None:
    """Raise the `UserError` of a wrong LLAMA_CPP_NODE before anything is written."""
    if form == "gguf":
        with suppress(Absent):
            find_llama_cpp()


def proven(result: Result, talk: Callable[[str], None]) -> Result:
    """The same result with what the comparison found; a file or folder that is wrong is removed.

    Errors: `Failed` where the other program computes something else from it, or doesn't open it.
    """
    compare = compare_onnx if result.form == "onnx" else compare_export
    try:
        return replace(result, parity=compare(result, talk))
    except Failed as difference:
        what = _remove(result.path)
        raise Failed(f"{difference}; '{result.path}' was removed (--skip-comparison keeps such a {what})") from None


def _remove(path: Path) -> str:
    """Delete what was written; what it was."""
    if path.is_dir():
        remove_folder(path)
        return "folder"
    path.unlink(missing_ok=True)
    return "file"


def remembered(result: Result, talk: Callable[[str], None]) -> Result:
    """The same result, which the model folder now remembers too."""
    if fault := record_export(result.source, result.record()):
        talk(f"note: {fault}")
    return result


def compare_export(
    result: Result, talk: Callable[[str], None], prompts: list[list[int]] | None = None
) -> dict[str, Any] | None:
    """What the comparison of a GGUF file with its model found; None where llama.cpp can't be asked.

    `prompts` are ids, a few short ones where None.
    One of the two has its weights in memory at a time: llama.cpp is asked first, then our model is opened.
    Errors: `Failed` where the two disagree, or llama.cpp doesn't open the file.
    """
    config = result.config
    prompts = prompts or prompts_for(result.tokenizer, config.vocab_size, config.context_length)
    try:
        llama = find_llama_cpp()
        talk(f"comparing with {OUTSIDER}")
        theirs, release = _ask(llama, result, prompts)
    except Absent as reason:
        talk(f"note: not compared with {OUTSIDER}: {reason}; hint: docs/interop.md says how to have it")
        return None
    model = load_model_folder(result.source)[0]
    expected = expect(model, prompts, theirs.greedy, result.quantize)
    return {"with": OUTSIDER, "release": release, **compare_rounded(expected, theirs, OUTSIDER).facts()}


def _ask(llama: LlamaCpp, result: Result, prompts: list[list[int]]) -> tuple[Answers, str]:
    """Its answers and its release. Errors: `Failed` where ids differ, before anything else is looked at; `Absent`."""
    tokenizer, vocab_size = result.tokenizer, result.config.vocab_size
    texts = [text for text in (*HARD_STRINGS, *own_words(tokenizer)) if not _known_to_differ(tokenizer, text)]
    question = question_about(result.path, texts, prompts, NEW_TOKENS, result.config.context_length)
    with tempfile.TemporaryDirectory() as place:
        logits = Path(place) / "logits"
        said = ask_llama_cpp(llama, question | {"logits": str(logits)}, Path(place))
        rows = torch.from_numpy(np.fromfile(logits, dtype="<f4"))
    require_same_ids(texts, [tokenizer.encode(text) for text in texts], said["ids"], OUTSIDER)
    before = [] if said["bos"] is None else [said["bos"]]
    if before != list(result.before):
        raise Failed(f"before every text {OUTSIDER} puts the ids {before}, and this program {list(result.before)}")
    lengths = [len(prompt) for prompt in prompts]
    if len(rows) != sum(lengths) * vocab_size:
        raise Failed(f"{OUTSIDER} has logits for {len(rows) // sum(lengths)} ids, the model for {vocab_size}")
    return Answers(said["ids"], list(torch.split(rows.view(-1, vocab_size), lengths)), said["greedy"]), str(
        said["release"]
    )


def _known_to_differ(tokenizer: Tokenizer, text: str) -> bool:
    """Whether llama.cpp gives other ids for a reason that the export says: it doesn't compose text (NFC), and where
    SentencePiece puts a space before a text, it does so before one that begins with a space too."""
    if isinstance(tokenizer, SentencePieceBPE):
        return tokenizer.scheme in ("always", "first") and text.startswith(" ")
    return isinstance(tokenizer, BPE) and tokenizer.parts.compose and not is_normalized("NFC", text)
