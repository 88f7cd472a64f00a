"""What transformers says of a folder, in a process of its own: `python -m hornbook.commands._outsider QUESTIONS ANSWERS`.

It shares neither memory nor libraries' settings with the program that it judges. QUESTIONS is a JSON file with the
folder, the prompts and the context's length, ANSWERS the safetensors file to write.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path


def main(questions: Path, answers: Path) -> None:
    """Ask and write down."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    import torch
    from safetensors.torch import save_file

    from hornbook.weights.parity import answer, to_tensors

    transformers = import_module("transformers")  # by its name only: no part of this program, and perhaps not installed
    asked = json.loads(questions.read_text(encoding="utf-8"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(asked["folder"])
    model = transformers.AutoModelForCausalLM.from_pretrained(asked["folder"], dtype=torch.float32).eval()
    said = answer(
        lambda text: tokenizer.encode(text, add_special_tokens=False),
        lambda tokens: model(tokens).logits,
        asked["prompts"],
        asked["context_length"],
    )
    save_file({name: tensor.contiguous() for name, tensor in to_tensors(said).items()}, answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
