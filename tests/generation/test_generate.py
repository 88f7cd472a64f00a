"""Text in, text out: `LanguageModel` over bytes, characters and words."""

from collections.abc import Callable
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.generation.generate import LanguageModel, SamplingOptions
from hornbook.generation.sampling import Sampling

Make = Callable[[str], LanguageModel]
PROMPT = "The quick brown fox"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens '0'"),
        ({"temperature": -1.0}, "temperature '-1'"),
        ({"top_k": 0}, "top_k '0'"),
        ({"top_p": 2.0}, "top_p '2'"),
        ({"min_p": -1.0}, "min_p '-1'"),
        ({"repetition_penalty": 0.0}, "repetition_penalty '0'"),
        ({"stop": [""]}, "stop string ''"),
    ],
)
def test_options_out_of_range(language_model: LanguageModel, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        language_model.stream(PROMPT, **options)


def test_unknown_characters_are_named(language_model_of: Make) -> None:
    with pytest.raises(UserError, match="'Ж', '☃'") as error:
        language_model_of("character").generate("The Ж fox ☃")
    assert "\n" not in str(error.value)


def test_unknown_words_are_named_up_to_five(language_model_of: Make) -> None:
    with pytest.raises(UserError, match="'a', 'b', 'c', 'd', 'e' and 2 more"):
        language_model_of("word").generate("a b c d e f g")


def test_an_empty_prompt_begins_a_document(language_model: LanguageModel) -> None:
    end = language_model.tokenizer.end_of_text
    assert language_model.prompt_ids("") == [end]
    assert isinstance(language_model.generate(max_new_tokens=5), str)


def test_an_empty_prompt_needs_an_end_of_text(language_model_of: Make) -> None:
    language_model = language_model_of("character")
    language_model.tokenizer.special_tokens = {}
    with pytest.raises(UserError, match="prompt is empty"):
        language_model.generate("")


def test_blank_words_are_no_prompt(language_model_of: Make) -> None:
    with pytest.raises(UserError, match="prompt has no tokens"):
        language_model_of("word").generate("  \n ")


def test_special_tokens_in_a_prompt_are_text(language_model_of: Make) -> None:
    language_model = language_model_of("bytes")
    assert language_model.prompt_ids("<|endoftext|>") == list(b"<|endoftext|>")


def test_the_stream_joined_is_the_text(language_model: LanguageModel) -> None:
    pieces = list(language_model.stream(PROMPT, max_new_tokens=60, seed=2, temperature=1.5, top_k=None))
    assert "".join(pieces) == language_model.generate(PROMPT, max_new_tokens=60, seed=2, temperature=1.5, top_k=None)
    assert all(pieces)


def test_same_seed_same_text(language_model: LanguageModel) -> None:
    def write(seed: int) -> str:
        return language_model.generate(PROMPT, max_new_tokens=40, seed=seed, temperature=1.5, top_k=None)

    assert write(1) == write(1) != write(2)


def test_a_stop_string_ends_the_text_and_is_not_part_of_it(language_model: LanguageModel) -> None:
    free = language_model.generate(PROMPT, max_new_tokens=60, seed=5, temperature=0.3)
    stop = free[len(free) // 2 :][:3]
    writing = language_model.stream(PROMPT, max_new_tokens=60, seed=5, temperature=0.3, stop=[stop])
    assert "".join(writing) == free[: free.index(stop)] == writing.text
    assert writing.stopped_by == "stop string"


def test_a_continuation_says_what_it_came_to(language_model: LanguageModel) -> None:
    writing = language_model.stream(PROMPT, max_new_tokens=7, temperature=0)
    assert writing.stopped_by is None
    text = "".join(writing)
    assert writing.text == text
    assert writing.stopped_by in ("length", "end of text")
    if writing.stopped_by == "length":
        assert len(writing.tokens) == 7


def test_end_of_text_ends_the_text(language_model_of: Make) -> None:
    language_model = language_model_of("bytes")
    free = language_model.stream(PROMPT, max_new_tokens=40, seed=1, temperature=2, top_k=None)
    list(free)
    language_model.tokenizer.special_tokens = {"<|endoftext|>": free.tokens[11]}
    writing = language_model.stream(PROMPT, max_new_tokens=40, seed=1, temperature=2, top_k=None)
    list(writing)
    assert writing.tokens == free.tokens[: free.tokens.index(free.tokens[11])]
    assert writing.stopped_by == "end of text"


def test_a_penalty_makes_the_text_repeat_itself_less(language_model_of: Make) -> None:
    language_model = language_model_of("bytes")

    def written(**sampling: float) -> list[int]:
        writing = language_model.stream(PROMPT, max_new_tokens=50, temperature=0, **sampling)
        list(writing)
        return writing.tokens

    assert written(repetition_penalty=1.0) == written()
    assert len(set(written(repetition_penalty=5.0))) > 2 * len(set(written()))


def test_min_p_of_one_is_greedy(language_model: LanguageModel) -> None:
    one = language_model.generate(PROMPT, max_new_tokens=20, temperature=1, top_k=None, min_p=1, seed=3)
    assert one == language_model.generate(PROMPT, max_new_tokens=20, temperature=0)


def test_many_are_the_lone_ones(language_model: LanguageModel) -> None:
    prompts = ["The", PROMPT, PROMPT + ", it jumps over the lazy dog", "it does"]
    ids = [language_model.prompt_ids(prompt) for prompt in prompts]
    alone = [language_model.generate(prompt, max_new_tokens=20, temperature=0, stop=["o"]) for prompt in prompts]
    assert language_model.generate_many(ids, max_new_tokens=20, temperature=0, stop=["o"]) == alone


def test_the_options_are_those_of_sampling() -> None:
    assert SamplingOptions.__annotations__.keys() == Sampling.model_fields.keys()


def test_the_config_is_the_models(language_model: LanguageModel) -> None:
    assert language_model.config is language_model.model.config
    assert language_model.info == {}
