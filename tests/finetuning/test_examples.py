"""Examples: what is too long is cut whole turns at a time, dropped or refused, and never in silence."""

from collections.abc import Sequence

import pytest

from hornbook.chat_template import ChatTemplate
from hornbook.errors import UserError
from hornbook.finetuning.examples import make_examples, mark_conversation, shared_prompts, shorter_ones
from hornbook.finetuning.messages import Conversation
from hornbook.tokenizers.character import Character

LETTERS = Character.train(["abcdefgh:; "], special_tokens=["<|endoftext|>"])


# a colon before each message, the end behind each answer; two questions in a row are more than it can say
PLAIN = ChatTemplate(
    "{% for message in messages %}"
    "{% if not loop.first and message.role == loop.previtem.role %}{{ raise_exception('asked twice in a row') }}{% endif %}"
    "{{ ':' + message.content }}{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}:{% endif %}"
)


def talk(*contents: str, system: str = "", place: str = "'a' line 1") -> Conversation:
    turns = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(contents)]
    head = [{"role": "system", "content": system}] if system else []
    return Conversation((*head, *turns), place)


THREE = talk("aa", "b", "cc", "d", "ee", "f", system="hh")  # 3 tokens, then 6 a turn


def text(example_tokens: Sequence[int]) -> str:
    return LETTERS.decode(example_tokens).replace("<|endoftext|>", ";")


@pytest.mark.parametrize(
    ("max_length", "left", "cut"),
    [
        (20, ":hh:aa:b;:cc:d;:ee:f;", 0),
        (19, ":hh:cc:d;:ee:f;", 2),
        (14, ":hh:cc:d;:ee:f;", 2),
        (13, ":hh:ee:f;", 4),
        (8, ":hh:ee:f;", 4),
    ],
)
def test_the_oldest_turns_are_cut_whole(max_length: int, left: str, cut: int) -> None:
    examples = make_examples([THREE], PLAIN, LETTERS, max_length)
    [example] = examples.kept
    assert text(example.marked.tokens) == left
    assert example.cut == THREE.messages[1 : 1 + cut]
    assert examples.num_cut == int(cut > 0)
    assert len(example.row.inputs) <= max_length
    assert example.row.targets[-1] == LETTERS.end_of_text


def test_what_no_cut_makes_short_enough_is_refused_with_its_line() -> None:
    with pytest.raises(
        UserError, match="'a' line 1: 20 tokens are more than max_length 7, and so are those of its last"
    ):
        make_examples([THREE], PLAIN, LETTERS, 7)
    with pytest.raises(UserError, match="'a' line 1: 20 tokens are more than max_length 19; hint: --finetune.too_long"):
        make_examples([THREE], PLAIN, LETTERS, 19, "refuse")
    with pytest.raises(UserError, match="line 1: 100,003 tokens are more than max_length 99; hint: .*drop"):
        make_examples([talk("a" * 100_000, "b")], PLAIN, LETTERS, 99)


def test_dropped_ones_are_named() -> None:
    found = make_examples([THREE, talk("a", "b", place="'a' line 2")], PLAIN, LETTERS, 9, "drop")
    assert found.dropped == ("'a' line 1",)
    assert [example.conversation.place for example in found.kept] == ["'a' line 2"]
    assert (found.num_tokens, found.num_trained, found.num_cut) == (5, 2, 0)
    with pytest.raises(UserError, match="all 1 examples are longer than max_length 5, so none is left"):
        make_examples([THREE], PLAIN, LETTERS, 5, "drop")


def test_only_answers_and_their_ends_are_trained_unless_all_is() -> None:
    marked = mark_conversation(talk("a", "bc", "d", "e"), PLAIN, LETTERS).marked
    assert text([token for token, own in zip(marked.tokens, marked.trained, strict=True) if own]) == "bc;e;"
    whole = mark_conversation(talk("a", "bc"), PLAIN, LETTERS, train_prompt=True).marked
    assert all(whole.trained)


def test_what_a_template_can_not_say_is_named_with_its_line() -> None:
    twice = ({"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"})
    with pytest.raises(UserError, match="'a' line 7: .*asked twice in a row"):
        make_examples([Conversation(twice, "'a' line 7")], PLAIN, LETTERS, 99)


def test_shorter_ones_begin_with_a_question() -> None:
    turns = [message | {"role": role} for message, role in zip(THREE.messages[1:], "uuauaa", strict=True)]
    roles = {"u": "user", "a": "assistant"}
    odd = Conversation(tuple({**turn, "role": roles[turn["role"]]} for turn in turns[:5]), "here")  # u u a u a
    assert [[message["content"] for message in each.messages] for each in shorter_ones(odd)] == [["d", "ee"]]


def test_questions_asked_in_both_parts_are_found() -> None:
    first = [mark_conversation(talk(q, "b", place=q), PLAIN, LETTERS) for q in ("a b", "c", "d")]
    second = [mark_conversation(talk(q, "e", place=f"2 {q}"), PLAIN, LETTERS) for q in ("a  b", "d", "d", "h")]
    assert shared_prompts(first, second) == [("a b", "2 a  b"), ("d", "2 d")]
    assert shared_prompts(first, second[3:]) == []
