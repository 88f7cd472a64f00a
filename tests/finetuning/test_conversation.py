"""Instructions: the exact prompt, the tokens that are trained, the end that is always among them."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.chat_template import named_template
from hornbook.errors import UserError
from hornbook.finetuning.conversation import Marked, alpaca_prompt, mark
from hornbook.finetuning.labelled import split
from hornbook.finetuning.messages import Conversation, read_conversations
from hornbook.finetuning.rows import Row, pad_rows, shifted
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.character import Character

Number = Callable[[str], Any]
Shared = Callable[[str], Path]
LETTERS = Character.train(["abc \n"], special_tokens=["<|endoftext|>", "[PAD]"])


def instructions(path: Path) -> list[Conversation]:
    """As a fine-tuning reads them."""
    return read_conversations(path, "\n\n### Input:\n")


def test_the_instructions_of_the_book(shared_data: Shared, number: Number, gpt2: Tokenizer) -> None:
    path, expected = shared_data("instruction-data.json"), number("ins-01")
    found, template = instructions(path), named_template("alpaca")
    assert sha256(path.read_bytes()).hexdigest() == expected["sha256"]
    assert len(found) == expected["n"]
    for place in (50, 999):
        entry = expected[f"entry_{place}"]
        assert found[place].answer == entry["output"]
        assert found[place].prompt[0]["content"].startswith(entry["instruction"])
    assert sum("### Input:" in each.prompt[0]["content"] for each in found) == expected["n_with_input"]

    lengths = [len(template.marked(each.messages, gpt2)[0]) - 1 for each in found]  # the book counts without the end
    assert {"min": min(lengths), "max": max(lengths), "mean": round(sum(lengths) / len(lengths), 3)} == expected[
        "formatted_token_len"
    ]
    assert sum(lengths[:935]) == expected["train_tokens_total"]


def test_the_prompt_of_the_book(shared_data: Shared, number: Number) -> None:
    found = instructions(shared_data("instruction-data.json"))
    for place in (50, 999):
        expected = number("ins-02")[f"entry_{place}"]
        assert named_template("alpaca").render(found[place].messages) == expected + "<|endoftext|>"


def test_the_split_of_the_book(shared_data: Shared, number: Number) -> None:
    train, test, val = split(instructions(shared_data("instruction-data.json")), (0.85, 0.1))
    assert {"train": len(train), "val": len(val), "test": len(test)} == number("ins-03")


def test_encoded_apart_is_encoded_together(shared_data: Shared, gpt2: Tokenizer) -> None:
    """And the short way, for a prompt and an answer, is the template's."""
    template = named_template("alpaca")
    for each in instructions(shared_data("instruction-data.json")):
        prompt = template.render(each.prompt, add_generation_prompt=True)
        marked = mark(prompt, each.answer, gpt2)
        assert marked.tokens == [*gpt2.encode(prompt + each.answer), 50256]
        assert (marked.tokens, marked.trained) == template.marked(each.messages, gpt2)
        wanted = [token for token, trained in zip(marked.tokens, marked.trained, strict=True) if trained]
        assert gpt2.decode(wanted) == each.answer + "<|endoftext|>"


def test_the_alpaca_prompt_without_input_has_no_section_for_it() -> None:
    assert "Input" not in alpaca_prompt("Say a.")
    assert alpaca_prompt("Say a.", "b").endswith("Say a.\n\n### Input:\nb\n\n### Response:\n")


@settings(deadline=None)
@given(st.text("abc \n"), st.text("abc \n", min_size=1), st.booleans())
def test_the_answer_and_its_end_are_trained(prompt: str, answer: str, train_prompt: bool) -> None:
    marked = mark(prompt, answer, LETTERS, train_prompt=train_prompt)
    row = marked.row()
    assert row.targets[-1] == LETTERS.end_of_text  # the model learns to stop
    trained = [token for token in row.targets if token != -100]
    learned = prompt[1:] + answer if train_prompt and prompt else answer if prompt else answer[1:]
    assert LETTERS.decode(trained) == learned + "<|endoftext|>"
    assert row.inputs == marked.tokens[:-1]


def test_the_loss_on_the_prompt_too_is_the_books(number: Number) -> None:
    rows = [
        Marked([*tokens, 50256], [True] * (len(tokens) + 1)).row() for tokens in ([0, 1, 2, 3, 4], [5, 6], [7, 8, 9])
    ]
    inputs, targets = pad_rows(rows, 50256)
    assert {"inputs": inputs.tolist(), "targets": targets.tolist()} == number("ins-06")
    whole = mark("ab", "c", LETTERS, train_prompt=True)
    assert whole.row() == shifted(whole.tokens, [True] * 4)


def test_a_long_example_is_cut_as_asked() -> None:
    marked = mark("ab", "ca", LETTERS)  # a b c a end
    assert marked.row(2) == Row(marked.tokens[:2], [-100, marked.tokens[2]])
    assert marked.row(99) == marked.row()
    with pytest.raises(UserError, match="an example of 5 tokens has nothing to learn within its first 1 tokens"):
        marked.row(1)


def test_without_an_end_there_is_no_training() -> None:
    with pytest.raises(UserError, match="no end token, so an answer would never end"):
        mark("a", "b", Character.train(["abc"], special_tokens=[]))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "has no entries"),
        ([{"instruction": "a", "output": "b"}, {"instruction": "a"}], "entry 2 has no field 'output'"),
        ([{"instruction": " ", "output": "b"}], "entry 1: the field 'instruction' is empty"),
        ([{"instruction": "a", "input": None, "output": "b"}], "entry 1: the field 'input' is not text"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entries: list[dict[str, object]], message: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(entries))
    with pytest.raises(UserError, match=message):
        instructions(tmp_path / "a.json")
