"""Templates that mention tools, documents, dates and thinking, as today's public models have them: transformers' text and ids.

All are written for these tests; what they share with public ones is the way in which each says things.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hornbook.chat_template import ChatTemplate, template_of, write_template
from hornbook.errors import UserError
from hornbook.tokenizers.base import Tokenizer, load_tokenizer
from hornbook.tokenizers.bpe import BPE

TEXT = "You are a helper. Today is the 2nd of May. What is 12 + 1? assistant user system tools\n" * 9
MARKS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<|begin_of_text|>", "<tool_call>", "</tool_call>", "<think>", "</think>", "[INST]", "[/INST]", "<s>", "</s>",
]  # fmt: skip
TAKING = ["<|user|>", "<|assistant|>", "<|system|>", "<|end|>"]  # with rstrip, as Phi-3's

TOOLS_FIRST = r"""
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}{%- else %}{{- 'You help.' }}{%- endif %}
    {{- "\n\n# Tools\n<tools>" }}
    {%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\n</tools>\n<tool_call>\n{\"name\": <name>, \"arguments\": <json>}\n</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou help.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first)
           or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- for call in message.tool_calls %}
            {%- if call.function is defined %}{%- set call = call.function %}{%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}{{- call.name }}{{- call.arguments | tojson }}{{- '}\n</tool_call>' }}
        {%- endfor %}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
"""
THINKING = r"""
{%- if tools %}{{- raise_exception('no tools') }}{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not(
           message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}{%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thought = '' %}
        {%- if message.reasoning_content is string %}{%- set thought = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thought)) %}
            {{- '<|im_start|>' + message.role + '\n<think>\n' + thought.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
        {%- else %}{{- '<|im_start|>' + message.role + '\n' + content }}{%- endif %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
{%- endif %}
"""
DATED = r"""
{{- bos_token }}
{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not tools_in_user_message is defined %}{%- set tools_in_user_message = true %}{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}{%- set date_string = strftime_now("%b %Y") %}
    {%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set told = messages[0]['content']|trim %}{%- set messages = messages[1:] %}
{%- else %}{%- set told = "" %}{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if builtin_tools is defined or tools is not none %}{{- "Environment: ipython\n" }}{%- endif %}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\n\n" }}{%- endfor %}
{%- endif %}
{{- told }}{{- "<|eot_id|>" }}
{%- if tools_in_user_message and not tools is none %}
    {%- if messages | length != 0 %}{%- set first = messages[0]['content']|trim %}{%- set messages = messages[1:] %}
    {%- else %}{{- raise_exception("no first user message") }}{%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}{{- raise_exception("one call at a time") }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}
"""
ALTERNATING = r"""
{%- if messages[0]["role"] == "system" %}
    {%- set told = messages[0]["content"] %}{%- set turns = messages[1:] %}
{%- else %}{%- set turns = messages %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- set asked = turns | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}{%- set ns.index = 0 %}
{%- for message in turns %}
    {%- if not (message.role == "tool" or message.role == "tool_results"
                or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}{{- raise_exception("take turns, user first") }}{%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in turns %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == asked[-1]) %}{{- "[AVAILABLE_TOOLS] [" }}{%- endif %}
        {%- if loop.last and told is defined %}{{- "[INST] " + told + "\n\n" + message["content"] + "[/INST]" }}
        {%- else %}{{- "[INST] " + message["content"] + "[/INST]" }}{%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}{{- "[TOOL_CALLS] [" }}
    {%- elif message["role"] == "assistant" %}{{- " " + message["content"]|trim + eos_token }}
    {%- else %}{{- raise_exception("only user and assistant") }}{%- endif %}
{%- endfor %}
"""
MACROS = r"""
{#- A default system, macros, filters, and marks for what is trained. -#}
{%- macro turn(role, content) -%}
    {{ '<|im_start|>' ~ role ~ '\n' ~ content ~ '<|im_end|>' ~ '\n' }}
{%- endmacro -%}
{%- set mode = reasoning_mode | default('/think') -%}
{%- if enable_thinking is not defined -%}{%- set enable_thinking = true -%}{%- endif -%}
{%- if documents -%}{%- for d in documents %}{{ d['title'] ~ d.text }}{% endfor -%}{%- endif -%}
{%- set extra = {'b': [1, 2.5, none, true], 'a': "<é & 'x'>"} -%}
{%- if messages[0].role != 'system' -%}
    {{ turn('system', "Kind: " ~ mode ~ (extra | tojson) ~ (extra.items() | list | length)) }}
{%- endif -%}
{%- for message in messages -%}
    {%- set content = message.content | replace('/no_think', '') -%}
    {%- if message.role == 'assistant' -%}
        {% generation %}{{ turn(message.role, content | trim) }}{% endgeneration %}
    {%- elif message['role'] in ['user', 'system'] -%}
        {{ turn(message.role | lower, content.rstrip() if loop.last else content) }}
    {%- else -%}{% continue %}{%- endif -%}
    {{ '' if loop.last }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<|im_start|>assistant\n' }}{{ '' if enable_thinking else '<think>\n\n</think>\n' }}
{%- endif -%}
"""
TAKING_SPACE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
STYLES = {
    "tools first": ChatTemplate(TOOLS_FIRST, "", "<|im_end|>"),
    "thinking": ChatTemplate(THINKING, "", "<|im_end|>"),
    "dated": ChatTemplate(DATED, "<|begin_of_text|>", "<|eot_id|>"),
    "alternating": ChatTemplate(ALTERNATING, "<s>", "</s>"),
    "macros": ChatTemplate(MACROS, "", "<|im_end|>"),
    "marks that take space": ChatTemplate(TAKING_SPACE, "<s>", "<|endoftext|>"),
}
USER, SYSTEM = {"role": "user", "content": "What is 12 + 1? "}, {"role": "system", "content": "Be brief."}
THOUGHT = {"role": "assistant", "content": "<think>\n12, 13\n</think>\n\n13"}
TALK = [USER, {"role": "assistant", "content": "13 "}, {"role": "user", "content": " \n And é €?/no_think"}]
TALKS = [[USER], [SYSTEM, USER], TALK, [SYSTEM, *TALK], [*TALK, {"role": "assistant", "content": "14"}]]


@cache
def tokenizer() -> Tokenizer:
    document = BPE.train([TEXT], vocab_size=320, special_tokens=[*MARKS, *TAKING]).to_json()
    for token in document["added_tokens"]:
        token["rstrip"] = token["content"] in TAKING
    return BPE.from_json(document)


@pytest.fixture
def folder(tmp_path: Path, style: str) -> Path:
    tokenizer().save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer().tokenizer_config()))
    write_template(tmp_path, STYLES[style])
    return tmp_path


@pytest.mark.parametrize("style", STYLES)
def test_transformers_writes_the_same(style: str, folder: Path) -> None:
    theirs = pytest.importorskip("transformers").AutoTokenizer.from_pretrained(folder)
    ours, words = template_of(folder, load_tokenizer(folder)), load_tokenizer(folder)
    assert ours == STYLES[style]
    for messages in [*TALKS, *([[*TALK[:2], USER, THOUGHT], [USER, THOUGHT, USER]] if style == "thinking" else [])]:
        for generate in (False, True):
            asked: dict[str, Any] = {"add_generation_prompt": generate}
            text = ours.render(messages, generate)
            assert text == theirs.apply_chat_template(messages, tokenize=False, **asked)
            assert len(text) > 20
            if THOUGHT not in messages:
                found = theirs.apply_chat_template(messages, tokenize=True, return_dict=False, **asked)
                assert ours.tokens(messages, words, generate) == found


def test_a_mark_that_takes_space_takes_that_of_the_content_too() -> None:
    template, marks = STYLES["marks that take space"], tokenizer().special_tokens
    ids = template.prompt_ids([{"role": "user", "content": " \n Hi<|end|>"}], tokenizer())
    marked = [place for place, token in enumerate(ids) if token in marks.values()]
    assert [ids[place] for place in marked] == [marks[name] for name in ("<s>", "<|user|>", "<|end|>", "<|assistant|>")]
    assert tokenizer().decode(ids) == "<s><|user|>Hi<|end|><|end|><|assistant|>"  # the first <|end|> is the user's text


@pytest.mark.parametrize(
    ("before", "end"), [("", "assistant\n"), ("{% set enable_thinking = false %}", "</think>\n\n")]
)
def test_a_variable_is_set_by_a_line_before_the_template(before: str, end: str) -> None:
    assert ChatTemplate(before + THINKING).render([USER], True).endswith(end)


def test_turns_that_a_template_refuses() -> None:
    with pytest.raises(UserError, match="refuses the conversation: take turns, user first"):
        STYLES["alternating"].render([USER, USER])
