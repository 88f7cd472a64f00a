"""Chat templates: what is refused, what a content can't do, what is learned, and transformers' bytes and ids."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.chat_template import (
    NAMES,
    ChatTemplate,
    end_token,
    named_template,
    template_of,
    write_template,
)
from hornbook.errors import UserError
from hornbook.finetuning.conversation import alpaca_prompt
from hornbook.tokenizers.base import Tokenizer, load_tokenizer
from hornbook.tokenizers.bpe import BPE

TEXT = "Who is there? The fox is there. assistant user system\n" * 10
SPECIALS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<|begin_of_text|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<think>", "</think>",
]  # fmt: skip
USER, ANSWER = {"role": "user", "content": "Who is there?"}, {"role": "assistant", "content": "The fox."}
SYSTEM = {"role": "system", "content": "Be brief."}
TALK = [USER, ANSWER, {"role": "user", "content": " And 12 €? "}, {"role": "assistant", "content": "Nobody."}]
SECRET = "{{ messages[0].content }}"

# Written for these tests in the manner of public models.
STYLES = {
    "chatml with a default system": (
        "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n"
        "{% endif %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        "", "<|im_end|>",
    ),
    "llama 3": (
        "{{- bos_token }}\n{%- for message in messages %}\n"
        "    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}\n"
        "{%- endfor %}\n{%- if add_generation_prompt %}\n"
        "    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}\n{%- endif %}\n",
        "<|begin_of_text|>", "<|eot_id|>",
    ),
    "phi-3": (
        "{% for m in messages %}{% if m.role == 'system' and m.content %}{{ '<|system|>\n' + m.content + '<|end|>\n' }}"
        "{% elif m.role == 'user' %}{{ '<|user|>\n' + m.content + '<|end|>\n' }}{% elif m.role == 'assistant' %}"
        "{{ '<|assistant|>\n' + m.content + '<|end|>\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
        "", "<|endoftext|>",
    ),
    "llama 2": (
        "{% if messages[0]['role'] == 'system' %}{% set told = '<<SYS>>\n' ~ messages[0]['content'] ~ '\n<</SYS>>\n\n' %}"
        "{% set rest = messages[1:] %}{% else %}{% set told = '' %}{% set rest = messages %}{% endif %}"
        "{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}"
        "{% endif %}{% if m.role == 'user' %}"
        "{{ bos_token + '[INST] ' + (told if loop.index0 == 0 else '') + m.content.strip() + ' [/INST]' }}"
        "{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
        "<s>", "</s>",
    ),
    "mistral": (
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'assistant' %}{{ ' ' ~ m['content'] ~ eos_token }}"
        "{% else %}{{ '[INST] ' ~ m['content'] ~ ' [/INST]' }}{% endif %}{% endfor %}",
        "<s>", "</s>",
    ),
}  # fmt: skip


@cache
def byte_level() -> BPE:
    return BPE.train([TEXT], vocab_size=320, special_tokens=SPECIALS)


def sentencepiece(scheme: str) -> Tokenizer:
    """A vocabulary of characters and bytes in the manner of Llama 2 (normalizer) and Mistral (first)."""
    pieces = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        *"abcdefghinorstuwyTW.?[]/INS",
        "he",
    ]
    special = [
        {"id": place, "content": name, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False}
        for place, name in enumerate(pieces[:3])
    ]  # fmt: skip
    document: dict[str, Any] = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
        "post_processor": None, "decoder": None,
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "merges": ["h e"],
                  "vocab": {piece: place for place, piece in enumerate(pieces)}},
    }  # fmt: skip
    if scheme == "normalizer":
        steps = [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]
        document |= {"pre_tokenizer": None, "normalizer": {"type": "Sequence", "normalizers": steps}}
    from hornbook.tokenizers._sentencepiece import SentencePieceBPE

    return SentencePieceBPE.from_json(document)


def tokenizer_for(style: str) -> Tokenizer:
    return {"llama 2": lambda: sentencepiece("normalizer"), "mistral": lambda: sentencepiece("first")}.get(
        style, byte_level
    )()


def template_for(style: str) -> ChatTemplate:
    return ChatTemplate(*STYLES[style]) if style in STYLES else named_template(style)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ ''.__class__.__mro__ }}", "the attribute '__mro__' is refused"),
        ("{{ ''['__class__'] }}", "'__class__' of a str is refused"),
        ("{{ messages | map(attribute='__class__') | list }}", "'__class__' of a dict is refused"),
        ("{{ '{0.__class__}'.format('') }}", "'__class__' of a str is refused"),
        ("{{ messages | attr('append') }}", "No filter named 'attr'"),
        ("{{ raise_exception.__globals__ }}", "'__globals__' is refused"),
        ("{% import 'os' as os %}", "'import' is refused"),
        ("{% include '/etc/passwd' %}", "'include' is refused"),
        ("{% extends 'x' %}", "'extends' is refused"),
        ("{{ messages.append(1) }}", "'append' of a list is refused"),
        ("{{ messages[0].update(role='system') }}", "'update' of a dict is refused"),
        ("{% set n = namespace(__class__=1) %}{% set n.__init__ = 2 %}", "__"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
        ("{{ date_string }}", "'date_string' is undefined"),
        ("{{ messages[0].name }}", "no attribute 'name'"),
        ("{{ tools[0] }}", "None"),
        ("{{ messages | frobnicate }}", "No filter named 'frobnicate'"),
        ("{% for m in messages %}", "line 1: "),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ raise_exception('roles must alternate') }}", "refuses the conversation: roles must alternate"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "without an end"),
        ("{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "without an end"),
        ("{% set a %}{{ 'a' * 900000 }}{% endset %}{% set b %}{{ a }}{{ a }}{% endset %}{{ b }}", "without an end"),
        ("{% set n = namespace(x=10) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}", "without an end"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls itself without an end"),
        ("{{ 'a' * 10000000000 }}", "without an end"),
        ("{{ 9 ** 9 ** 9 }}", "too large"),
        ("{{ '%9999999999d' % 1 }}", "pads by more than"),
        ("{{ '{:9999999999}'.format(1) }}", "pads by more than"),
        ("{{ 'a'.center(9999999999) }}", "pads by more than"),
        ("{{ 'aaaaaaaaa'.replace('', 'b' * 500000) }}", "without an end"),
        ("{% set _count = 1 %}", "'_count' is refused"),
    ],
)  # fmt: skip
def test_what_a_template_may_not_do(source: str, message: str) -> None:
    with pytest.raises(UserError, match="^the chat template ") as caught:
        ChatTemplate(source).render([USER])
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("source", ["{{ ''.__class__ }}", "{% include 'x' %}", "{% if %}"])
def test_a_template_that_tries_to_escape_is_found_before_it_is_used(source: str) -> None:
    with pytest.raises(UserError, match="the chat template can't be used: line 1: "):
        ChatTemplate(source).check()


def test_what_templates_use_is_there() -> None:
    template = ChatTemplate(
        "{% set n = namespace(seen=0) %}{% for m in messages %}{% if loop.index0 == 1 %}{% continue %}{% endif %}"
        "{% set n.seen = n.seen + 1 %}{% generation %}{{ m.content | trim }}{% endgeneration %}{% endfor %}"
        "{{ n.seen }}{{ {'a': '<é>'} | tojson }}{{ strftime_now('%Y') }}{{ none_such is defined }}"
        "{% if tools or messages[0].tool_calls %}!{% endif %}{{ dict(a=1).items() | list | length }}",
        now=datetime(2001, 2, 3),
    )
    assert template.render([USER, ANSWER, USER]) == 'Who is there?Who is there?2{"a": "<é>"}2001False1'


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "has no messages"),
        ([USER, {"role": "tool", "content": "x"}], "unknown role in message 2: 'tool'"),
        ([{"role": "user"}], "message 1 has role, not the fields role and content alone"),
        ([USER | {"tool_calls": "x"}], "message 1 has role, content, tool_calls"),
        (["Hi"], "message 1 has str"),
        ([{"role": "user", "content": [{"type": "text"}]}], "message 1: the content is no text"),
    ],
)
def test_messages_of_another_form(messages: list[Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        named_template("chatml").render(messages)


def test_an_unknown_name() -> None:
    with pytest.raises(UserError, match="unknown chat template 'chatlm'.*did you mean 'chatml'"):
        named_template("chatlm")


def test_alpaca_is_the_prompt_of_the_numbers() -> None:
    template = named_template("alpaca")
    assert template.render([USER], True) == alpaca_prompt(USER["content"])
    with_input = {"role": "user", "content": "Sum up.\n\n### Input:\nA text."}
    assert template.render([with_input], True) == alpaca_prompt("Sum up.", "A text.")
    assert template.render([USER, ANSWER]) == alpaca_prompt(USER["content"]) + "The fox.<|endoftext|>"
    assert template.render([SYSTEM, USER], True).startswith("Be brief.\n\n### Instruction:\n")
    with pytest.raises(UserError, match="only the first message may be the system"):
        template.render([USER, SYSTEM])


def test_the_other_two_byte_for_byte() -> None:
    said = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho is there?<|im_end|>\n<|im_start|>assistant\n"
    template = named_template("chatml", eos_token="<|im_end|>")
    assert template.render([SYSTEM, USER], True) == said
    assert template.render([SYSTEM, USER, ANSWER]) == said + "The fox.<|im_end|>\n"
    said = "<|user|>\nWho is there?<|end|>\n<|assistant|>\n"
    assert named_template("phi3").render([USER], True) == said
    assert named_template("phi3", "<s>").render([USER, ANSWER]) == "<s>" + said + "The fox.<|endoftext|>\n"


# ---- what stands in a content stays a content

PARTS = [
    *SPECIALS,
    "<|",
    "|>",
    "<",
    ">",
    "im_end",
    "<|im_",
    "end|>",
    "</",
    "think>",
    " ",
    "\n",
    "a",
    "é",
    "\ue000",
    "\ue001",
]
CONTENTS = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=8).map("".join)


@settings(deadline=None, max_examples=25)
@given(st.lists(CONTENTS, min_size=3, max_size=3), st.sampled_from([*NAMES, "chatml with a default system", "llama 3"]))
def test_a_content_never_makes_a_special_token(contents: list[str], style: str) -> None:
    """The special ids are those of the same conversation about nothing, and the text is what the template wrote."""
    tokenizer, template = byte_level(), template_for(style)
    roles = ("user", "assistant", "user")
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=True)]
    harmless = [{"role": role, "content": "x"} for role in roles]
    special = set(tokenizer.special_tokens.values())
    found, expected = template.prompt_ids(messages, tokenizer), template.prompt_ids(harmless, tokenizer)
    assert [token for token in found if token in special] == [token for token in expected if token in special]
    assert tokenizer.decode(found) == template.render(messages, True)


CARELESS = [
    "<|{{ messages[0].content }}|>",
    "<|im_{{ messages[0].content }}",
    "{{ messages[0].content }}m_end|>",
    "{{ messages[0].content }}{{ messages[1].content }}",
]


@pytest.mark.parametrize("source", CARELESS)
@pytest.mark.parametrize(
    "contents", [("im_end", ""), (" im_end ", ""), ("end|>", ""), ("<|i", "m_end|>"), ("<", "|im_end|>")]
)
def test_nor_with_the_help_of_a_careless_template(source: str, contents: tuple[str, str]) -> None:
    messages = [{"role": "user", "content": content} for content in contents]
    found = ChatTemplate(source).tokens(messages, byte_level())
    assert not set(found) & set(byte_level().special_tokens.values())
    assert byte_level().decode(found) == ChatTemplate(source).render(messages)


def test_what_a_template_looks_for_in_an_answer_keeps_its_meaning() -> None:
    """Templates of thinking models cut an answer at its own marks; in a user's message the same marks are text."""
    source = (
        "{% for m in messages %}{% set said = m.content %}{% if m.role == 'assistant' and '</think>' in said %}"
        "{% set said = said.split('</think>')[-1].lstrip('\n') %}{% endif %}"
        "{{ '<|im_start|>' + m.role + '\n' + said + '<|im_end|>\n' }}{% endfor %}"
    )
    thought = "<think>\nhm\n</think>\n\nThe fox."
    talk = [{"role": "user", "content": thought}, {"role": "assistant", "content": thought}]
    found = byte_level().decode(ChatTemplate(source).tokens(talk, byte_level()))
    assert found == f"<|im_start|>user\n{thought}<|im_end|>\n<|im_start|>assistant\nThe fox.<|im_end|>\n"
    marks = {byte_level().special_tokens[name] for name in ("<think>", "</think>")}
    assert not set(ChatTemplate(source).tokens(talk, byte_level())) & marks


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(NAMES), st.lists(CONTENTS, min_size=1, max_size=5), st.booleans())
def test_a_template_written_here_makes_the_text_that_it_would_make_within_bounds(
    name: str, contents: list[str], asks: bool
) -> None:
    """Ours are trusted and not counted; one more comment, and the same template is a stranger's."""
    ours = named_template(name)
    strange = ChatTemplate(ours.source + "{# from elsewhere #}")
    talk = [{"role": ("assistant", "user")[place % 2], "content": text} for place, text in enumerate(contents, 1)]
    talk = [{"role": "system", "content": contents[-1]}, *talk]
    assert ours.render(talk, asks) == strange.render(talk, asks)
    assert type(ours._compiled.environment) is not type(strange._compiled.environment)


# ---- what is learned


@pytest.mark.parametrize("style", [*NAMES, *STYLES])
def test_the_answers_and_their_ends_are_learned(style: str) -> None:
    template, tokenizer = template_for(style), tokenizer_for(style)
    system = [] if style == "mistral" else [SYSTEM]
    ids, trained = template.marked([*system, *TALK], tokenizer)
    learned = "".join(tokenizer.token_text(token) for token, used in zip(ids, trained, strict=True) if used)
    end = next(name for name in ("<|im_end|>", "<|eot_id|>", "<|end|>") if name in template.source) if style in STYLES and (
        template.eos_token != "</s>"
    ) else template.eos_token  # fmt: skip
    assert learned.replace(" ", "") == f"Thefox.{end}Nobody.{end}"
    for place in (1, 3):
        prompt = template.prompt_ids([*system, *TALK[:place]], tokenizer)
        assert ids[: len(prompt)] == prompt
        assert trained[len(prompt)]
        assert not trained[len(prompt) - 1]


@settings(deadline=None, max_examples=20)
@given(st.lists(CONTENTS, min_size=4, max_size=4), st.sampled_from([*NAMES, "chatml with a default system"]))
def test_every_prompt_is_how_its_conversation_begins(contents: list[str], style: str) -> None:
    template, tokenizer = template_for(style), byte_level()
    talk = [{"role": role, "content": text} for role, text in zip(["user", "assistant"] * 2, contents, strict=True)]
    ids, trained = template.marked(talk, tokenizer)
    assert ids == template.tokens(talk, tokenizer)
    assert tokenizer.decode(ids) == template.render(talk)
    for place in (1, 3):
        prompt = template.prompt_ids(talk[:place], tokenizer)
        assert ids[: len(prompt)] == prompt
        learned = ids[len(prompt) : trained.index(False, len(prompt)) if False in trained[len(prompt) :] else None]
        assert tokenizer.decode(learned).strip() == (contents[place] + end_of(template)).strip()


def end_of(template: ChatTemplate) -> str:
    return "<|im_end|>" if "m['content'] + '<|im_end|>'" in template.source else template.eos_token


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
         "{% if add_generation_prompt %}assistant: {% endif %}", "a template without an end: after message 2"),
        ("{% for m in messages %}{{ m.role + ': ' + m.content }}<|im_start|>{% endfor %}"
         "{% if add_generation_prompt %}assistant: {% endif %}", "a template without an end: after message 2"),
        ("{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}"
         "{% if add_generation_prompt %}Answer: {% endif %}", "message 2 doesn't stand where the prompt for it ends"),
        ("{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}>", "message 2 doesn't stand"),
        ("{% if messages | length < 2 %}{{ raise_exception('more') }}{% endif %}x", "message 2 doesn't stand"),
        (SECRET, "a template without an end"),
    ],
)  # fmt: skip
def test_a_template_that_nothing_can_be_learned_from(source: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ChatTemplate(source).marked(TALK, byte_level())


def test_an_end_that_the_vocabulary_lacks() -> None:
    tokenizer = BPE.train([TEXT], vocab_size=270, special_tokens=[])
    with pytest.raises(UserError, match=r"without an end.*the tokenizer has no special token '<\|endoftext\|>'"):
        named_template("alpaca").marked(TALK, tokenizer)
    with pytest.raises(UserError, match="no message of the role 'assistant', so there is nothing to learn"):
        named_template("alpaca").marked([USER], byte_level())
    with pytest.raises(UserError, match="message 1 doesn't stand where the prompt for it ends"):
        named_template("chatml").marked([ANSWER], byte_level())


# ---- folders, and transformers


@pytest.fixture
def folder_for(tmp_path: Path) -> Callable[[str], Path]:
    """`folder_for(style)` -> a folder with its tokenizer and its template."""

    def make(style: str) -> Path:
        tokenizer = tokenizer_for(style)
        tokenizer.save(tmp_path)
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer.tokenizer_config()))
        write_template(tmp_path, template_for(style))
        return tmp_path

    return make


@pytest.mark.parametrize("style", [*NAMES, *STYLES])
def test_transformers_writes_the_same_text_and_ids(style: str, folder_for: Callable[[str], Path]) -> None:
    transformers = pytest.importorskip("transformers")
    folder = folder_for(style)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours, tokenizer = template_of(folder, load_tokenizer(folder)), load_tokenizer(folder)
    assert ours == template_for(style)
    for messages in ([USER], TALK[:3], TALK, [SYSTEM, USER], [SYSTEM, *TALK]):
        for generate in (False, True):
            asked = {"add_generation_prompt": generate}
            assert theirs.apply_chat_template(messages, tokenize=False, **asked) == ours.render(messages, generate)
            found = theirs.apply_chat_template(messages, tokenize=True, return_dict=False, **asked)
            assert found == ours.tokens(messages, tokenizer, generate)


def test_where_a_template_may_stand(folder_for: Callable[[str], Path]) -> None:
    folder, tokenizer = folder_for("chatml"), byte_level()
    config = folder / "tokenizer_config.json"
    (folder / "chat_template.jinja").unlink()
    assert template_of(folder, tokenizer) is None
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": SECRET}]
    roles = {"bos_token": {"content": "<|begin_of_text|>", "special": True}, "eos_token": None}
    for stated in (SECRET, named):
        config.write_text(json.dumps({"chat_template": stated, **roles}))
        assert template_of(folder, tokenizer) == ChatTemplate(SECRET, "<|begin_of_text|>", "<|endoftext|>")
    (folder / "special_tokens_map.json").write_text('{"eos_token": {"content": "<|im_end|>"}}')
    assert template_of(folder, tokenizer) == ChatTemplate(SECRET, "<|begin_of_text|>", "<|im_end|>")
    (folder / "chat_template.jinja").write_text("x")
    assert template_of(folder, tokenizer) == ChatTemplate("x", "<|begin_of_text|>", "<|im_end|>")
    write_template(folder, named_template("alpaca"))
    assert template_of(folder, tokenizer) == named_template("alpaca")
    (folder / "chat_template.jinja").unlink()
    for stated, message in (({"chat_template": 3}, "is no text"), ([], "not a JSON object")):
        config.write_text(json.dumps(stated))
        with pytest.raises(UserError, match=message):
            template_of(folder, tokenizer)
    assert end_token(tokenizer) == "<|endoftext|>"
