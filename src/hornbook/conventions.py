"""What a model folder says of its texts: what is put before one, which tokens end one, and how a conversation is written.

before     tokenizer_config.json's add_bos_token; where it says nothing, tokenizer.json's post_processor
ends       generation_config.json's eos_token_id, else config.json's, else the tokenizer's <|endoftext|>
template   chat_template.jinja, else tokenizer_config.json's chat_template
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hornbook.chat_template import (
    ChatTemplate,
    Encoder,
    read_settings,
    template_of,
    write_template,
)
from hornbook.errors import UserError
from hornbook.files import write_json

ENDS_IN = ("generation_config.json", "config.json")


@dataclass(frozen=True)
class Conventions:
    """Ids before every text, ids that end one, and the chat template, if there is one."""

    before: tuple[int, ...] = ()
    ends: frozenset[int] = frozenset()
    template: ChatTemplate | None = None

    def with_template(self, template: ChatTemplate, tokenizer: Encoder) -> "Conventions":
        """The same with this template, whose ends of an answer end every text from now on."""
        return replace(self, template=template, ends=self.ends | template.end_ids(tokenizer))


def plain(tokenizer: Encoder) -> Conventions:
    """Nothing before a text, and <|endoftext|> behind it where the tokenizer has it."""
    end = tokenizer.end_of_text
    return Conventions(ends=frozenset() if end is None else frozenset({end}))


def conventions_of(folder: Path, tokenizer: Encoder) -> Conventions:
    """What the folder's files say. Errors: `UserError` for a damaged file, or an eos_token_id that is no id."""
    stated = next((ends for name in ENDS_IN if (ends := _ends(folder / name)) is not None), None)
    ends = plain(tokenizer).ends if stated is None else stated
    before = _first_ids(read_settings(folder / "tokenizer.json").get("post_processor"))
    return Conventions(tuple(before), ends, template_of(folder, tokenizer))


def write_conventions(folder: Path, conventions: Conventions) -> None:
    """Put ends and template into the files of a folder that has its other settings; `before` is in its tokenizer.json."""
    if conventions.template is not None:
        write_template(folder, conventions.template)
    ends = sorted(conventions.ends)
    for name in ENDS_IN:
        stated = read_settings(folder / name)
        if stated and ends:
            write_json(folder / name, stated | {"eos_token_id": ends[0] if len(ends) == 1 else ends})


def _ends(path: Path) -> frozenset[int] | None:
    """The ids of eos_token_id, one or several; None where the file doesn't say."""
    stated = read_settings(path).get("eos_token_id")
    if stated is None:
        return None
    ids = stated if isinstance(stated, list) else [stated]
    if not all(type(token) is int for token in ids):
        raise UserError(f"'{path}': eos_token_id {stated!r} is neither an id nor a list of ids")
    return frozenset(ids)


def _first_ids(processor: Mapping[str, Any] | None) -> Iterator[int]:
    """The ids that a post_processor puts before a single text."""
    kind = processor["type"] if processor else None
    if processor is None or kind == "ByteLevel":
        return
    if kind == "Sequence":
        for each in processor["processors"]:
            yield from _first_ids(each)
    elif kind in ("BertProcessing", "RobertaProcessing"):
        yield processor["cls"][1]
    elif kind == "TemplateProcessing":
        for piece in processor["single"]:
            if "Sequence" in piece:
                return
            yield from processor["special_tokens"][piece["SpecialToken"]["id"]]["ids"]
    else:
        raise UserError(f"the part 'post_processor' is a {kind}, which isn't implemented here")
