"""What onnxruntime says of a folder, in a process of its own: `python -m hornbook.commands._onnxruntime QUESTIONS ANSWERS`.

QUESTIONS is a JSON file with the folder, the prompts and the context's length, ANSWERS the safetensors file to write.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def main(questions: Path, answers: Path) -> None:
    """Ask and write down. Logits are read from one batch of all prompts, greedy tokens are written text by text."""
    from dataclasses import replace

    import torch
    from safetensors.torch import save_file

    from hornbook.weights.parity import answer, to_tensors

    asked = json.loads(questions.read_text(encoding="utf-8"))
    folder, prompts = Path(asked["folder"]), asked["prompts"]
    tokenizer = import_module("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    session = import_module("onnxruntime").InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

    def logits(tokens: "Tensor") -> "Tensor":
        return torch.from_numpy(session.run(["logits"], {"input_ids": tokens.numpy()})[0])

    said = answer(
        lambda text: tokenizer.encode(text, add_special_tokens=False).ids, logits, prompts, asked["context_length"]
    )
    said = replace(said, logits=in_one_batch(logits, prompts))
    save_file({name: tensor.contiguous() for name, tensor in to_tensors(said).items()}, answers)


def in_one_batch(logits: Any, prompts: list[list[int]]) -> "list[Tensor]":
    """The logits of each prompt, (T, V); shorter ones are filled up behind, where nothing looks."""
    import torch

    longest = max(map(len, prompts))
    rows = logits(torch.tensor([prompt + [0] * (longest - len(prompt)) for prompt in prompts]))  # (B, T, V)
    return [row[: len(prompt)] for row, prompt in zip(rows, prompts, strict=True)]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
