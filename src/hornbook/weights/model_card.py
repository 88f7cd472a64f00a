"""The README.md of a model folder: what was trained, on what, how well it did, how to open it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hornbook.weights.peft_names import CLASSIFIES


def model_card(name: str, num_parameters: int, config: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    """Markdown with the header that model hubs read. Every entry of `info` becomes a section with a table.

    `name` is the heading. The examples open the folder that the card lies in, which may be copied and renamed.
    """
    foreign = not str(config["model_type"]).startswith("hornbook-")
    header = ["---", "pipeline_tag: text-generation", "tags: [hornbook]"]
    header += ["library_name: transformers", "---"] if foreign else ["library_name: hornbook", "---"]
    made = "imported" if "imported" in info else "trained"
    opening = [
        f"# {name}",
        f"A language model of {num_parameters:,} parameters (`{config['model_type']}`), {made} with Hornbook.",
        "```python\nimport hornbook\n\n"
        'model = hornbook.load(".")  # the folder of this file\nprint(model.generate("Once", max_new_tokens=50))\n```',
    ]
    if foreign:
        opening.append('`transformers.AutoModelForCausalLM.from_pretrained(".")` opens the same folder.')
    else:
        opening.append("This architecture exists in Hornbook only.")
    sections = [_section(title, value) for title, value in {**info, "architecture": config}.items()]
    return "\n".join(header) + "\n\n" + "\n\n".join([*opening, *sections]) + "\n"


def classifier_card(
    name: str,
    num_parameters: int,
    config: Mapping[str, Any],
    info: Mapping[str, Any],
    classes: Sequence[str],
    read: str,
) -> str:
    """As `model_card`, of a classifier; `read` is the vector that its head reads: that of the "last" token, or the "mean"."""
    foreign = read == "last" and not str(config["model_type"]).startswith("hornbook-")
    library = "transformers" if foreign else "hornbook"
    header = ["---", "pipeline_tag: text-classification", "tags: [hornbook]", f"library_name: {library}", "---"]
    classes_named = ", ".join(_cell(label) for label in classes)
    opening = [
        f"# {name}",
        f"A classifier of {num_parameters:,} parameters (`{config['model_type']}`), trained with Hornbook. "
        f"{len(classes)} classes: {classes_named}.",
        "```python\nimport hornbook\n\n"
        'classifier = hornbook.load_classifier(".")  # the folder of this file\n'
        'print(classifier.classify(["a text"]))\n```',
        '`transformers.AutoModelForSequenceClassification.from_pretrained(".")` opens the same folder.'
        if foreign
        else "It opens in Hornbook only.",
    ]
    sections = [_section(title, value) for title, value in {**info, "architecture": config}.items()]
    return "\n".join(header) + "\n\n" + "\n\n".join([*opening, *sections]) + "\n"


def adapter_card(
    name: str, num_parameters: int, base: str, settings: Mapping[str, Any], info: Mapping[str, Any]
) -> str:
    """Markdown for an adapter folder: what it corrects, how to open it, and a section for every entry of `info`."""
    classifies = settings["task_type"] == CLASSIFIES
    head = " and the head that makes a classifier of it" if classifies else ""
    opened = 'classifier = hornbook.load_classifier(".")' if classifies else 'model = hornbook.load(".")'
    opening = [
        f"# {name}",
        f"{num_parameters:,} numbers that correct the language model `{base}` (LoRA){head}, trained with Hornbook.",
        f"```python\nimport hornbook\n\n{opened}  # the folder of this file\n```",
        '`peft.PeftModel.from_pretrained(base_model, ".")` opens it too; `hornbook merge . --out DIR` makes a whole model '
        "of it.",
    ]
    told = {key: settings[key] for key in ("r", "lora_alpha", "target_modules", "task_type")}
    sections = [_section(title, value) for title, value in {**info, "adapter": told}.items()]
    return "---\nlibrary_name: peft\ntags: [hornbook, lora]\n---\n\n" + "\n\n".join([*opening, *sections]) + "\n"


def onnx_card(name: str, num_parameters: int, architecture: str, context_length: int, ends: Sequence[int]) -> str:
    """Markdown for a folder with model.onnx: its input and output, and a program that writes with it.

    `ends` are the ids that end a text.
    """
    until = f"    if ids[-1] in {set(ends)}:  # the end of a text\n        break\n" if ends else ""
    program = (
        "import numpy\nimport onnxruntime\nfrom tokenizers import Tokenizer\n\n"
        'tokenizer = Tokenizer.from_file("tokenizer.json")\n'
        'session = onnxruntime.InferenceSession("model.onnx")\n'
        'ids = tokenizer.encode("Once").ids\n'
        "for _ in range(50):\n"
        f'    tokens = numpy.array([ids[-{context_length}:]], dtype="int64")\n'
        '    logits = session.run(["logits"], {"input_ids": tokens})[0]\n'
        f"    ids.append(int(logits[0, -1].argmax()))\n{until}"
        "print(tokenizer.decode(ids))"
    )
    opening = [
        f"# {name}",
        f"A language model of {num_parameters:,} parameters (`{architecture}`), exported with Hornbook.",
        "`model.onnx` has one input, `input_ids` (batch, sequence) int64, and one output, `logits` (batch, sequence, "
        f"vocabulary) float32: the scores of every next token. A sequence has up to {context_length:,} tokens. With "
        "`pip install onnxruntime tokenizers`, in the folder of this file:",
        f"```python\n{program}\n```",
    ]
    header = "---\npipeline_tag: text-generation\nlibrary_name: onnx\ntags: [hornbook, onnx]\n---"
    return "\n\n".join([header, *opening]) + "\n"


def _section(title: str, value: Any) -> str:
    rows = [f"| {_cell(key)} | {_cell(text)} |" for key, text in _flatten(value)]
    return "\n".join([f"## {title.replace('_', ' ').capitalize()}", "", "| | |", "|---|---|", *rows])


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as rows: {"a": {"b": 1}} -> ("a.b", "1")."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix or "value", str(value)


def _cell(text: str) -> str:
    """Text that keeps a table whole: no line ends, no bars, not endless."""
    return " ".join(text.split()).replace("|", "\\|")[:300]
