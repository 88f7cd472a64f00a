"""Asking an assistant: what it answers to each of many prompts, and whether it ends by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hornbook.finetuning.examples import Example
from hornbook.generation.generate import LanguageModel
from hornbook.generation.lockstep import Picker, generate_batch
from hornbook.generation.sampling import Sampling


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said, and whether the model ended it."""

    text: str
    ended: bool


def answers(model: LanguageModel, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[Answer]:
    """The greedy answers to prompts, each at most `max_new_tokens` long and no longer than the context has room for."""
    limit, ended = model.config.context_length, set()
    draw = Picker(Sampling(temperature=0), stop_ids=model.conventions.ends, vocab_size=model.tokenizer.vocab_size)

    def pick(number: int, place: int, logits: torch.Tensor, row: Sequence[int]) -> int | None:
        if len(row) >= limit:
            return None
        token = draw(number, place, logits, row)
        if token is None:
            ended.add(number)
        return token

    tokens: list[list[int]] = [[] for _ in prompts]
    # one more than asked for: an answer of just that many tokens has yet to end
    for number, token in generate_batch(model.model, prompts, pick, max_new_tokens=max_new_tokens + 1):
        tokens[number].append(token)
    return [
        Answer(model.tokenizer.decode(said[:max_new_tokens]), number in ended) for number, said in enumerate(tokens)
    ]


def answered(model: LanguageModel, examples: Sequence[Example], max_new_tokens: int) -> list[Answer]:
    """The answers to the last question of each example, asked as `hornbook chat` would ask."""
    template = model.conventions.template
    assert template is not None
    prompts = [template.prompt_ids(example.conversation.prompt, model.tokenizer) for example in examples]
    return answers(model, prompts, max_new_tokens) if prompts else []


def is_exact(answer: Answer, example: Example) -> bool:
    """Whether the answer ended and is the one wanted, blanks at its ends aside."""
    return answer.ended and answer.text.strip() == example.conversation.answer.strip()
