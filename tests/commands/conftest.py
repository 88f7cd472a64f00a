"""What tests of whole commands share: a small text, a tiny recipe, a trained run, and the form of every refusal."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hornbook.cli import run
from hornbook.village.stories import document, stories

CHARACTERS = 20_000

RECIPE = """
[data]
source = "{source}"
tokenizer = "bpe"
vocab_size = 300

[model]
kind = "llama"
num_layers = 1
num_heads = 2
embed_dim = 16
context_length = 16
dropout = 0.1

[training]
steps = 12
batch_size = 4
evaluate_every = 6
checkpoint_every = 3
seed = 5

[generation]
max_new_tokens = 4
"""

Refused = Callable[..., str]


@pytest.fixture(scope="session")
def tale(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text file of about 20 kB: stories of the village."""
    text = ""
    for story in stories(1, 1000, "train"):
        text += document(story) + "\n\n"
        if len(text) > CHARACTERS:
            break
    path = tmp_path_factory.mktemp("text") / "tale.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def recipe(tale: Path) -> str:
    """The path of a recipe that trains a tiny model on `tale` for 12 steps."""
    path = tale.with_name("tiny.toml")
    path.write_text(RECIPE.format(source=tale.as_posix()))
    return str(path)


@pytest.fixture(scope="session")
def trained(recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run of `recipe`. Tests read it and copy it; none changes it."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    assert run(["train", recipe, "--out", str(out), "--device", "cpu"]) == 0
    return out


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """`refused("train", ...)` -> the one error line, after checking that it is one, comes last, and ends with code 2.

    With `talk=True` other lines may come before it: the command had begun to work.
    """

    def check(*arguments: str | Path, talk: bool = False) -> str:
        capsys.readouterr()
        assert run([str(argument) for argument in arguments]) == 2
        out, err = capsys.readouterr()
        *before, last = err.splitlines()
        assert out == ""
        assert last.startswith("error: ")
        assert err.endswith("\n")
        assert "Traceback" not in err
        assert talk or not before
        assert not any(line.startswith("error: ") for line in before)
        return last

    return check
