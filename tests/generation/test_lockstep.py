"""The generation loop: against the same policy written without a cache, alone and in batches."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.generation.generate import generate_tokens
from hornbook.generation.lockstep import BATCH_SIZE, Picker, generate_batch
from hornbook.generation.sampling import Sampling, choose
from hornbook.models.base import Model
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.randomness import torch_generator

GREEDY = Sampling(temperature=0)
WILD = Sampling(temperature=1.5, top_k=None)
TOP_3 = Sampling(top_k=3)
VARIED = Sampling(temperature=0, repetition_penalty=3)


def without_cache(model: Model, prompt: Sequence[int], sampling: Sampling, count: int, seed: int = 0) -> list[int]:
    """The definition: the whole window goes through the model for every token; a full window keeps its last half."""
    limit = model.config.context_length
    prompt = list(prompt[-limit:])
    window, new = list(prompt), []
    for place in range(count):
        with torch.no_grad():
            logits = model(torch.tensor([window]))[0, -1]
        new.append(int(choose(logits, sampling, torch_generator(seed, "generate", 0, place), [*prompt, *new])))
        window.append(new[-1])
        if len(window) > limit:
            window = window[-(limit // 2) :]
    return new


def test_bad_input_is_told_before_the_model_runs(model: Model) -> None:
    with pytest.raises(UserError, match="prompt has no tokens"):
        generate_tokens(model, [], GREEDY, max_new_tokens=1, seed=0)
    with pytest.raises(UserError, match="max_new_tokens '0'"):
        generate_tokens(model, [1], GREEDY, max_new_tokens=0, seed=0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("sampling", [GREEDY, WILD])
def test_a_broken_model_is_said_to_be_broken(model: Model, bad: float, sampling: Sampling) -> None:
    with torch.no_grad():
        next(model.parameters()).fill_(bad)
    with pytest.raises(UserError, match="no numbers"):
        list(generate_tokens(model, [1, 2], sampling, max_new_tokens=2, seed=0))


@pytest.mark.parametrize("sampling", [GREEDY, TOP_3, VARIED])
@pytest.mark.parametrize("prompt_length", [1, 5, 15, 16, 17, 40])
def test_the_cache_changes_nothing_even_when_the_context_is_full(
    model: Model, sampling: Sampling, prompt_length: int
) -> None:
    prompt = [7 * place % 257 for place in range(prompt_length)]
    found = list(generate_tokens(model, prompt, sampling, max_new_tokens=40, seed=3))
    assert found == without_cache(model, prompt, sampling, 40, seed=3)


def test_thirty_tokens_with_and_without_a_cache(model_of: Callable[..., Model]) -> None:
    """What the book's cache promises (numbers gen-02); a cache belongs to one generation, so none is left over."""
    model = model_of("gpt", 257, context_length=64)
    first, second = [72, 101, 108, 108, 111], [44, 32, 73]
    alone = [without_cache(model, prompt, GREEDY, 30) for prompt in (first, second)]
    assert [list(generate_tokens(model, p, GREEDY, max_new_tokens=30, seed=0)) for p in (first, second)] == alone


@pytest.mark.parametrize(("context_length", "prompt_length", "new"), [(10, 5, 10), (4, 10, 2)])
def test_a_context_shorter_than_the_text(
    model_of: Callable[..., Model], context_length: int, prompt_length: int, new: int
) -> None:
    """Numbers gen-02: a context of 10 for 5 + 10 tokens; one of 4 for a prompt of 10, which stays as it is."""
    model = model_of("gpt", 257, context_length=context_length)
    prompt = list(range(prompt_length))
    text = [*prompt, *generate_tokens(model, prompt, GREEDY, max_new_tokens=new, seed=0)]
    assert len(text) == prompt_length + new
    assert text[:prompt_length] == list(range(prompt_length))
    assert text[prompt_length:] == without_cache(model, prompt, GREEDY, new)


def test_a_prompt_read_in_chunks_gives_the_same_next_token(model_of: Callable[..., Model]) -> None:
    model = model_of("gpt", 257, context_length=16)
    tokens, cache = torch.arange(10)[None], model.new_cache(1)
    chunks = [model(chunk, cache) for chunk in tokens.split(4, dim=1)]  # 4 + 4 + 2
    assert len(chunks) == 3
    torch.testing.assert_close(torch.cat(chunks, dim=1), model(tokens))
    cache.reset()
    torch.testing.assert_close(model(tokens[:, :4], cache), chunks[0])


def test_greedy_is_the_books_simplest_loop(model: Model, number: Callable[[str], Any]) -> None:
    """Numbers gen-04: crop, last logits, softmax (which changes no argmax), append; while the context isn't full."""
    assert number("gen-04").startswith("argmax(softmax(logits)) == argmax(logits)")
    ids = torch.tensor([[5, 6, 7]])
    for _ in range(13):
        with torch.no_grad():
            logits = model(ids[:, -16:])[:, -1, :]
        assert torch.equal(logits.softmax(-1).argmax(-1, keepdim=True), logits.argmax(-1, keepdim=True))
        ids = torch.cat([ids, logits.softmax(-1).argmax(-1, keepdim=True)], dim=1)
    assert ids.shape == (1, 3 + 13)
    assert ids[0, 3:].tolist() == list(generate_tokens(model, [5, 6, 7], GREEDY, max_new_tokens=13, seed=0))


def test_a_context_of_one_token_is_a_bigram(model_of: Callable[..., Model]) -> None:
    model = model_of("llama", 257, context_length=1)
    found = list(generate_tokens(model, [5, 6], GREEDY, max_new_tokens=4, seed=0))
    for before, token in zip([6, *found], found, strict=False):
        assert without_cache(model, [before], GREEDY, 1) == [token]


def test_a_model_without_attention_generates_too() -> None:
    model = Bigram(BigramConfig(vocab_size=5, context_length=4))
    with torch.no_grad():
        model.token_embedding.weight.copy_(torch.eye(5).roll(1, dims=1))
    assert list(generate_tokens(model, [0], GREEDY, max_new_tokens=12, seed=0)) == [(n + 1) % 5 for n in range(12)]


def test_the_context_given_again_has_its_last_tokens_only(model: Model) -> None:
    long = list(range(100, 140))
    assert [*generate_tokens(model, long, GREEDY, max_new_tokens=5, seed=0)] == [
        *generate_tokens(model, long[-16:], GREEDY, max_new_tokens=5, seed=0)
    ]


def test_same_seed_same_tokens_other_seed_others(model: Model) -> None:
    def write(seed: int) -> list[int]:
        return list(generate_tokens(model, [1, 2, 3], WILD, max_new_tokens=30, seed=seed))

    assert write(1) == write(1) != write(2)


def test_the_global_generator_is_neither_read_nor_moved(model: Model) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = list(generate_tokens(model, [1], WILD, max_new_tokens=5, seed=1))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert list(generate_tokens(model, [1], WILD, max_new_tokens=5, seed=1)) == first


def test_a_stop_token_ends_the_text_and_is_not_part_of_it(model: Model) -> None:
    free = list(generate_tokens(model, [1, 2], WILD, max_new_tokens=30, seed=4))
    stop = free[9]
    stopped = list(generate_tokens(model, [1, 2], WILD, max_new_tokens=30, seed=4, stop_ids={stop}))
    assert stopped == free[: free.index(stop)]


def test_ids_beyond_the_tokenizer_are_never_drawn(model: Model) -> None:
    drawn = list(generate_tokens(model, [1, 2], WILD, max_new_tokens=60, seed=0, vocab_size=9))
    assert max(drawn) < 9


def test_a_penalty_looks_at_the_prompt_and_at_what_was_written(model: Model) -> None:
    prompt = [3, 1, 4]
    seen: list[list[int]] = []

    def pick(number: int, place: int, logits: torch.Tensor, row: Sequence[int]) -> int:
        seen.append(list(row))
        return 10 + place

    assert len(list(generate_batch(model, [prompt], pick, max_new_tokens=3))) == 3
    assert seen == [[3, 1, 4], [3, 1, 4, 10], [3, 1, 4, 10, 11]]
    plain = list(generate_tokens(model, prompt, GREEDY, max_new_tokens=40, seed=0))
    varied = list(generate_tokens(model, prompt, VARIED, max_new_tokens=40, seed=0))
    assert len(set(plain)) < len(set(varied))
    assert varied[: plain.index(varied[0]) + 1] == plain[: plain.index(varied[0]) + 1]


def test_a_penalised_prompt_may_hold_ids_beyond_the_tokenizer(model: Model) -> None:
    drawn = list(generate_tokens(model, [200, 3], VARIED, max_new_tokens=30, seed=0, vocab_size=9))
    assert max(drawn) < 9


@settings(max_examples=10, deadline=None)
@given(st.lists(st.lists(st.integers(0, 256), min_size=1, max_size=24), min_size=1, max_size=4))
def test_a_batch_penalises_each_row_by_itself(prompts: list[list[int]]) -> None:
    pairs = list(generate_batch(Fixed.model, prompts, Picker(VARIED), max_new_tokens=12))
    for number, prompt in enumerate(prompts):
        alone = list(generate_tokens(Fixed.model, prompt, VARIED, max_new_tokens=12, seed=0))
        assert [token for row, token in pairs if row == number] == alone


def test_dropout_is_off_while_generating_and_the_mode_comes_back(model_of: Callable[..., Model]) -> None:
    model = model_of("llama", 257).train()
    tokens = generate_tokens(model, [1], GREEDY, max_new_tokens=5, seed=0)
    assert model.training
    next(tokens)
    assert not model.training
    del tokens  # a reader who leaves early ends the stream
    assert model.training


def test_no_graph_is_kept_and_the_callers_mode_is_untouched(model: Model) -> None:
    for _ in generate_tokens(model, [1], GREEDY, max_new_tokens=3, seed=0):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    assert all(parameter.grad is None for parameter in model.parameters())


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.integers(0, 256), min_size=1, max_size=24), min_size=1, max_size=5))
def test_texts_of_a_batch_are_the_lone_ones(prompts: list[list[int]]) -> None:
    model = Fixed.model
    pairs = generate_batch(model, prompts, Picker(GREEDY), max_new_tokens=20)
    together: list[list[int]] = [[] for _ in prompts]
    for number, token in pairs:
        together[number].append(token)
    assert together == [list(generate_tokens(model, prompt, GREEDY, max_new_tokens=20, seed=0)) for prompt in prompts]


def test_more_prompts_than_a_batch_holds_keep_their_numbers(model: Model) -> None:
    prompts = [[n % 250 + 1] * (1 + n % 3) for n in range(BATCH_SIZE + 5)]
    pairs = list(generate_batch(model, prompts, Picker(GREEDY), max_new_tokens=1))
    assert sorted(number for number, _ in pairs) == list(range(len(prompts)))
    lone = {n: next(generate_tokens(model, prompts[n], GREEDY, max_new_tokens=1, seed=0)) for n in (0, 17, 36)}
    assert {n: token for n, token in pairs if n in lone} == lone


def test_finished_rows_end_the_work_early(model: Model) -> None:
    asked: list[int] = []

    def pick(number: int, place: int, logits: torch.Tensor, row: Sequence[int]) -> int | None:
        asked.append(number)
        return None if place == number else 1

    pairs = list(generate_batch(model, [[1], [2], [3, 4, 5]], pick, max_new_tokens=50))
    assert sorted(pairs) == [(1, 1), (2, 1), (2, 1)]
    assert sorted(asked) == [0, 1, 1, 2, 2, 2]


class Fixed:
    """A model for the tests with many examples, which must not use a fixture of one test."""

    model: Model


@pytest.fixture(autouse=True, scope="module")
def _fixed_model() -> None:
    from hornbook.models.gpt import GPT, GPTConfig

    config = GPTConfig(vocab_size=257, context_length=16, num_layers=2, num_heads=2, embed_dim=16)
    Fixed.model = GPT(config, torch.Generator().manual_seed(2)).eval()
    with torch.no_grad():
        for weight in Fixed.model.parameters():
            weight.mul_(10 if weight.ndim == 2 else 1)
