"""The API as its users see it: OpenAI's own client unchanged, the same texts as without a server, every mistake a clear line."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import torch

from hornbook.generation.generate import LanguageModel
from hornbook.serving.app import create_app
from hornbook.serving.served import Subject


@pytest.fixture
def official(address: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def test_a_text_is_the_one_that_generate_writes(official: openai.OpenAI, language_model: LanguageModel) -> None:
    for seed, temperature in ((0, 0.0), (1, 0.9), (2, 1.3)):
        expected = language_model.generate("The fox", max_new_tokens=40, seed=seed, temperature=temperature, top_k=None)
        found = official.completions.create(
            model="fox", prompt="The fox", max_tokens=40, seed=seed, temperature=temperature
        )
        assert found.choices[0].text == expected
        assert found.usage is not None
        assert found.usage.prompt_tokens == len(language_model.prompt_ids("The fox"))
        assert found.choices[0].finish_reason == ("length" if found.usage.completion_tokens == 40 else "stop")


def test_a_stream_is_the_same_text_in_pieces(official: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "fox", "prompt": "Once", "max_tokens": 60, "seed": 5, "n": 3}
    whole = official.completions.create(**asked)
    texts, ends, usage = ["", "", ""], [None, None, None], None
    for chunk in official.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            ends[choice.index] = choice.finish_reason or ends[choice.index]
    assert texts == [choice.text for choice in whole.choices]
    assert len(set(texts)) == 3
    assert ends == [choice.finish_reason for choice in whole.choices]
    assert usage == whole.usage


def test_a_conversation_is_answered_as_by_chat(official: openai.OpenAI, language_model: LanguageModel) -> None:
    messages: Any = [{"role": "system", "content": "Be a fox."}, {"role": "user", "content": "Where is the fox?"}]
    expected = language_model.chat(messages, max_new_tokens=30, seed=4, temperature=1.0, top_k=None)
    asked: dict[str, Any] = {"model": "fox", "messages": messages, "max_tokens": 30, "seed": 4}
    assert official.chat.completions.create(**asked).choices[0].message.content == expected
    pieces = [
        choice.delta.content or ""
        for chunk in official.chat.completions.create(**asked, stream=True)
        for choice in chunk.choices
    ]
    assert "".join(pieces) == expected
    parts: Any = [messages[0], {"role": "user", "content": [{"type": "text", "text": "Where is the fox?"}]}]
    assert official.chat.completions.create(**{**asked, "messages": parts}).choices[0].message.content == expected


def test_stop_strings_end_a_text_and_are_not_in_it(official: openai.OpenAI) -> None:
    whole = official.completions.create(model="fox", prompt="A", max_tokens=60, temperature=0).choices[0].text
    stop = whole[20:23]
    stopped = official.completions.create(model="fox", prompt="A", max_tokens=60, temperature=0, stop=[stop])
    assert stopped.choices[0].text == whole[: whole.index(stop)]
    assert stopped.choices[0].finish_reason == "stop"


def test_logarithms_and_echo(official: openai.OpenAI, language_model: LanguageModel) -> None:
    found = official.completions.create(
        model="fox", prompt="The fox", max_tokens=3, temperature=0, logprobs=2, echo=True
    ).choices[0]
    assert found.logprobs is not None
    assert found.text.startswith("The fox")
    ids = language_model.prompt_ids("The fox")
    assert found.logprobs.token_logprobs is not None
    assert found.logprobs.token_logprobs[0] is None
    with torch.no_grad():
        expected = language_model.model(torch.tensor([ids]))[0].log_softmax(-1)
    for place in range(1, len(ids)):
        assert found.logprobs.token_logprobs[place] == pytest.approx(float(expected[place - 1, ids[place]]), abs=1e-4)
    assert len(found.logprobs.tokens or []) == len(ids) + 3
    answer = official.chat.completions.create(
        model="fox",
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=3,
        temperature=0,
        logprobs=True,
        top_logprobs=2,
    ).choices[0]
    assert answer.logprobs is not None
    assert answer.logprobs.content is not None
    for token in answer.logprobs.content:
        assert token.logprob == max(other.logprob for other in token.top_logprobs)


def test_only_the_prompt_can_be_asked_about(client: httpx.Client) -> None:
    asked = {"prompt": ["The fox", "Paris"], "max_tokens": 0, "echo": True, "logprobs": 0}
    found = client.post("/v1/completions", json=asked).json()
    assert [choice["text"] for choice in found["choices"]] == ["The fox", "Paris"]
    assert found["usage"]["completion_tokens"] == 0
    assert "max_tokens 0" in client.post("/v1/completions", json=asked | {"echo": False}).json()["error"]["message"]


def test_embeddings(official: openai.OpenAI, language_model: LanguageModel) -> None:
    found = official.embeddings.create(model="fox", input=["The fox", "Paris"])
    with torch.no_grad():
        hidden = language_model.model.hidden(torch.tensor([language_model.prompt_ids("Paris")]))[0].mean(dim=0).numpy()
    np.testing.assert_allclose(found.data[1].embedding, hidden / np.linalg.norm(hidden), atol=1e-5)
    long = official.embeddings.create(model="fox", input="fox " * 500)
    assert np.linalg.norm(long.data[0].embedding) == pytest.approx(1, abs=1e-5)


def test_models_health_and_metrics(official: openai.OpenAI, client: httpx.Client) -> None:
    assert [model.id for model in official.models.list()] == ["fox"]
    assert official.models.retrieve("fox").id == "fox"
    assert client.get("/health").json() == {"status": "ok"}
    client.post("/v1/completions", json={"prompt": "A", "max_tokens": 5})
    lines = client.get("/metrics").text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values["hornbook_generated_tokens_total"]) >= 1
    assert float(values['hornbook_requests_total{path="/v1/completions",status="200"}']) >= 1


def test_many_at_once_get_what_each_would_get_alone(client: httpx.Client, language_model: LanguageModel) -> None:
    def ask(number: int) -> str:
        asked = {"prompt": f"fox {number}", "max_tokens": 5 + number % 40, "seed": number, "temperature": 0.9}
        return str(client.post("/v1/completions", json=asked).json()["choices"][0]["text"])

    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(ask, range(48)))
    for number in range(48):
        settings: Any = {"max_new_tokens": 5 + number % 40, "seed": number, "temperature": 0.9, "top_k": None}
        assert found[number] == language_model.generate(f"fox {number}", **settings)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/completions", b"{", 400, "the body is not JSON: expecting property name enclosed in double quotes at character 1"),
        ("/v1/completions", b"", 400, ""),
        ("/v1/completions", b"[]", 400, "object"),
        ("/v1/completions", b'{"prompt": "\\ud83d"}', 400, "unicode"),
        ("/v1/completions", b'{"prompt": "a", "max_tokens": -1}', 400, "max_tokens"),
        ("/v1/completions", b'{"prompt": "a", "max_tokens": 100000}', 400, "more than 4096"),
        ("/v1/completions", b'{"prompt": "a", "n": 100}', 400, "more than 16"),
        ("/v1/completions", b'{"prompt": [400]}', 400, "outside the vocabulary"),
        ("/v1/completions", b'{"prompt": []}', 400, "prompt"),
        ("/v1/completions", b'{"prompt": "a", "temperature": NaN}', 400, "temperature"),
        ("/v1/completions", b'{"prompt": "a", "temperature": -1}', 400, "temperature"),
        ("/v1/completions", b'{"prompt": "a", "stop": ""}', 400, "stop"),
        ("/v1/completions", b'{"prompt": "a", "presence_penalty": 1}', 400, "presence_penalty is not implemented"),
        ("/v1/completions", b'{"prompt": "a", "invented": 1}', 400, "invented"),
        ("/v1/completions", b'{"prompt": "a", "model": "gpt-9"}', 404, "no model 'gpt-9' here; there is 'fox'"),
        ("/v1/chat/completions", b'{"messages": []}', 400, "messages"),
        ("/v1/chat/completions", b'{"messages": [{"role": "robot", "content": ""}]}', 400, "role"),
        ("/v1/chat/completions", b'{"messages": [{"role": "assistant", "content": "hi"}]}', 400, "nothing to answer"),
        ("/v1/chat/completions", b'{"messages": [{"role": "user", "content": "a"}], "tools": [{}]}', 400, "tools"),
        ("/v1/chat/completions", b'{"messages": [{"role": "user", "content": "a"}], "top_logprobs": 2}', 400, "logprobs"),
        ("/v1/embeddings", b'{"input": ""}', 400, "empty"),
        ("/v1/classify", b'{"input": "a"}', 400, "not a classifier"),
        ("/v1/nothing", b"{}", 404, "not found"),
    ],
)  # fmt: skip
def test_every_mistake_is_a_clear_line(client: httpx.Client, path: str, body: bytes, status: int, words: str) -> None:
    found = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert found.status_code == status, found.text
    error = found.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert words in error["message"]
    assert "Traceback" not in found.text
    assert client.get("/health").status_code == 200


def test_a_prompt_longer_than_the_context_is_refused(client: httpx.Client) -> None:
    found = client.post("/v1/completions", json={"prompt": "fox " * 200})
    assert found.status_code == 400
    assert found.json()["error"]["code"] == "context_length_exceeded"


def test_old_turns_are_left_out_and_it_is_said(client: httpx.Client) -> None:
    turns = [{"role": role, "content": "fox " * 12} for _ in range(6) for role in ("user", "assistant")]
    asked = {"messages": [*turns, {"role": "user", "content": "fox?"}], "max_tokens": 4}
    assert client.post("/v1/chat/completions", json=asked).json()["hornbook"]["left_out_messages"] > 0


def test_a_classifier_answers_its_own_path(serve: Any) -> None:
    def classify(texts: Any) -> list[dict[str, float]]:
        return [{"ham": 0.2, "spam": 0.8} if "win" in text else {"ham": 0.9, "spam": 0.1} for text in texts]

    with serve(create_app(Subject("spam", classify=classify))) as address, httpx.Client(base_url=address) as client:
        found = client.post("/v1/classify", json={"input": ["win it", "see you"]}).json()
        assert [row["label"] for row in found["data"]] == ["spam", "ham"]
        refused = client.post("/v1/completions", json={"prompt": "a"})
        assert "this server has a classifier" in refused.json()["error"]["message"]
        assert client.get("/metrics").status_code == 200


def test_a_stream_is_valid_events(client: httpx.Client) -> None:
    with client.stream("POST", "/v1/completions", json={"prompt": "A", "max_tokens": 4, "stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(json.loads(line.removeprefix("data: "))["object"] == "text_completion" for line in lines[:-1])


def test_ids_can_be_asked_for(client: httpx.Client, language_model: LanguageModel) -> None:
    asked = {"prompt": "The fox", "max_tokens": 9, "temperature": 0, "return_token_ids": True}
    found = client.post("/v1/completions", json=asked).json()["choices"][0]
    expected = language_model.stream("The fox", max_new_tokens=9, temperature=0)
    assert found["text"] == "".join(expected)
    assert found["token_ids"] == expected.tokens
