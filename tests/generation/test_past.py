"""Texts that begin alike are read once, when they are written together and one after the other."""

from collections.abc import Callable

import pytest
import torch

from hornbook.generation.continuous import Continuous, Request
from hornbook.generation.generate import generate_tokens
from hornbook.generation.held import KEPT, WORTH, Past
from hornbook.generation.sampling import Sampling
from hornbook.models.base import Model

GREEDY = Sampling(temperature=0)


def written(batch: Continuous, prompts: list[list[int]], count: int) -> list[list[int]]:
    """The texts of some prompts, written together."""
    texts: list[list[int]] = [[] for _ in prompts]
    for number, prompt in enumerate(prompts):
        batch.add(number, Request(prompt, GREEDY, count))
    while batch.busy:
        for news in batch.step():
            if news.token is not None:
                texts[news.number].append(news.token)
    return texts


def passes(model: Model) -> list[int]:
    """A list to which the number of tokens of each pass is added."""
    seen: list[int] = []
    model.get_submodule("token_embedding").register_forward_hook(lambda _, ids, out: seen.append(ids[0].shape[1]))
    return seen


@pytest.mark.parametrize("kind", ["gpt", "llama"])
def test_a_prompt_goes_on_from_a_text_that_has_ended(model_of: Callable[..., Model], kind: str) -> None:
    model = model_of(kind, 257, context_length=64)
    batch, first = Continuous(model, 4), list(range(20))
    answer = written(batch, [first], 6)[0]
    assert answer == list(generate_tokens(model, first, GREEDY, max_new_tokens=6, seed=0))
    prompts = [[*first, *answer, 7, 8], first, [*first[:18], 200, 201], [3, 4, 5]]
    alone = [list(generate_tokens(model, prompt, GREEDY, max_new_tokens=8, seed=0)) for prompt in prompts]
    seen = passes(model)
    assert written(batch, prompts, 8) == alone
    assert [count for count in seen if count > 1] == [2, 4, 3] or seen[0] == 2
    assert max(seen) <= 4


def test_texts_that_slid_or_were_left_are_no_beginning(model_of: Callable[..., Model]) -> None:
    model = model_of("llama", 257, context_length=32)
    batch, prompt = Continuous(model, 2), list(range(20))
    expected = list(generate_tokens(model, prompt, GREEDY, max_new_tokens=30, seed=0))
    assert written(batch, [prompt], 30)[0] == expected
    assert not batch.past._texts
    batch.add(7, Request(prompt, GREEDY, 30))
    for _ in range(4):
        batch.step()
    batch.remove(7)
    assert [len(tokens) for tokens, _ in batch.past._texts] == [24]
    assert written(batch, [prompt], 30)[0] == expected


def test_only_a_few_long_texts_are_kept(model_of: Callable[..., Model]) -> None:
    model, past = model_of("llama", 257, context_length=64), Past()
    with torch.inference_mode():
        for number in range(KEPT + 2):
            cache = model.new_cache(1, 20)
            model.hidden(torch.full((1, 20), number), cache)
            past.keep([number] * 20, cache)
        past.keep([99] * (WORTH - 1), model.new_cache(1, 20))
        fresh = model.new_cache(1, 40)
        assert [past.begin(fresh, [number] * 25) for number in range(KEPT + 2)] == [0, 0, 20, 20, 20, 20]
        assert past.begin(fresh, [5] * 20) == 19
        assert past.begin(fresh, [5] * WORTH) == past.begin(fresh, [99] * 20) == 0
