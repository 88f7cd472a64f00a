"""`hornbook finetune chat`: from a file of conversations to a folder that answers, here and in transformers."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import hornbook
from hornbook.chat_template import NAMES, Message
from hornbook.cli import run
from hornbook.commands._chat_answers import answered, answers
from hornbook.commands._chat_data import read_examples
from hornbook.commands._chat_settings import ChatSettings
from hornbook.commands._chat_task import chat_task
from hornbook.commands._finetune_data import find_data
from hornbook.commands._finetune_template import PAD, taught
from hornbook.errors import UserError
from hornbook.finetuning.examples import mark_conversation
from hornbook.finetuning.messages import Conversation, read_conversations
from hornbook.generation.conversation import written_for
from hornbook.generation.generate import LanguageModel
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.bpe import BPE
from hornbook.tokenizers.character import Character
from hornbook.training.update import Training
from hornbook.weights.model_folder import save_model_folder

Refused = Callable[..., str]
Shared = Callable[[str], Path]
WORDS = ["fox", "hen", "cow", "cat", "dog", "owl", "bee", "ant", "eel", "ram"]
COLOURS = ["red", "blue", "green"]
SPACE = {"plain": " "}  # which the template puts before an answer
HEADINGS = "### Instruction:\n### Input:\n### Response:\n Below is an instruction "
FLAGS = ["--training.batch_size", "8", "--finetune.answer_tokens", "12", "--optimizer.learning_rate", "0.003"]


def entries() -> list[dict[str, str]]:
    """Who is what colour, asked of a sentence: the answer is a word of it."""
    return [
        {"instruction": f"What colour is the {word}?", "input": f"The {word} is {colour}.", "output": colour}
        for word in WORDS
        for colour in COLOURS
    ]


def written(path: Path, items: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(item) for item in items))
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of random weights, whose vocabulary has whole words and no padding."""
    text = " ".join(f"{each['instruction']} {each['input']} {each['output']}" for each in entries())
    tokenizer = BPE.train([text * 2 + HEADINGS * 3], vocab_size=400)
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=160, num_layers=1, num_heads=2, embed_dim=32)
    folder = tmp_path_factory.mktemp("base") / "words"
    return save_model_folder(folder, Llama(config, torch.Generator().manual_seed(1)), tokenizer)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "colours.json"
    path.write_text(json.dumps(entries(), indent=1))
    return path


@pytest.fixture(scope="module")
def tuned(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("runs") / "chat"
    flags = [*FLAGS, "--training.steps", "40", "--training.evaluate_every", "20", "--finetune.test_fraction", "0.2"]
    words = ["finetune", "chat", str(base), "--data", str(data), "--out", str(out), "--template", "chatml", *flags]
    assert run([*words, "--new-tokens"]) == 0
    return out


def test_the_folder_says_how_to_talk_to_it(tuned: Path) -> None:
    folder = tuned / "model"
    model = hornbook.load(folder)
    special = model.tokenizer.special_tokens
    assert {"<|im_start|>", "<|im_end|>", PAD, "<|endoftext|>"} <= set(special)
    stored = json.loads((folder / "generation_config.json").read_text())
    assert set(stored["eos_token_id"]) == {special["<|endoftext|>"], special["<|im_end|>"]}
    assert stored["pad_token_id"] == special[PAD]
    assert "<|im_start|>" in (folder / "chat_template.jinja").read_text()
    assert model.info["conversations"]["examples"] == 30
    assert 0 <= model.info["evaluations"]["exact_match"] <= 1
    saved = json.loads((tuned / "answers.json").read_text())
    assert len(saved) == 6
    assert {answer["ended"] for answer in saved} == {True}
    assert "| ended | 1.0 |" in (folder / "README.md").read_text()


def test_transformers_asks_and_answers_the_same(tuned: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tuned / "model")
    words = transformers.AutoTokenizer.from_pretrained(tuned / "model")
    ours = hornbook.load(tuned / "model")
    assert words.pad_token == PAD != words.eos_token
    for question in ("What colour is the fox?\n\nThe fox is red.", "<|im_end|> Where is the hen?", "é\n"):
        messages = [{"role": "user", "content": question}]
        if "<|" not in question:  # a mark inside a message: theirs lets a user end a turn by writing it
            text = words.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True)
            assert text["input_ids"] == ours.conventions.template.prompt_ids(messages, ours.tokenizer)
            found = theirs.generate(torch.tensor([text["input_ids"]]), max_new_tokens=20, do_sample=False)
            answer = words.decode(found[0, len(text["input_ids"]) :], skip_special_tokens=True)
            assert answer == ours.chat(messages, max_new_tokens=20, temperature=0)
            assert found.shape[1] < len(text["input_ids"]) + 20  # it stopped by itself


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("new_tokens", [True, False])
def test_training_and_chat_ask_with_the_same_tokens(base: Path, name: str, new_tokens: bool) -> None:
    """Through both paths: each prompt of `hornbook chat` is what stood before that answer in training."""
    model = taught(hornbook.load(base), name, new_tokens)
    template = model.conventions.template
    assert template is not None
    odd = "<|im_end|>\n<|end|> ### Response:\n[PAD] é \u200b <|endoftext|>"
    said = st.one_of(st.text(max_size=12), st.just(odd))

    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.tuples(said, said), min_size=1, max_size=3), st.booleans())
    @example([(odd, "red"), (" two\n\n", odd), ("", "z")], True)
    def check(turns: list[tuple[str, str]], system: bool) -> None:
        messages: list[Message] = [{"role": "system", "content": "Be brief."}] if system else []
        questions = []
        for question, answer in turns:
            messages.append({"role": "user", "content": question})
            questions.append(list(messages))
            messages.append({"role": "assistant", "content": answer})
        marked = mark_conversation(Conversation(tuple(messages), "here"), template, model.tokenizer).marked
        starts = [n for n, own in enumerate(marked.trained) if own and not marked.trained[n - 1]]
        for start, question, (_, answer) in zip(starts, questions, turns, strict=True):
            asked = written_for(question, template, model.tokenizer, 9999, 9)
            assert asked.prompt_ids == marked.tokens[:start]
            end = next(n for n in range(start, len(marked.trained) + 1) if marked.trained[n : n + 1] != [True])
            assert marked.tokens[end - 1] in asked.ends  # what is learned last is what ends the chat's answer
            assert model.tokenizer.decode(marked.tokens[start : end - 1]).removeprefix(SPACE.get(name, "")) == answer

    check()


def test_packing_is_another_way_to_the_same_weights(base: Path, data: Path, tmp_path: Path) -> None:
    found = []
    for name in ("true", "false"):
        words = ["finetune", "chat", str(base), "--data", str(data), "--out", str(tmp_path / name), *FLAGS]
        assert run([*words, "--training.steps", "4", "--finetune.test_fraction", "0", "--finetune.packing", name]) == 0
        found.append([weight.detach() for weight in hornbook.load(tmp_path / name).model.parameters()])
    for packed, padded in zip(*found, strict=True):
        torch.testing.assert_close(packed, padded, rtol=1e-3, atol=1e-4)


def test_an_interrupted_one_resumes_exactly(tuned: Path, base: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(tuned, tmp_path / "run")
    stored = (tmp_path / "run" / "run.toml").read_text().replace("../", f"{tuned.parent}/../")
    (tmp_path / "run" / "run.toml").write_text(stored)
    for folder in ("checkpoints/step-00000040", "model"):
        shutil.rmtree(tmp_path / "run" / folder)
    assert run(["resume", str(tmp_path / "run")]) == 0
    first, second = (path / "model" / "model.safetensors" for path in (tuned, tmp_path / "run"))
    assert first.read_bytes() == second.read_bytes()


def test_what_is_learned_twice_is_said(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twins = [{"instruction": "Same?", "output": str(n % 3)} for n in range(20)]
    task = chat_task(ChatSettings(), hornbook.load(base), written(tmp_path / "a.jsonl", twins), Training(seed=1))
    err = capsys.readouterr().err
    assert "leakage: 2 held-out or test questions are learned from too" in err
    assert "(line 3 as line 1, line 15 as line 1)" in err
    assert task.about.startswith("18 conversations to learn from, 1 held out, 1 to test")


def test_what_is_cut_or_dropped_is_said(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = [{"role": role, "content": "z " * 40} for role in ("user", "assistant")]
    short = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    talks = [{"messages": [*long, *short]}, *[{"messages": [*short, short[0]]}] * 3]
    model, path = hornbook.load(base), written(tmp_path / "a.jsonl", talks)
    for too_long, message in (("cut", "1 conversations were too long and lost"), ("drop", "are dropped ('")):
        wanted = ChatSettings(max_length=100, too_long=too_long, template="chatml", test_fraction=0)
        chat_task(wanted, model, path, Training())
        err = capsys.readouterr().err
        assert message in err
        assert "3 conversations end with a question that nobody answered" in err


@pytest.mark.parametrize(
    ("items", "flags", "message"),
    [
        ([{"instruction": "a", "output": "b"}] * 2, [], "2 examples are too few to hold 1 out and test with 1"),
        ([{"instruction": "a" * 999, "output": "b"}], [], "line 1: .* tokens are more than max_length 160"),
        ([{"instruction": "a"}], [], "line 1 has no field 'output'"),
        ([{"question": "a"}], [], "line 1 is in no format of conversations"),
        ([{"instruction": "a", "output": "b"}], ["--template", "chatm"], "unknown chat template 'chatm'.*did you mean"),
        ([{"instruction": "a", "output": "b"}], ["--max-length", "161"], "161 is more than the model's context of 160"),
        ([{"instruction": "a", "output": "b"}], ["--finetune.packin", "1"], "did you mean 'finetune.packing'"),
    ],
)
def test_a_mistake_is_named_before_there_is_a_run(
    base: Path, tmp_path: Path, refused: Refused, items: list[Any], flags: list[str], message: str
) -> None:
    path = written(tmp_path / "a.jsonl", items)
    line = refused("finetune", "chat", base, "--data", path, "--out", tmp_path / "run", *flags)
    assert re.search(message, line), line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "line 1: a template without an end"),
        (
            "{% for m in messages %}{{ m.role + ':' + m.content + eos_token }}{% endfor %}{{ add_generation_prompt }}",
            "doesn't stand where the prompt for it",
        ),
        ("{% for %}", "template"),
    ],
)
def test_a_template_that_teaches_nothing_is_refused(
    base: Path, tmp_path: Path, refused: Refused, source: str, message: str
) -> None:
    (tmp_path / "own.jinja").write_text(source)
    path = written(tmp_path / "a.jsonl", [{"instruction": "a", "output": "b"}] * 4)
    assert message in refused(
        "finetune", "chat", base, "--data", path, "--template", tmp_path / "own.jinja", "--out", tmp_path / "run"
    )


def test_a_model_that_has_a_template_keeps_it(tuned: Path) -> None:
    model = hornbook.load(tuned)
    again = taught(model, "auto", False)
    assert again.conventions == model.conventions
    assert again.model is model.model  # nothing was to be added
    assert taught(model, "alpaca", False).conventions.template != model.conventions.template


def test_an_answer_that_fills_the_limit_may_still_end(tuned: Path, data: Path) -> None:
    model = hornbook.load(tuned)
    [first, *_] = read_examples(data, model, ChatSettings()).kept
    [whole] = answered(model, [first], 12)
    assert whole.ended
    length = len(model.tokenizer.encode(whole.text))
    prompt = model.conventions.template.prompt_ids(first.conversation.prompt, model.tokenizer)
    assert answers(model, [prompt], length) == [whole]
    [cut] = answers(model, [prompt], 1)
    assert cut.ended == (length == 1)


def test_examples_as_json_are_those_of_the_training(base: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["show", "examples", str(data), "--model", str(base), "--number", "2", "--json"]
    assert run(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["examples"], len(found["shown"]), found["dropped"]) == (30, 2, [])
    first = found["shown"][0]
    assert first["place"].endswith("colours.json' line 2 entry 1")
    learned = [text for text, own in zip(first["texts"], first["trained"], strict=True) if own]
    assert "".join(learned) == "red<|endoftext|>"
    whole = read_conversations(data, "\n\n### Input:\n")[0].messages
    model = taught(hornbook.load(base), "auto", False)
    assert first["tokens"] == model.conventions.template.tokens(whole, model.tokenizer)


def test_learned_tokens_stand_above_a_line(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [{"role": role, "content": text} for role, text in zip(["user", "assistant"] * 2, "abcd", strict=True)]
    path = written(tmp_path / "a.jsonl", [{"messages": [{**turns[0], "content": "z " * 80}, *turns[1:]]}])
    assert run(["show", "examples", str(path), "--model", str(base), "--template", "phi3", "--new-tokens"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 or str(path) in max(lines, key=len)
    assert lines[0] == "1 examples of 10 to 10 tokens"
    assert "1 conversations were too long and lost their oldest turns" in lines[2]
    assert any(line.startswith("  cut  user: z·z·") for line in lines)
    assert lines[-2].endswith("|d|<|end|>|↵|")
    assert [lines[-2][n] for n, mark in enumerate(lines[-1]) if mark == "^"] == [*"d<|end|>"]


def test_data_is_a_file_or_a_fetched_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_data: Shared
) -> None:
    monkeypatch.setenv("HORNBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in ("instructions", "preferences"):
        with pytest.raises(
            UserError, match=f"the corpus '{name}' is not on this machine yet; hint: hornbook fetch {name}"
        ):
            find_data(name)
    given = shared_data("preference-data.json")
    assert run(["fetch", "preferences", "--from", str(given)]) == 0
    assert find_data("preferences").read_bytes() == given.read_bytes()
    assert find_data(str(given)) == given
    (tmp_path / "instructions").write_text("mine")
    assert find_data("./instructions").read_text() == "mine"
    with pytest.raises(UserError, match="no such file 'preference'; hint: did you mean 'preferences'"):
        find_data("preference")
    with pytest.raises(UserError, match="'counting' is built in and no file of examples"):
        find_data("counting")


def test_a_vocabulary_without_an_end_gets_one() -> None:
    letters = Character.train([HEADINGS + "ab"], special_tokens=[])
    config = LlamaConfig(vocab_size=letters.vocab_size, context_length=160, num_layers=1, num_heads=1, embed_dim=8)
    model = taught(LanguageModel(Llama(config), letters), "auto", False)
    assert model.tokenizer.end_of_text is not None
    assert model.tokenizer.special_id("pad_token") not in (None, model.tokenizer.end_of_text)
    assert model.model.config.vocab_size == model.tokenizer.vocab_size == letters.vocab_size + 2
    assert model.conventions.ends == {model.tokenizer.end_of_text}
