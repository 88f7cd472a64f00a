"""`hornbook quickstart --chat`: stories, a model, conversations, an assistant, in one command."""

import json
from pathlib import Path

import pytest

import hornbook
from hornbook.cli import run
from hornbook.commands import _quickstart_chat, _quickstart_sizes
from hornbook.corpora.village import Village
from hornbook.evaluation.village_questions import VillageQuestions


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of the stories, an eighth of the work a step, and few questions."""
    monkeypatch.setattr(Village.__init__, "__defaults__", (60_000, 1))
    monkeypatch.setattr(_quickstart_sizes, "TOKENS_A_STEP", 256)
    monkeypatch.setattr(_quickstart_chat, "TOKENS_A_STEP", 512)
    monkeypatch.setattr(_quickstart_chat, "VillageQuestions", lambda: VillageQuestions(count=4))


def assistant(out: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert run(["quickstart", "--chat", "--minutes", "0.01", "--out", str(out), "--device", "cpu", "--json"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    return dict(json.loads(printed))


@pytest.mark.usefixtures("small")
def test_one_command_makes_an_assistant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = assistant(tmp_path / "q", capsys)
    assert found["questions"] == 4
    for name in ("right_before", "right_after", "ended_by_themselves"):
        assert 0 <= float(str(found[name])) <= 1
    model = hornbook.load(str(found["model"]))
    assert model.conventions.template is not None
    [asked, answered] = found["conversation"]  # type: ignore[misc]
    assert model.chat([asked], max_new_tokens=64, temperature=0) == answered["content"]
    assert (tmp_path / "q" / "gpt" / "run.toml").is_file()
    assert (tmp_path / "q" / "chat" / "pictures" / "loss.png").is_file()
    first = json.loads((tmp_path / "q" / "questions.jsonl").read_text().splitlines()[0])
    assert [message["role"] for message in first["messages"][:2]] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chat", "--minutes", "0"], "minutes must be a number above 0, not '0.0'"),
        (["mine.txt", "--chat"], "--chat teaches an assistant for the village, not for 'mine.txt'"),
        (["--chat", "--out", "full"], "'full' already exists"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert run(["quickstart", *arguments]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine.txt"]


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_transformers_answers_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids of a whole conversation through the folder's own chat template, and the greedy text that follows them."""
    transformers = pytest.importorskip("transformers")
    found = assistant(tmp_path / "q", capsys)
    ours, folder = hornbook.load(str(found["model"])), found["model"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    for line in (tmp_path / "q" / "questions.jsonl").read_text().splitlines()[:5]:
        messages = json.loads(line)["messages"][:5]
        ids = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        template = ours.conventions.template
        assert template is not None
        assert ids[0].tolist() == template.prompt_ids(messages, ours.tokenizer)
        written = theirs.generate(ids, max_new_tokens=20, do_sample=False)[0, ids.shape[1] :]
        said = tokenizer.decode(written, skip_special_tokens=True)
        assert said.strip() == ours.chat(messages, max_new_tokens=20, temperature=0).strip()


def test_help_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["quickstart", "--help"]) == 0
    assert "--chat" in capsys.readouterr().out
