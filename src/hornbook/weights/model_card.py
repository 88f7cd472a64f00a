"""The README.md of a model folder: what was trained, on what, how well it did, how to open it."""

from collections.abc import Iterator, Mapping
from typing import Any


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
