"""`hornbook quickstart`: one command from a text to two models, a table and pictures."""

import json
from pathlib import Path

import pytest

import hornbook
from hornbook.cli import run
from hornbook.commands import _quickstart_sizes


def check_result(out: Path, printed: str) -> None:
    assert printed.count("\n") == 1
    found = json.loads(printed)
    assert found["characters"] > 19_000
    assert found["characters"] / found["tokens"] == found["characters_per_token"]
    assert set(found["models"]) == {"bigram", "gpt"}
    for name, model in found["models"].items():
        folder = Path(model["folder"])
        assert folder == out / name / "model"
        assert model["parameters"] > 0
        assert 0 < model["loss (nats per token)"] < 10
        assert hornbook.load(folder).generate("Nora", max_new_tokens=4)
        assert (out / name / "run.toml").is_file()
        assert (out / name / "pictures" / "loss.png").is_file()
    assert found["questions"] is None  # asked only about the village's own stories
    assert found["peak_memory_bytes"] > 0


def test_the_default_place_is_the_next_free_one(
    tale: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("TOKENS_A_STEP", "BIGRAM_TOKENS_A_STEP"):
        monkeypatch.setattr(_quickstart_sizes, name, 256)  # an eighth of the work a step, and less
    monkeypatch.chdir(tmp_path)
    first = Path("runs", "quickstart")
    first.mkdir(parents=True)
    (first / "mine.txt").write_text("of an earlier one")
    assert run(["quickstart", str(tale), "--minutes", "0.01", "--device", "cpu", "--json"]) == 0
    out, err = capsys.readouterr()
    check_result(Path("runs", "quickstart-2"), out)
    assert "bigram" in err
    assert [path.name for path in first.iterdir()] == ["mine.txt"]
    assert sorted(path.name for path in Path("runs").iterdir()) == ["quickstart", "quickstart-2"]


@pytest.mark.slow
def test_what_a_person_reads_is_true(
    tale: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["quickstart", str(tale), "--minutes", "0.01"]) == 0
    out, _ = capsys.readouterr()
    assert "below the bigram's" in out
    for line in out.splitlines():
        if line.startswith("picture"):
            assert Path(line.split()[1]).is_file()
        assert len(line) <= 80
