"""Where a text comes from, asked over HTTP: the index is made when it is wanted, and every mistake is a clear line."""

import threading
from time import sleep
from typing import Any

import httpx
import pytest

from hornbook.batches.dataset import Dataset
from hornbook.batches.text_index import build_index
from hornbook.errors import UserError
from hornbook.evaluation._origins import Origins
from hornbook.generation.generate import LanguageModel
from hornbook.serving.app import create_app
from hornbook.serving.served import Served, Subject
from hornbook.serving.tracing import Tracing
from hornbook.text.suffix_array import Progress


@pytest.fixture
def tracing(client: httpx.Client) -> httpx.Client:
    """The server, with its index made."""
    client.post("/view/origins/index", json={})
    for _ in range(2000):
        if client.get("/view/origins").json()["state"] == "ready":
            break
        sleep(0.01)
    return client


def message(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status
    return str(answer.json()["error"]["message"])


def test_copied_parts_and_their_places(tracing: httpx.Client, dataset: Dataset) -> None:
    story = " ".join(dataset.tokenizer.decode(dataset.train[40:200].tolist()).split(" ")[1:-1])
    text = f"Zzz! {story} Zzz?"
    found = tracing.post("/view/origins/find", json={"text": text}).json()
    assert found["text"] == text
    longest = max(found["spans"], key=lambda span: span["to"] - span["from"])
    assert text[longest["from"] : longest["to"]].strip() == story
    asked = {"text": text, "start": longest["start"], "stop": longest["stop"]}
    places = tracing.post("/view/origins/places", json=asked).json()
    assert places["count"] == longest["times"] >= 1
    assert places["places"][0]["source"] == dataset.locate("train", 70).source
    assert places["places"][0]["match"].strip() == story


def test_what_is_known_by_heart_is_measured_once(tracing: httpx.Client, language_model: LanguageModel) -> None:
    found = tracing.post("/view/origins/memorised", json={}).json()
    assert found["prefix"] == found["length"] == 50
    assert found["numbers"]["passages, training text"] == 40
    assert 0 <= found["numbers"]["word for word, training text (share)"] <= 1
    assert tracing.get("/view/origins").json()["memorised"] == found
    assert tracing.post("/view/origins/memorised", json={}).json() == found


@pytest.mark.parametrize(
    ("path", "asked", "status", "said"),
    [
        ("find", {}, 400, "text: Field required"),
        ("find", {"text": 5}, 400, "text"),
        ("find", {"text": "a" * 9000}, 400, "tokens are more than 8,192"),
        ("find", {"text": "a", "file": "/etc/passwd"}, 400, "file"),
        ("places", {"text": "one", "start": 0, "stop": 5000}, 400, "the text has no tokens 0 to 5000"),
        ("places", {"text": "one", "start": 1, "stop": 1}, 400, "the text has no tokens 1 to 1"),
        ("places", {"text": "one", "start": -1, "stop": 1}, 400, "start"),
    ],
)
def test_mistakes(tracing: httpx.Client, path: str, asked: dict[str, Any], status: int, said: str) -> None:
    assert said in message(tracing.post(f"/view/origins/{path}", json=asked), status)


def test_half_a_pair_of_surrogates_is_no_text(tracing: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    answer = tracing.post("/view/origins/find", content=b'{"text": "\\ud800"}', headers=headers)
    assert answer.status_code == 400


def test_without_the_training_text_it_says_how_to_name_it(language_model: LanguageModel, serve: Any) -> None:
    with serve(create_app(Subject("fox", language_model))) as address, httpx.Client(base_url=address) as client:
        card = client.get("/view/origins").json()
        assert card["state"] == "absent"
        assert "hornbook serve MODEL --data FOLDER" in card["message"]
        for path, asked in (("index", {}), ("find", {"text": "a"}), ("memorised", {})):
            assert "is not here" in message(client.post(f"/view/origins/{path}", json=asked), 404)


class Slow:
    """A dataset whose index takes as long as the test wants, and then what it wants."""

    def __init__(self, ends: Exception | None = None) -> None:
        self.index: Any = None
        self.ends, self.go = ends, threading.Event()

    def facts(self) -> dict[str, Any]:
        return {}

    def build(self, progress: Progress) -> None:
        while not self.go.wait(0.005):
            progress(0.5)
        if self.ends:
            raise self.ends
        self.index = object()


def wait_for(tracing: Tracing, state: str) -> dict[str, Any]:
    for _ in range(4000):
        if tracing.card()["state"] == state:
            break
        sleep(0.005)
    assert tracing.card()["state"] == state
    return tracing.card()


def test_the_index_on_its_way() -> None:
    slow: Any = Slow()
    tracing = Tracing(slow)
    assert tracing.card()["state"] == "unbuilt"
    with pytest.raises(Exception, match="not indexed yet"):
        assert tracing.ready
    tracing.start()
    tracing.start()  # once is enough
    assert wait_for(tracing, "building")
    slow.go.set()
    assert wait_for(tracing, "ready")
    tracing.close()


def test_an_index_that_fails_says_why_and_may_be_tried_again() -> None:
    slow: Any = Slow(UserError("no space left"))
    slow.go.set()
    tracing = Tracing(slow)
    tracing.start()
    assert wait_for(tracing, "failed")["message"] == "no space left"
    slow.ends = None
    tracing._thread.join()  # type: ignore[union-attr]
    tracing.start()
    wait_for(tracing, "ready")


def test_a_server_that_ends_gives_the_index_up() -> None:
    tracing = Tracing(Slow())  # type: ignore[arg-type]
    tracing.start()
    tracing.close()
    assert tracing.card()["state"] != "ready"


def test_an_index_that_lies_there_is_used(dataset: Dataset, language_model: LanguageModel) -> None:
    build_index(dataset)
    served = Served(Subject("fox", language_model, origins=Origins(dataset)), limits=None)  # type: ignore[arg-type]
    assert served.tracing.card()["state"] == "ready"
