"""Asking an assistant that is being taught: what it answers to examples, and whether it ends by itself."""

from collections.abc import Sequence

from hornbook.evaluation._asking import Reply, greedy_texts
from hornbook.finetuning.examples import Example
from hornbook.generation.generate import LanguageModel


def answers(model: LanguageModel, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[Reply]:
    """The greedy answers to prompts, each at most `max_new_tokens` long and no longer than the context has room for."""
    if not prompts:
        return []
    found = greedy_texts(model, prompts, [()] * len(prompts), max_new_tokens)
    return [Reply(text, ended) for text, ended in found]


def answered(model: LanguageModel, examples: Sequence[Example], max_new_tokens: int) -> list[Reply]:
    """The answers to the last question of each example, asked as `hornbook chat` would ask."""
    template = model.conventions.template
    assert template is not None
    prompts = [template.prompt_ids(example.conversation.prompt, model.tokenizer) for example in examples]
    return answers(model, prompts, max_new_tokens)


def is_exact(reply: Reply, wanted: str) -> bool:
    """Whether the answer ended and is the one wanted, blanks at its ends aside."""
    return reply.ended and reply.text.strip() == wanted.strip()
