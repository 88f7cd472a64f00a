"""`LanguageModel.chat`: the prompt is the template's, the oldest turns go first, an answer ends where it should."""

import pytest
import torch

from hornbook.chat_template import ChatTemplate, named_template
from hornbook.conventions import plain
from hornbook.errors import UserError
from hornbook.generation.conversation import template_for, without_oldest_turn
from hornbook.generation.generate import LanguageModel
from hornbook.generation.held import Held
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.bpe import BPE
from hornbook.tokenizers.character import Character

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOKENIZER = BPE.train(["Who is there?"], vocab_size=262, special_tokens=SPECIALS)
SYSTEM = {"role": "system", "content": "Hm."}


def turns(count: int) -> list[dict[str, str]]:
    """Messages that end with a user's: u0 a0 u1 a1 ... u<count-1>."""
    messages = [SYSTEM]
    for number in range(count):
        messages += [{"role": "user", "content": f"u{number}"}, {"role": "assistant", "content": f"a{number}"}]
    return messages[:-1]


def random_model(context_length: int = 128, template: ChatTemplate | None = None) -> LanguageModel:
    config = LlamaConfig(
        vocab_size=TOKENIZER.vocab_size, context_length=context_length, num_layers=1, num_heads=2, embed_dim=16
    )
    conventions = plain(TOKENIZER).with_template(template or named_template("chatml"), TOKENIZER)
    return LanguageModel(Llama(config, torch.Generator().manual_seed(3)), TOKENIZER, {}, conventions)


def always(model: LanguageModel, *ids: int) -> LanguageModel:
    """The model, made to write these ids over and over."""
    place = -1

    def logits(hidden: torch.Tensor) -> torch.Tensor:
        nonlocal place
        place += 1
        row = torch.zeros(hidden.shape[0], model.config.vocab_size)
        row[:, ids[place % len(ids)]] = 9.0
        return row

    model.model.logits = logits  # type: ignore[method-assign]
    return model


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "has no messages"),
        ([{"role": "you", "content": "x"}], "unknown role in message 1: 'you'"),
        ([SYSTEM], "the last message is the system's, not the user's: there is nothing to answer"),
        ([{"role": "user", "content": "long " * 99}], r"the message makes \d+ tokens, the context holds 128"),
    ],
)
def test_what_can_not_be_answered(messages: list[dict[str, str]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        random_model().chat(messages)


def test_a_model_without_a_template() -> None:
    model = random_model()
    with pytest.raises(UserError, match="this model has no chat template; hint: .*--template alpaca.chatml.*generate"):
        LanguageModel(model.model, TOKENIZER).chat(turns(1))


def test_what_the_vocabulary_lacks() -> None:
    letters = Character.train(["who is there?\n"])
    config = LlamaConfig(vocab_size=letters.vocab_size, context_length=64, num_layers=1, num_heads=2, embed_dim=8)
    for template, said, message in (
        ("{{ messages[0].content }}", "Who?", "message 1 has what this model can't read: 'W'"),
        ("[{{ messages[0].content }}]", "who?", "the chat template writes what this model can't read"),
    ):
        conventions = plain(letters).with_template(ChatTemplate(template), letters)
        model = LanguageModel(Llama(config), letters, {}, conventions)
        with pytest.raises(UserError, match=message):
            model.chat([{"role": "user", "content": said}])


def test_the_prompt_is_the_templates_and_the_seed_decides() -> None:
    model = random_model()
    writing = model.stream_chat(turns(2), max_new_tokens=8, seed=1)
    text = "".join(writing)
    assert writing.prompt_ids == named_template("chatml").prompt_ids(turns(2), TOKENIZER)
    assert writing.left_out == 0
    assert text == writing.text == model.chat(turns(2), max_new_tokens=8, seed=1)
    assert text == text.lstrip()
    assert text != model.chat(turns(2), max_new_tokens=8, seed=2)


def test_turns_that_are_held_get_the_same_answers() -> None:
    model, held = random_model(), Held()
    read: list[int] = []
    model.model.token_embedding.register_forward_hook(lambda _, ids, out: read.append(ids[0].shape[1]))  # type: ignore[operator,union-attr]
    for count in (1, 2, 3, 12):  # at last the oldest turns have no room any more
        alone = model.chat(turns(count), max_new_tokens=5, temperature=0)
        whole, read[:] = read[0], []
        assert "".join(model.stream_chat(turns(count), held=held, max_new_tokens=5, temperature=0)) == alone
        assert read[0] < whole or count in (1, 12)
        read.clear()


@pytest.mark.parametrize("end", ["<|im_end|>", "<|endoftext|>"])
def test_the_ends_of_an_answer(end: str) -> None:
    letter = TOKENIZER.encode("a")[0]
    space = TOKENIZER.encode(" ")[0]
    model = always(random_model(), space, letter, TOKENIZER.special_tokens[end])
    writing = model.stream_chat(turns(1), temperature=0)
    assert list(writing) == ["a"]  # the space that a template leaves to the answer is none of its text
    assert writing.stopped_by == "end of text"
    assert always(random_model(), letter).chat(turns(1), max_new_tokens=5, temperature=0) == "aaaaa"
    assert (
        always(random_model(), letter, letter, 98).chat(turns(1), stop=["ab"], max_new_tokens=9, temperature=0) == "a"
    )


def test_the_oldest_turns_are_left_out_and_the_system_stays() -> None:
    template = named_template("chatml")
    model = always(random_model(), TOKENIZER.encode("a")[0])
    many = turns(12)
    assert len(template.prompt_ids(many, TOKENIZER)) > 128
    writing = model.stream_chat(many, temperature=0)
    list(writing)
    kept = [SYSTEM, *many[1 + writing.left_out :]]
    assert writing.prompt_ids == template.prompt_ids(kept, TOKENIZER)
    assert kept[1]["role"] == "user"
    assert len(writing.prompt_ids) <= 96 < len(template.prompt_ids([SYSTEM, *many[writing.left_out - 1 :]], TOKENIZER))
    assert len(writing.tokens) == 128 - len(writing.prompt_ids)  # the answer ends where the context does
    assert writing.stopped_by == "length"
    short = model.stream_chat(many, max_new_tokens=2, temperature=0)
    assert short.left_out < writing.left_out  # a short answer needs less room
    last = [SYSTEM, {"role": "user", "content": "long " * 18}]
    assert model.stream_chat([*turns(3)[:-1], last[1]]).prompt_ids == template.prompt_ids(last, TOKENIZER)


def test_a_turn_is_a_question_and_what_follows_it() -> None:
    assert without_oldest_turn(turns(1)) is None
    assert without_oldest_turn(turns(3)) == [SYSTEM, *turns(3)[3:]]
    assert without_oldest_turn(turns(3)[1:]) == turns(3)[3:]
    assert without_oldest_turn([SYSTEM]) is None


def test_a_template_by_name_or_file(tmp_path) -> None:
    before = (TOKENIZER.special_tokens["<|im_start|>"],)
    assert template_for("phi3", TOKENIZER, before) == named_template("phi3", "<|im_start|>")
    (tmp_path / "mine.jinja").write_text("{{ messages[0].content }}")
    assert template_for(str(tmp_path / "mine.jinja"), TOKENIZER) == ChatTemplate("{{ messages[0].content }}")
    (tmp_path / "bad.jinja").write_text("{% for %}")
    with pytest.raises(UserError, match="the chat template can't be used: line 1"):
        template_for(str(tmp_path / "bad.jinja"), TOKENIZER)
    with pytest.raises(UserError, match="unknown chat template 'chatlm'"):
        template_for("chatlm", TOKENIZER)
