"""Drafts from the text itself, and what a text leaves for the next: the tokens are those of the plain loop."""

from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.generation.generate import generate_tokens
from hornbook.generation.held import Held, common
from hornbook.generation.lockstep import Context, Picker
from hornbook.generation.lookup import Memory, by_lookup
from hornbook.generation.sampling import Sampling
from hornbook.models.base import Model

GREEDY = Sampling(temperature=0)
WILD = Sampling(temperature=1.2, top_k=None)


def passes(model: Model) -> list[int]:
    """A list to which the number of tokens of each pass is added."""
    seen: list[int] = []
    model.get_submodule("token_embedding").register_forward_hook(lambda _, ids, out: seen.append(ids[0].shape[1]))
    return seen


@pytest.mark.parametrize(
    ("row", "count", "draft"),
    [
        ([1, 2, 3, 4, 1, 2], 3, [3, 4, 1]),
        ([1, 2, 3, 1, 2, 4, 1, 2], 1, [4]),  # the last time counts
        ([9, 1, 2, 7, 1, 2, 8, 9, 1, 2], 1, [7]),  # the longer run before the later one
        ([5, 5, 5], 4, [5, 5, 5, 5]),
        ([8, 1, 2, 1, 2], 3, [1, 2, 1]),
        ([1, 2, 3], 4, []),
        ([], 4, []),
    ],
)
def test_a_draft_is_what_followed_before(row: Sequence[int], count: int, draft: list[int]) -> None:
    assert Memory(row).draft(count) == draft


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pattern=st.lists(st.integers(0, 256), min_size=1, max_size=4),
    length=st.integers(1, 24),
    sampling=st.sampled_from([GREEDY, WILD, Sampling(temperature=0, repetition_penalty=2)]),
    count=st.integers(1, 40),
)
def test_the_tokens_are_those_of_the_plain_loop(
    model_of: Callable[..., Model], pattern: list[int], length: int, sampling: Sampling, count: int
) -> None:
    model = model_of("gpt", 257)
    prompt = (pattern * length)[:length]
    plain = list(generate_tokens(model, prompt, sampling, max_new_tokens=count, seed=4))
    assert list(generate_tokens(model, prompt, sampling, max_new_tokens=count, seed=4, lookup=True)) == plain


@pytest.mark.parametrize("kind", ["gpt", "llama"])
def test_several_tokens_a_pass_where_the_text_repeats(model_of: Callable[..., Model], kind: str) -> None:
    model = model_of(kind, 257, context_length=256)
    plain = list(generate_tokens(model, [3, 4], GREEDY, max_new_tokens=120, seed=0))
    seen = passes(model)
    assert list(generate_tokens(model, [3, 4], GREEDY, max_new_tokens=120, seed=0, lookup=True)) == plain
    assert len(seen) < 100
    assert max(seen[1:]) > 4


def test_it_ends_at_a_stop_and_at_the_wanted_length(model_of: Callable[..., Model]) -> None:
    model = model_of("gpt", 257, context_length=256)
    plain = list(generate_tokens(model, [3, 4], GREEDY, max_new_tokens=60, seed=0))
    stop = {plain[-1]}
    until = list(generate_tokens(model, [3, 4], GREEDY, max_new_tokens=60, seed=0, stop_ids=stop))
    assert list(generate_tokens(model, [3, 4], GREEDY, max_new_tokens=60, seed=0, stop_ids=stop, lookup=True)) == until
    for count in (1, 2, 33):
        assert len(list(generate_tokens(model, [3, 4], GREEDY, max_new_tokens=count, seed=0, lookup=True))) == count
    with pytest.raises(UserError, match="no tokens"):
        generate_tokens(model, [], GREEDY, max_new_tokens=1, seed=0, lookup=True)


def test_near_ties_are_weighed_alone(model_of: Callable[..., Model]) -> None:
    """With equal logits everywhere every choice is a tie: all tokens are read one by one, whatever was drafted."""
    model = model_of("gpt", 257, context_length=256)
    with torch.no_grad():
        model.get_submodule("final_norm").weight.zero_()  # type: ignore[operator,union-attr]
        model.get_submodule("final_norm").bias.zero_()  # type: ignore[operator,union-attr]
    context = Context(model, 1, 64)
    assert list(by_lookup(context, [1, 2, 0, 0, 1, 2], Picker(GREEDY), 20)) == [0] * 20


def test_a_turn_reads_only_what_is_new(model_of: Callable[..., Model]) -> None:
    model = model_of("llama", 257, context_length=64).eval()
    seen, held = passes(model), Held()
    pick = Picker(GREEDY)
    first = list(range(20))

    def text(prompt: list[int], count: int) -> list[int]:
        with torch.inference_mode():
            context = held.take(model, prompt, len(prompt) + count)
            found = list(by_lookup(context, prompt, pick, count, drafting=False))
            held.give(context)
        return found

    answer = text(first, 5)
    assert seen == [20, 1, 1, 1, 1]
    seen.clear()
    second = [*first, *answer, 7, 8, 9]
    again = text(second, 5)
    assert seen[0] == 4  # the last token of the answer was never read
    seen.clear()
    assert again == list(generate_tokens(model, second, GREEDY, max_new_tokens=5, seed=0))
    seen.clear()
    assert text(second, 3) == again[:3]
    assert seen[0] == 1  # the last token is read in any case: its logits are needed
    seen.clear()
    other = text([99, *second[1:]], 3)
    assert seen[0] == len(second)
    assert other == list(generate_tokens(model, [99, *second[1:]], GREEDY, max_new_tokens=3, seed=0))


def test_a_text_that_slides_leaves_what_it_still_holds(model_of: Callable[..., Model]) -> None:
    model, held = model_of("gpt", 257), Held()
    for prompt in ([1, 2, 3], [1, 2, 3, 4], list(range(16)), list(range(40)), [5]):
        with torch.inference_mode():
            cut = prompt[-16:]
            context = held.take(model.eval(), cut, len(cut) + 30)
            found = list(by_lookup(context, cut, Picker(GREEDY), 30))
            held.give(context)
        assert found == list(generate_tokens(model, prompt, GREEDY, max_new_tokens=30, seed=0))


def test_what_two_texts_begin_with() -> None:
    assert common([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common([1, 2], [1, 2, 3]) == common([1, 2, 3], [1, 2]) == 2
    assert common([], [1]) == 0
