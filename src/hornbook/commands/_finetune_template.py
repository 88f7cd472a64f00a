"""The chat template that a fine-tuning teaches, and the model with what the template needs in its vocabulary."""

import re
from pathlib import Path
from typing import Any

from hornbook.chat_template import END_OF_TEXT, NAMES, ChatTemplate, end_token, named_template
from hornbook.errors import unknown
from hornbook.generation.conversation import read_template
from hornbook.generation.generate import LanguageModel
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights.growing import add_tokens
from hornbook.weights.model_folder import save_model_folder

PAD = "[PAD]"
MARKS = {
    "alpaca": (),
    "chatml": ("<|im_start|>", "<|im_end|>"),
    "phi3": ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    "plain": (),
}
TURN_END = {"chatml": "<|im_end|>", "phi3": "<|end|>"}
MARK = re.compile(r"<\|\w+\|>")
ALPACA_INPUT = "\n\n### Input:\n"


def taught(base: LanguageModel, name: str, new_tokens: bool) -> LanguageModel:
    """The base as it is to be trained: with the template `name`, an end token, and a [PAD] that is another.

    `name`: "auto" is the base's own template, or alpaca where it has none; alpaca, chatml, phi3, plain; or a file of Jinja.
    `new_tokens` adds the template's marks (<|im_start|> ...) to the vocabulary; else, where they are not in it, they are
    ordinary text, which any model can learn. Errors: `UserError` for another name, and a template that is none.
    """
    own = base.conventions.template
    if name == "auto":
        name = "alpaca" if own is None else "auto"
    source = "" if name in NAMES else own.source if own and name == "auto" else _read(name)
    marks = MARKS[name] if name in NAMES else tuple(dict.fromkeys(MARK.findall(source)))
    wanted = [*(marks if new_tokens else ()), *_missing(base.tokenizer)]
    model, tokenizer = add_tokens(base.model, base.tokenizer, wanted)
    names = {token: text for text, token in tokenizer.special_tokens.items()}
    bos_token = "".join(names[token] for token in base.conventions.before)
    end = TURN_END.get(name, "")
    eos_token = end if end in tokenizer.special_tokens else end_token(tokenizer) or END_OF_TEXT
    template = own if own and name == "auto" else ChatTemplate(source, bos_token, eos_token)
    template = named_template(name, bos_token, eos_token) if name in NAMES else template
    template.check()
    return LanguageModel(model, tokenizer, base.info, base.conventions.with_template(template, tokenizer))


def save_taught(model: LanguageModel, facts: dict[str, Any], folder: Path, info: dict[str, Any]) -> None:
    """Write what came out as a model folder with its template; one that is there already is replaced."""
    save_model_folder(folder, model.model, model.tokenizer, info | facts, replace=True, conventions=model.conventions)


def input_heading(template: ChatTemplate) -> str:
    """What stands between an instruction and its input: a heading of its own in alpaca, an empty line in others."""
    return ALPACA_INPUT if "### Instruction:" in template.source else "\n\n"


def _missing(tokenizer: Tokenizer) -> list[str]:
    """An end and a [PAD], where the vocabulary has none: whoever pads with the end token teaches never to stop."""
    end = [END_OF_TEXT] if tokenizer.end_of_text is None else []
    pad = tokenizer.special_id("pad_token")
    return end if pad is not None and pad != tokenizer.end_of_text else [*end, PAD]


def _read(name: str) -> str:
    path = Path(name)
    if not path.is_file():
        raise unknown("chat template", name, ["auto", *NAMES, "the path of a .jinja file"])
    return read_template(path)
