"""The adapter for lm-eval: the harness itself asks our models, with tasks of its three kinds that lie on this disk."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import hornbook
from hornbook.chat_template import named_template
from hornbook.discovery import find
from hornbook.errors import UserError
from hornbook.evaluation import harness
from hornbook.evaluation.harness import Harness, findings
from hornbook.generation.generate import LanguageModel
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.weights.model_folder import save_model_folder

QUESTIONS = [
    {"question": "fox said", "choices": ["Größe", "5 €", "fox"], "answer": 1},
    {"question": "Größe: 5", "choices": [" €", " said", "."], "answer": 0},
    {"question": "the", "choices": [" fox", " said."], "answer": 0},
]
COMMON = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files: {{test: {data}}}
  cache_dir: {cache}
test_split: test
"""
CHOICE = """
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: answer
target_delimiter: ""
metric_list: [{metric: acc}]
"""
ROLLING = """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}}"
metric_list: [{metric: bits_per_byte}]
"""
WRITING = """
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{choices[answer]}}"
generation_kwargs: {until: ["."], max_gen_toks: 6}
metric_list: [{metric: exact_match}]
"""


@pytest.fixture
def tasks(tmp_path: Path) -> dict[str, str]:
    """The kind of a task -> its .yaml file; the texts are made of what the model of `characters` can read."""
    data = tmp_path / "questions.jsonl"
    lines = [json.dumps(each) for each in QUESTIONS]
    data.write_text("\n".join(lines))
    found = {}
    for name, text in {"choice": CHOICE, "rolling": ROLLING, "writing": WRITING}.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(COMMON.format(name=f"fox_{name}", data=data, cache=tmp_path / "cache") + text)
        found[name] = str(path)
    return found


def log_probability(model: LanguageModel, text: str, ending: str) -> float:
    """What the model gives an ending, one plain pass over all."""
    tokens = model.tokenizer.encode(text + ending)
    start = len(model.tokenizer.encode(text))
    with torch.no_grad():
        rows = model.model(torch.tensor([tokens]))[0].log_softmax(-1)
    return sum(float(rows[place - 1, tokens[place]]) for place in range(start, len(tokens)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_harness_measures_with_all_three_questions(characters: LanguageModel, tasks: dict[str, str]) -> None:
    pytest.importorskip("lm_eval", reason="needs the extra `eval`")
    suite = Harness(tuple(tasks.values()))
    assert suite.reason_to_skip(characters, None) is None
    found = suite.run(characters, None)
    asked: list[dict[str, Any]] = QUESTIONS

    right = 0
    for each in asked:
        scores = [log_probability(characters, each["question"], choice) for choice in each["choices"]]
        right += scores.index(max(scores)) == each["answer"]
    assert found.numbers["fox_choice acc"] == pytest.approx(right / 3)
    assert found.numbers["fox_choice questions"] == 3
    low, high = found.intervals["fox_choice acc"]
    assert low <= right / 3 <= high

    texts = [each["question"] for each in asked]
    with torch.no_grad():
        total = 0.0
        for text in texts:
            tokens = [characters.tokenizer.end_of_text, *characters.tokenizer.encode(text)]
            rows = characters.model(torch.tensor([tokens[:-1]]))[0].log_softmax(-1)
            total -= float(rows[torch.arange(len(tokens) - 1), torch.tensor(tokens[1:])].sum())
    bits = total / math.log(2) / sum(len(text.encode()) for text in texts)
    assert found.numbers["fox_rolling bits_per_byte"] == pytest.approx(bits, rel=1e-5)

    written = [item["answers"] for item in found.items if item["task"] == "fox_writing"]
    for answer, text in zip(written, texts, strict=True):
        ids = characters.prompt_ids(text)
        expected = characters.generate_many([ids], max_new_tokens=6, stop=["."], temperature=0)
        assert list(answer) == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_adapter_reads_templates_long_texts_and_sampling(villager: LanguageModel) -> None:
    pytest.importorskip("lm_eval", reason="needs the extra `eval`")
    from lm_eval.api.instance import Instance

    from hornbook.evaluation._lm_eval import HarnessModel

    def asked(*arguments: Any) -> list[Instance]:
        return [Instance("loglikelihood", {}, arguments, 0)]

    plain = HarnessModel(villager)
    with pytest.raises(UserError, match="has no chat template"):
        plain.apply_chat_template([{"role": "user", "content": "Hi"}])
    conventions = replace(villager.conventions, template=named_template("alpaca"))
    chat = HarnessModel(LanguageModel(villager.model, villager.tokenizer, conventions=conventions))
    assert "### Instruction:\nHi" in chat.apply_chat_template([{"role": "user", "content": "Hi"}])
    assert chat.chat_template(True) == named_template("alpaca").source

    [long] = plain.loglikelihood_rolling(asked("the fox " * 200))  # 1600 characters, a context of 1024
    assert -1600 * math.log(villager.tokenizer.vocab_size) * 2 < long < 0
    [(cut, _)] = plain.loglikelihood(asked("the fox " * 200, "the"))
    [(same, _)] = plain.loglikelihood(asked(("the fox " * 200)[-1022:], "the"))
    assert cut == pytest.approx(same, abs=1e-4)
    settings = {"until": "e", "max_gen_toks": 5, "do_sample": True, "temperature": 1.0}
    [text] = plain.generate_until(asked("the fox", settings))
    assert len(text) <= 5
    assert "e" not in text


def test_results_become_numbers_with_intervals() -> None:
    found = findings(
        {
            "arc": {
                "alias": "arc",
                "acc,none": 0.5,
                "acc_stderr,none": 0.1,
                "em,strict": 0.25,
                "em_stderr,strict": "N/A",
            }
        },
        {"arc": [{"filtered_resps": [1]}]},
    )
    assert found.numbers == {"arc acc": 0.5, "arc em (strict)": 0.25, "arc questions": 1}
    assert found.intervals == {"arc acc": pytest.approx((0.304, 0.696), abs=1e-4)}


def test_without_a_task_or_the_package_it_says_so(characters: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no task" in str(Harness().reason_to_skip(characters, None))
    monkeypatch.setattr(harness, "find_spec", lambda name: None)
    assert "pip install 'hornbook[eval]'" in str(Harness(("arc",)).reason_to_skip(characters, None))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_lm_evals_own_adapter_for_transformers_says_the_same(tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="needs the extra `eval`")
    pytest.importorskip("accelerate", reason="lm-eval's own adapter for transformers needs accelerate")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from hornbook.evaluation._lm_eval import HarnessModel

    tale = "Nora gave the kite to Tom. Then Tom ran to the mill, and the kite was his. " * 40
    tokenizer = find("tokenizers", "bpe").train([tale], vocab_size=320)
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=64, num_layers=2, num_heads=2, embed_dim=32)
    model = Llama(config, torch.Generator().manual_seed(4))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)))
    folder = save_model_folder(tmp_path / "model", model, tokenizer)
    theirs = HFLM(pretrained=str(folder), device="cpu", batch_size=1)
    ours = HarnessModel(hornbook.load(folder))

    def asked(kind: Any, *arguments: Any) -> list[Instance]:
        return [Instance(kind, {}, each, number) for number, each in enumerate(arguments)]

    pairs = [("Nora gave", " the kite"), ("", "Tom"), ("The ", "mill"), (tale[:600], " to the mill")]
    requests = asked("loglikelihood", *pairs)
    found, expected = ours.loglikelihood(requests), theirs.loglikelihood(requests)
    assert [score for score, _ in found] == pytest.approx([score for score, _ in expected], abs=1e-3)
    assert [is_greedy for _, is_greedy in found] == [is_greedy for _, is_greedy in expected]
    [(joined, _)] = ours.loglikelihood(asked("loglikelihood", ("Tom r", "an")))  # one token, on which theirs stumbles
    assert joined < 0
    texts = asked("loglikelihood_rolling", ("Tom",), (tale[:700],))
    assert ours.loglikelihood_rolling(texts) == pytest.approx(theirs.loglikelihood_rolling(texts), rel=1e-4)
    written = asked("generate_until", *((text, {"until": ["."], "max_gen_toks": 12}) for text in ("Nora", "Then Tom")))
    assert ours.generate_until(written) == theirs.generate_until(written)
