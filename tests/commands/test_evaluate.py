"""`hornbook evaluate`: one's own questions and texts, from the command line to the file with the results."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import hornbook
from hornbook.chat_template import ChatTemplate
from hornbook.cli import run
from hornbook.commands._evaluate_data import own_dataset
from hornbook.commands._evaluate_show import WIDTH, lines
from hornbook.evaluation.base import Findings
from hornbook.weights.model_folder import save_model_folder

Refused = Callable[..., str]
CHOICE = {"question": "Where is the kite?", "choices": ["the mill", "the pond"], "answer": 1}
OPEN = {"context": "The kite was at the mill.", "question": "Where is the kite?", "answer": "the mill"}
TALK = {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "the mill"}]}
FEW = ("--max-new-tokens", "4", "--device", "cpu")


def written(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


@pytest.fixture
def evaluated(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """`evaluated(model, ...)` -> what `--json` prints."""

    def measure(*arguments: str | Path) -> dict[str, Any]:
        capsys.readouterr()
        assert run(["evaluate", *map(str, arguments), "--json", *FEW]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return measure


@pytest.fixture
def chatting(trained: Path, tmp_path: Path) -> Path:
    """The model of `trained` with a short chat template."""
    model = hornbook.load(trained)
    template = ChatTemplate("{% for message in messages %}{{ message.content }} {% endfor %}")
    conventions = model.conventions.with_template(template, model.tokenizer)
    return save_model_folder(tmp_path / "chatting", model.model, model.tokenizer, conventions=conventions)


def test_every_file_goes_to_the_suite_that_it_is_for(
    trained: Path, tmp_path: Path, evaluated: Callable[..., dict[str, Any]]
) -> None:
    choices, opened = written(tmp_path / "c.jsonl", CHOICE, CHOICE), written(tmp_path / "o.json.jsonl", OPEN)
    text = tmp_path / "tale.txt"
    text.write_text("The kite was at the mill. " * 40)
    out = tmp_path / "results" / "all.json"
    found = evaluated(trained, "--data", choices, "--data", opened, "--data", text, "--out", out)
    assert list(found) == ["answers", "multiple_choice", "perplexity", "village_questions"]
    assert found["multiple_choice"]["numbers"]["questions"] == 2
    assert found["multiple_choice"]["notes"][0].endswith("c.jsonl' line 2 repeats '" + f"{choices}' line 1)")
    assert found["answers"]["data"] == str(opened)
    assert found["perplexity"]["data"] == str(text)
    assert found["perplexity"]["numbers"]["tokens"] < len(text.read_text())
    assert "left_out" in found["village_questions"]  # its data is another text
    assert not any("items" in each for each in found.values())
    kept = json.loads(out.read_text())
    assert kept["model"] == str(trained)
    assert len(kept["results"]["multiple_choice"]["items"]) == 2
    assert kept["results"]["answers"]["numbers"] == found["answers"]["numbers"]


def test_without_anything_it_is_the_models_own_data(trained: Path, evaluated: Callable[..., dict[str, Any]]) -> None:
    found = evaluated(trained)
    assert list(found) == ["perplexity", "village_questions"]
    low, high = found["perplexity"]["intervals"]["perplexity"]
    assert low < found["perplexity"]["numbers"]["perplexity"] < high
    closer = evaluated(trained, "--suite", "perplexity", "--stride", "4")
    assert list(closer) == ["perplexity"]
    assert closer["perplexity"]["numbers"] != found["perplexity"]["numbers"]


def test_memorisation_of_a_dataset_folder(
    trained: Path, tmp_path: Path, evaluated: Callable[..., dict[str, Any]], refused: Refused
) -> None:
    own = own_dataset(hornbook.load(trained), str(trained))
    assert own is not None
    data = shutil.copytree(own.folder, tmp_path / "data")
    found = evaluated(trained, "--suite", "memorisation", "--data", data)["memorisation"]
    assert found["numbers"]["passages, training text"] == 200
    assert (data / "suffixes" / "suffixes.bin").is_file()
    assert evaluated(trained, "--suite", "memorisation", "--data", data)["memorisation"] == found
    assert "is not a dataset folder" in refused("evaluate", trained, "--suite", "memorisation", "--data", tmp_path)


def test_two_files_for_one_suite_stand_apart(
    trained: Path, tmp_path: Path, evaluated: Callable[..., dict[str, Any]]
) -> None:
    first, second = written(tmp_path / "1.jsonl", CHOICE), written(tmp_path / "2.jsonl", CHOICE)
    found = evaluated(trained, "--suite", "multiple-choice", "--data", first, "--data", second)
    assert list(found) == [f"multiple_choice {first}", f"multiple_choice {second}"]


def test_a_model_with_a_template_is_asked_in_messages(
    chatting: Path, tmp_path: Path, evaluated: Callable[..., dict[str, Any]], refused: Refused
) -> None:
    data = written(tmp_path / "talk.jsonl", TALK)
    asked = ["--suite", "answers", "--data", str(data)]
    assert evaluated(chatting, *asked)["answers"]["numbers"]["questions"] == 1
    alpaca = written(tmp_path / "alpaca.jsonl", {"instruction": "Where", "input": "is it?", "output": "the mill"})
    out = tmp_path / "out.json"
    evaluated(chatting, "--suite", "answers", "--data", alpaca, "--out", out)
    assert json.loads(out.read_text())["results"]["answers"]["items"][0]["question"] == "Where\n\nis it?"
    assert "talk.jsonl' line 1: this model has no chat template" in refused(
        "evaluate", chatting, *asked, "--template", "none"
    )
    choices = written(tmp_path / "c.jsonl", CHOICE)
    scores = [
        evaluated(chatting, "--suite", "multiple_choice", "--data", choices, *template)["multiple_choice"]["numbers"]
        for template in ([], ["--template", "none"])
    ]
    assert scores[0]["questions"] == scores[1]["questions"] == 1


def test_a_person_sees_a_table_of_80_columns(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = OPEN | {"context": "The kite was at the mill. " * 30}
    data = written(tmp_path / "o.jsonl", OPEN, long)
    assert run(["evaluate", str(trained), "--data", str(data), *FEW]) == 0
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= WIDTH
    assert "exact match (share)" in out
    assert "95 % interval" in out
    assert "cut" not in out.splitlines()[0]
    assert "prompts too long for the context, whose beginning was not read: 2 of 2" in out
    assert "data: " in err


def test_numbers_are_shown_so_that_they_can_be_read() -> None:
    found = Findings({"perplexity": 1.2345e40, "tokens": 1234567, "share": 0.5}, [{"q": "x " * 500, "a": ""}])
    shown = list(lines("perplexity", "how surprised", found, None))
    assert shown[0] == "perplexity: how surprised"
    assert "1.23e+40" in shown[1]
    assert "1,234,567" in shown[2]
    assert shown[3].endswith("0.5000")
    assert max(map(len, shown)) <= WIDTH


@pytest.fixture
def grader(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a judge that finds everything worth 90."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            score = "90" if self.headers["Authorization"] == "Bearer sk-2" else "no key"
            body = json.dumps({"choices": [{"message": {"content": score}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_judge_is_asked_only_where_one_is_named(
    trained: Path,
    tmp_path: Path,
    grader: str,
    evaluated: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-2\n")
    data = written(tmp_path / "o.jsonl", OPEN)
    arguments = [trained, "--suite", "answers", "--data", data]
    assert "judged" not in evaluated(*arguments)["answers"]["numbers"]
    judge = ["--judge-url", grader, "--judge-model", "m"]
    found = evaluated(*arguments, *judge, "--judge-key", "JUDGE_KEY")["answers"]
    assert found["numbers"]["judge's score (0 to 100)"] == 90
    assert found["examples"][0]["score"] == "90"
    assert "sk-2" not in json.dumps(found)
    found = evaluated(*arguments, *judge)["answers"]
    assert found["numbers"]["verdicts that are no score"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "perplexty"], "unknown suite 'perplexty' (choices: "),
        (["--suite", "multiple_choice"], "multiple_choice can't be measured: no questions; name a file of"),
        (["--suite", "answers"], "answers can't be measured: no questions"),
        (["--suite", "harness"], "harness can't be measured: no task; name one with --task"),
        (["--suite", "village_questions", "--data", "c.jsonl"], "village_questions reads no data, but 'c.jsonl' was"),
        (
            ["--suite", "answers", "--suite", "perplexity", "--data", "c.jsonl"],
            "'c.jsonl' is for multiple_choice, which",
        ),
        (["--suite", "answers", "--data", "c.jsonl"], "'c.jsonl' line 1: the field 'answer' is not text but 1"),
        (["--suite", "multiple_choice", "--data", "o.jsonl"], "'o.jsonl' line 1 has no field 'choices'"),
        (["--data", "mixed.jsonl"], "'mixed.jsonl' line 2 has no field 'choices'"),
        (["--data", "empty.jsonl"], "'empty.jsonl' has no entries"),
        (["--data", "empty.txt"], "'empty.txt' is empty"),
        (["--data", "missing.jsonl"], "no such file"),
        (["--data", "missing"], "no such file or folder 'missing'"),
        (["--data", "talk.jsonl"], "'talk.jsonl' line 1: this model has no chat template"),
        (["--template", "chatlm"], "unknown chat template 'chatlm'"),
        (["--max-new-tokens", "0"], "max_new_tokens '0' is below 1"),
        (["--stride", "0"], "stride must be at least 1, not '0'"),
        (["--stride", "17"], "a stride of 17 leaves tokens out: the context is 16"),
        (["--out", "."], "'.' is a folder; hint: name a .json file"),
        (["--judge-model", "m"], "a judge needs an address"),
        (["--judge-url", "http://localhost:1"], "a judge needs the name of a model"),
        (["--judge-url", "localhost", "--judge-model", "m"], "'localhost' is not an address"),
        (["--judge-url", "http://localhost:1", "--judge-model", "m"], "there are no answers to judge"),
        (
            ["--judge-url", "http://localhost:1", "--judge-model", "m", "--judge-key", "NO_SUCH"],
            "the environment variable 'NO_SUCH', which shall hold the judge's key, is not set",
        ),
    ],
)
def test_a_mistake_is_one_line(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(Path("c.jsonl"), CHOICE)
    written(Path("o.jsonl"), OPEN)
    written(Path("mixed.jsonl"), CHOICE, OPEN)
    written(Path("talk.jsonl"), TALK)
    Path("empty.jsonl").write_text("")
    Path("empty.txt").write_text("")
    assert message in refused(
        "evaluate", trained, *arguments, *([] if "--max-new-tokens" in arguments else FEW), talk=True
    )
