"""The view of a training: runs are found by their names alone, metrics are followed line by line, texts come one at a time."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from hornbook.errors import UserError
from hornbook.serving.following import news
from hornbook.serving.run_views import WAITING
from hornbook.serving.runs import Runs, Wanted, facts, run_of
from hornbook.serving.training_app import create_training_app


def step(number: int, loss: object = 3.5) -> str:
    record = {"kind": "step", "step": number, "loss": loss, "gradient_norm": 1.0, "learning_rate": 0.1, "tokens": 8}
    return json.dumps({**record, "tokens_per_second": 100}) + "\n"


def make_run(folder: Path, lines: str = "", model: str = "llama", rest: str = "") -> Path:
    folder.mkdir(parents=True)
    settings = f'[model]\nkind = "{model}"\n[training]\nsteps = 20\nseed = 3\n[generation]\nprompts = ["Nora"]\n'
    (folder / "run.toml").write_text(settings + rest)
    if lines:
        (folder / "metrics.jsonl").write_text(lines)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "runs" / "tale", step(1) + step(2))


def text_of(path: Path, wanted: Wanted) -> Iterator[str]:
    """Stands for a model: says what it was asked."""
    if wanted.prompt == "unknown letters":
        raise UserError("the prompt has letters that the tokenizer doesn't know")
    yield from (path.name, " ", wanted.place, " ", wanted.prompt, " ", str(wanted.seed))


@pytest.fixture
def looking(run: Path, serve: Any) -> Iterator[httpx.Client]:
    app = create_training_app(
        Runs(run.parent, run.name, text_of, lambda path: {"loss": 2.0, "from": "counted"}), "tale"
    )
    with serve(app) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client


def test_metrics_are_followed_from_where_the_last_answer_ended(run: Path) -> None:
    first = news(run)
    assert [record["step"] for record in first.records] == [1, 2]
    assert set(first.records[0]) == {"kind", "step", "loss", "learning_rate", "tokens", "tokens_per_second"}
    assert not news(run, first.offset, first.mark).records
    with open(run / "metrics.jsonl", "a") as metrics:
        metrics.write(step(3))
    second = news(run, first.offset, first.mark)
    assert ([record["step"] for record in second.records], second.anew, second.more) == ([3], False, False)


def test_a_line_is_told_when_it_is_whole_in_whatever_pieces_it_comes(run: Path) -> None:
    line = json.dumps({"kind": "sample", "step": 3, "texts": ["naïve 🦊"]}, ensure_ascii=False).encode() + b"\n"
    at = news(run)
    for end in range(1, len(line)):
        with open(run / "metrics.jsonl", "ab") as metrics:
            metrics.write(line[end - 1 : end])
        after = news(run, at.offset, at.mark)
        assert (after.records, after.offset) == ([], at.offset)
    with open(run / "metrics.jsonl", "ab") as metrics:
        metrics.write(b"\n")
    assert news(run, at.offset, at.mark).records == [{"kind": "sample", "step": 3, "texts": ["naïve 🦊"]}]


def test_a_run_that_is_resumed_or_begun_again_is_told_from_its_start(run: Path) -> None:
    before = news(run)
    beside = run / "beside"
    beside.write_text(step(1) + step(2, 3.4) + step(3))  # as a resume writes it: another file takes the place
    os.replace(beside, run / "metrics.jsonl")
    again = news(run, before.offset, before.mark)
    assert again.anew
    assert [record["step"] for record in again.records] == [1, 2, 3]
    (run / "metrics.jsonl").write_text(step(1, 9.0) + step(2, 9.0) + step(3, 9.0))  # the same file, other content
    assert news(run, again.offset, again.mark).anew
    (run / "metrics.jsonl").write_text("")
    assert news(run, again.offset, again.mark).anew
    (run / "metrics.jsonl").unlink()
    assert news(run, again.offset, again.mark).anew
    assert not news(run).anew


def test_damage_is_passed_over(run: Path) -> None:
    bad = ["\0\0\0", "[1]", '{"kind": "step"}', '{"kind": "other", "step": 4}', '{"kind": "step", "step": "5"}', "{"]
    (run / "metrics.jsonl").write_text("\n".join(bad) + "\n" + step(6, float("nan")) + step(7, float("inf")) + "\ufffd")
    with open(run / "metrics.jsonl", "ab") as metrics:
        metrics.write(b'\n{"kind": "step", "step": 8, "loss": 1e999}\n')
    assert [(record["step"], record["loss"]) for record in news(run).records] == [(6, None), (7, None), (8, None)]


def test_many_records_come_in_portions(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hornbook.serving.following.NEWS_BYTES", 1000)
    (run / "metrics.jsonl").write_text("".join(step(number) for number in range(1, 101)))
    found, at = [], news(run)
    while at.more:
        found += at.records
        assert at.offset <= 100 * 200
        at = news(run, at.offset, at.mark)
    assert [record["step"] for record in [*found, *at.records]] == list(range(1, 101))


def test_facts_and_places(run: Path) -> None:
    for number in (5, 15):
        (run / "checkpoints" / f"step-{number:08d}").mkdir(parents=True)
        (run / "checkpoints" / f"step-{number:08d}" / "state.json").write_text("{}")
    (run / "checkpoints" / "step-00000020").mkdir()  # being written
    found = facts(run)
    assert (found["kind"], found["steps"], found["seed"], found["prompts"]) == ("llama", 20, 3, ["Nora"])
    assert [place["place"] for place in found["places"]] == ["0", "5", "15"]
    assert not found["finished"]
    (run / "model").mkdir()
    (run / "model" / "config.json").write_text("{}")
    (run / "model" / "hornbook.json").write_text('{"info": {"evaluations": {"step": 15}}}')
    assert facts(run)["places"][-1] == {"place": "model", "step": 15}
    assert run_of(run) == run_of(run / "model") == run
    assert run_of(run.parent) is None


def test_what_a_fine_tuning_can_write(tmp_path: Path) -> None:
    for kind, expected in (("chat", ["model"]), ("classifier", [])):
        run = make_run(tmp_path / kind, rest=f'[finetune]\nkind = "{kind}"\n')
        assert facts(run)["places"] == []
        (run / "model").mkdir()
        (run / "model" / "config.json").write_text("{}")
        assert [place["place"] for place in facts(run)["places"]] == expected
        assert facts(run)["kind"] == kind


def test_the_runs_beside_each_other(looking: httpx.Client, run: Path) -> None:
    assert looking.get("/view/runs").json() == {"shown": "tale", "runs": ["tale"]}
    make_run(run.parent / "ein größerer ?&#Lauf")
    (run.parent / "no run").mkdir()
    assert set(looking.get("/view/runs").json()["runs"]) == {"tale", "ein größerer ?&#Lauf"}
    assert looking.get("/view/runs/ein größerer %3F%26%23Lauf").json()["steps"] == 20
    assert looking.get("/view/runs/tale/bigram").json() == {"loss": 2.0, "from": "counted"}
    found = looking.get("/view/runs/tale/records").json()
    assert found["quiet_seconds"] < 60
    after = looking.get("/view/runs/tale/records", params={"offset": found["offset"], "mark": found["mark"]}).json()
    assert after["records"] == []


NO_RUNS = ("..", "../tale", "..%2Ftale", "%2e%2e", "%2Fetc", "tale%2F..%2Ftale", "no run", "a" * 5000, "%00", "%ff")


def test_no_request_can_name_a_file(looking: httpx.Client, run: Path) -> None:
    (run.parent / "no run").mkdir()
    (run.parent.parent / "run.toml").write_text("")
    for name in NO_RUNS:
        for path in ("", "/records", "/bigram"):
            assert looking.get(f"/view/runs/{name}{path}").status_code in (400, 404), (name, path)
        asked = {"place": "0", "prompt": "a"}
        assert looking.post(f"/view/runs/{name}/text", json=asked).status_code in (400, 404, 405), name
    for place in ("../0", "/", "step-00000001", "5", "", "-1", "model"):
        assert looking.post("/view/runs/tale/text", json={"place": place}).status_code == 404


def test_a_prompt_is_written_on_by_the_weights_of_a_place(looking: httpx.Client) -> None:
    found = looking.post("/view/runs/tale/text", json={"place": "0", "prompt": "Nora", "seed": 4})
    assert found.json() == {"text": "tale 0 Nora 4"}
    wrong = looking.post("/view/runs/tale/text", json={"place": "0", "prompt": "unknown letters"})
    assert (wrong.status_code, "doesn't know" in wrong.json()["error"]["message"]) == (400, True)
    for asked in ({"max_tokens": 5000}, {"temperature": -1}, {"seed": -1}, {"path": "/etc"}, {"prompt": "a" * 30_000}):
        assert looking.post("/view/runs/tale/text", json={"place": "0", **asked}).status_code == 400


def test_one_text_at_a_time_and_each_once(run: Path, serve: Any) -> None:
    """Two weights are never open at once, more than a few don't wait, and what was written is not written again."""
    busy, most, count, gate = [0], [0], [0], threading.Event()

    def slow(path: Path, wanted: Wanted) -> Iterator[str]:
        busy[0] += 1
        count[0] += 1
        most[0] = max(most[0], busy[0])
        gate.wait(10)
        yield str(wanted.seed)
        busy[0] -= 1

    app = create_training_app(Runs(run.parent, run.name, slow), "tale")
    with serve(app) as address, httpx.Client(base_url=address, timeout=20) as client, ThreadPoolExecutor(20) as pool:

        def ask(seed: int) -> httpx.Response:
            return client.post("/view/runs/tale/text", json={"place": "0", "seed": seed})

        asked = [pool.submit(ask, seed) for seed in range(WAITING + 4)]
        while sum(one.done() for one in asked) < 4:  # those that may not wait are refused at once
            assert not gate.wait(0.01)
        gate.set()
        found = [one.result() for one in asked]
        assert sorted(answer.status_code for answer in found) == [200] * WAITING + [429] * 4
        written = count[0]
        assert (written, most[0]) == (WAITING, 1)
        seed = next(number for number, answer in enumerate(found) if answer.status_code == 200)
        assert ask(seed).json() == {"text": str(seed)}
        assert count[0] == written


def test_without_a_model_the_training_is_all_there_is(looking: httpx.Client) -> None:
    assert looking.get("/health").json() == {"status": "ok"}
    assert looking.get("/v1/models").json()["data"] == []
    refused = looking.post("/v1/completions", json={"prompt": "a"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
    assert "no finished model yet" in looking.get("/view/model").json()["waiting"]
    assert "hornbook_requests_total" in looking.get("/metrics").text
    assert looking.get("/view/runs", headers={"Host": "evil.example"}).status_code == 403


def test_a_model_without_a_run_has_no_runs(limited: httpx.Client) -> None:
    assert limited.get("/view/runs").json() == {"shown": None, "runs": []}
    assert limited.get("/view/runs/fox").status_code == 404


def test_a_model_is_served_with_the_runs_beside_it(client: httpx.Client) -> None:
    assert client.get("/view/runs").json()["shown"] == "tale"
    assert len(client.get("/view/runs/other/records").json()["records"]) == 24


def test_a_key_guards_the_runs_too(limited: httpx.Client) -> None:
    for path in ("/view/runs", "/view/runs/fox", "/view/runs/fox/records"):
        assert limited.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_watching_process_imports_no_torch() -> None:
    """What runs beside a training must stay small."""
    code = "import sys, hornbook.serving.training_app, hornbook.commands._watch_page, hornbook.commands._bigram_line"
    code += "; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
