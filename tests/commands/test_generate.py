"""`hornbook generate` and `hornbook evaluate`, from the command line to the exit code."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import hornbook
from hornbook.cli import run
from hornbook.commands._recipe import check_recipe
from hornbook.commands.generate import generate
from hornbook.device import WeightPrecision
from hornbook.errors import UserError
from hornbook.generation.sampling import Sampling
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.character import Character
from hornbook.weights.model_folder import save_model_folder

TEXT = "Once upon a time there was a fox. Größe: 5 €\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model folder with random weights over the characters of TEXT, context 16."""
    tokenizer = Character.train([TEXT])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=16, num_layers=1, num_heads=2, embed_dim=8)
    path = tmp_path_factory.mktemp("run") / "model"
    return str(save_model_folder(path, Llama(config, torch.Generator().manual_seed(1)), tokenizer))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "-1"], "temperature '-1'"),
        (["--top-k", "0"], "top_k '0'"),
        (["--top-p", "1.5"], "top_p '1.5'"),
        (["--min-p", "2"], "min_p '2'"),
        (["--min-p", "few"], "few"),
        (["--repetition-penalty", "0"], "repetition_penalty '0'"),
        (["--repetition-penalty", "nan"], "repetition_penalty 'nan'"),
        (["--max-new-tokens", "0"], "max_new_tokens '0'"),
        (["--stop", ""], "stop string ''"),
        (["--temperature", "hot"], "hot"),
        (["--precision", "int9"], "int9"),
        (["--temprature", "1"], "--temprature"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_bad_options_get_one_line_and_exit_2(
    folder: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, flags: list[str]
) -> None:
    assert run(["generate", folder, "Once", *arguments, *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err


def test_unknown_characters_get_one_line_and_exit_2(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", folder, "Жук ☃"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "'Ж', 'у', 'к', '☃'" in err


def test_no_model_gets_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", str(tmp_path / "nothing"), "Once"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_text_goes_on_from_the_prompt_and_talk_goes_to_stderr(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["generate", folder, "Once", "--max-new-tokens", "12", "--top-k", "none", "--seed", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Once")
    assert out.endswith("\n")
    assert "tokens/s" in err
    assert (
        run(["generate", str(Path(folder).parent), "Once", "--max-new-tokens", "12", "--top-k", "none", "--seed", "2"])
        == 0
    )
    assert capsys.readouterr().out == out  # a run folder means its model; the same seed gives the same text


def test_json_is_one_object_that_says_everything(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", folder, "Once", "--max-new-tokens", "9", "--stop", "xyz", "--json"]) == 0
    out, _ = capsys.readouterr()
    found = json.loads(out)
    assert out.count("\n") == 1
    assert found["prompt"] == "Once"
    assert found["prompt_tokens"] == 4
    assert len(found["text"]) == len(found["tokens"]) <= 9
    assert found["seed"] == 0
    assert found["settings"] == {
        "max_new_tokens": 9, "temperature": 0.8, "top_k": 50, "top_p": None, "min_p": None, "repetition_penalty": 1.0,
        "stop": ["xyz"],
    }  # fmt: skip
    assert found["stopped_by"] in ("length", "end of text")
    assert found["seconds"] > 0
    run(["generate", folder, "Once", "--max-new-tokens", "9", "--stop", "xyz", "--json"])
    assert json.loads(capsys.readouterr().out)["text"] == found["text"]


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_fewer_bits_a_weight_by_one_option(
    folder: str, capsys: pytest.CaptureFixture[str], precision: WeightPrecision
) -> None:
    assert run(["generate", folder, "Once", "--precision", precision, "--temperature", "0", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["precision"] == precision
    assert written["text"] == hornbook.load(folder, precision=precision).generate("Once", temperature=0)


def test_lookup_writes_the_same(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for flags in ([], ["--lookup"]):
        assert run(["generate", folder, "Once upon a Once", "--temperature", "0", *flags]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_an_empty_prompt_begins_a_document(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", folder, "--max-new-tokens", "3"]) == 0
    assert capsys.readouterr().out.endswith("\n")


def test_a_prompt_longer_than_the_context_is_said_to_be_cut(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["generate", folder, "Once upon a time there was", "--max-new-tokens", "3"]) == 0
    assert "only the last 16 of the prompt's 26 tokens" in capsys.readouterr().err


def test_the_defaults_are_those_of_sampling() -> None:
    parameters = inspect.signature(generate).parameters
    assert {name: parameters[name].default for name in Sampling.model_fields} == Sampling().model_dump()


def test_min_p_and_the_penalty_reach_the_sampling(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--min-p", "0.05", "--repetition-penalty", "1.3", "--max-new-tokens", "5", "--json"]
    assert run(["generate", folder, "Once", *flags]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert (settings["min_p"], settings["repetition_penalty"]) == (0.05, 1.3)


def test_a_recipe_has_all_of_sampling() -> None:
    recipe = check_recipe({"generation": {"min_p": 0.05, "repetition_penalty": 1.2, "top_k": "none"}})
    assert recipe.sampling == Sampling(min_p=0.05, repetition_penalty=1.2, top_k=None)
    for key, value in (("min_p", -0.1), ("repetition_penalty", 0)):
        with pytest.raises(UserError, match=f"{key} '{value:g}'"):
            check_recipe({"generation": {key: value}})


def test_help_does_not_import_torch() -> None:
    program = "import sys; from hornbook.cli import run; run(['generate', '--help']); sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(hornbook.__file__).parents[1]), "COLUMNS": "120"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "--top-p" in done.stdout
    assert "half" in done.stdout  # what happens when the context is full


def test_evaluate_says_what_is_left_out_and_why(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", folder]) == 0
    out, _ = capsys.readouterr()
    assert "left out: no dataset" in out
    assert "left out: the tokenizer doesn't know" in out
    assert run(["evaluate", folder, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) >= {"perplexity", "village_questions"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "perplexty"], "did you mean 'perplexity'"),
        (["--suite", "perplexity"], "no dataset"),
        (["--data", "no/such/folder"], "no such file or folder"),
    ],
)
def test_bad_evaluations_get_one_line_and_exit_2(
    folder: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["evaluate", folder, *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
