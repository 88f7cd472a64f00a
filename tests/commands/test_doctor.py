"""`hornbook doctor`: refusals, healthy models pass all, and each check fails on a model that is broken just there."""

import json
import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hornbook import discovery
from hornbook.cli import run
from hornbook.commands import _doctor_check as check_module
from hornbook.commands import _doctor_keeping as keeping
from hornbook.commands import _doctor_learning as learning
from hornbook.commands import _doctor_processes as processes
from hornbook.commands import _doctor_proofs as proofs
from hornbook.commands import _doctor_reading as reading
from hornbook.commands import _doctor_subject as subject_module
from hornbook.commands._doctor_card import lines
from hornbook.commands._doctor_check import Result, apart, run_check
from hornbook.commands._doctor_checks import CHECKS
from hornbook.commands._doctor_subject import Subject
from hornbook.layers.kv_cache import KVCache
from hornbook.layers.loss import next_token_loss
from hornbook.models.bigram import Bigram
from hornbook.models.gpt import GPT
from hornbook.models.llama import Attention, Llama
from hornbook.optimizers.adamw import AdamW
from hornbook.optimizers.base import OptimizerRecipe
from hornbook.optimizers.muon import Muon
from hornbook.tokenizers.base import END_OF_TEXT, Tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.tokenizers.character import Character
from hornbook.tokenizers.word import Word
from hornbook.weights import model_folder

Refused = Callable[..., str]
Patch = pytest.MonkeyPatch

TEXT = "The cat sat on the hat. " * 4
SLOW = ("compiled", "two_processes", "transformers")
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("bigram", {}),
    ("llama", {}),
    ("llama", {"optimizer": Muon(), "qk_norm": False, "tied_output": False, "dropout": 0.1, "num_kv_heads": 1}),
    *[("gpt", {"positions": name}) for name in ("learned", "sinusoidal", "rotary", "alibi", "relative", "none")],
    ("gpt", {"norm": "after", "biases": "none", "activation": "relu", "dropout": 0.2}),
]


def subject_of(kind: str = "llama", optimizer: OptimizerRecipe | None = None, **choices: Any) -> Subject:
    """A tiny model of a kind, freshly drawn, with a tokenizer of characters."""
    model_class = discovery.find("models", kind)
    tokenizer = Character.train([TEXT], special_tokens=[END_OF_TEXT])
    sizes = {"num_layers": 1, "num_heads": 2, "embed_dim": 16} if kind != "bigram" else {}
    config = model_class.config_class(vocab_size=tokenizer.vocab_size, context_length=24, **sizes | choices)
    model = model_class(config, torch.Generator().manual_seed(1)).eval()
    return Subject(kind, model, optimizer or AdamW(), tokenizer)


def examined(subject: Subject, without: Sequence[str] = SLOW) -> dict[str, Result]:
    return {check.name: run_check(check, subject) for check in CHECKS if check.name not in without}


def failures(results: dict[str, Result]) -> set[str]:
    return {name for name, result in results.items() if result.finding.verdict == "failed"}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: Patch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "'nothing' is neither a recipe nor a model folder; hint: hornbook train lists the recipes"),
        (["shakespear-char"], "did you mean 'shakespeare-char'?"),
        (["nothing.toml"], "no such file 'nothing.toml'"),
        (["."], "'.' is neither a model folder nor a run folder"),
        (["shakespeare-char", "--only", "cache"], "unknown check 'cache' (choices: "),
        (["shakespeare-char", "--only", "kv_cach"], "did you mean 'kv_cache'? hornbook doctor lists them all"),
        (["shakespeare-char", "--model.num_layer", "2"], "did you mean 'model.num_layers'?"),
        (["shakespeare-char", "--jsn"], "unknown argument '--jsn'"),
        (["shakespeare-char", "--data.tokenizer", "gtp2"], "unknown tokenizer 'gtp2'"),
        (["shakespeare-char", "--device", "gpu"], "no device 'gpu' here"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_bad_input_is_one_line(
    refused: Refused, tmp_path: Path, monkeypatch: Patch, arguments: list[str], flags: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused("doctor", *arguments, *flags)
    assert list(tmp_path.iterdir()) == []


def test_a_model_folder_takes_no_settings(refused: Refused, trained: Path) -> None:
    assert "'--model.num_layers' can't be set" in refused("doctor", trained, "--model.num_layers", "2")


def test_without_a_model_the_checks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for check in CHECKS:
        assert f"\n{check.name} " in "\n" + err
    assert max(map(len, err.splitlines())) <= 80


@pytest.mark.parametrize(("kind", "choices"), KINDS, ids=lambda value: str(value))
def test_a_healthy_model_passes_all(kind: str, choices: dict[str, Any]) -> None:
    layers = {} if kind == "bigram" else {"num_layers": 2}
    results = examined(subject_of(kind, **choices, **layers))
    verdicts = {name: result.finding.verdict for name, result in results.items()}
    tied = kind != "bigram" and choices.get("tied_output", True)
    assert verdicts == {name: "passed" if name != "tied_output" or tied else "left out" for name in results}


@pytest.mark.parametrize("sizes", [{"context_length": 1}, {"vocab_size": 2}])
@pytest.mark.parametrize("kind", ["bigram", "gpt", "llama"])
def test_the_smallest_models_pass_too(kind: str, sizes: dict[str, int]) -> None:
    subject = replace(subject_of(kind), tokenizer=None, no_tokenizer="there is none")
    subject = replace(subject, model=type(subject.model)(subject.model.config.model_copy(update=sizes)).eval())
    results = examined(subject)
    assert failures(results) == set()
    assert results["tokenizer"].finding.text == "there is none"


def test_an_examination_changes_nothing() -> None:
    subject = subject_of(dropout=0.1)
    before = keeping.fingerprints(subject.model.state_dict())
    examined(subject)
    assert keeping.fingerprints(subject.model.state_dict()) == before
    assert not any(module.training for module in subject.model.modules())
    assert all(parameter.grad is None for parameter in subject.model.parameters())


# Each break below is one that has been met somewhere, put into a healthy model; beside it, all that must fail.


def a_cache_one_place_off(patch: Patch) -> Subject:
    append = KVCache.append

    def shifted(cache: KVCache, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        before, cache.length = cache.length, max(0, cache.length - 1)
        found = append(cache, layer, keys, values)
        cache.length = before
        return found

    patch.setattr(KVCache, "append", shifted)
    return subject_of()


def positions_from_the_start_again(patch: Patch) -> Subject:
    add = GPT._with_positions
    patch.setattr(GPT, "_with_positions", lambda model, x, rows: add(model, x, slice(0, rows.stop - rows.start)))
    return subject_of("gpt")


def no_mask(patch: Patch) -> Subject:
    patch.setattr("hornbook.layers.attention.causal_mask", lambda new, all_, *rest: torch.ones(new, all_) > 0)
    return subject_of("gpt", positions="alibi")


def a_mask_that_leaks_by_one(patch: Patch) -> Subject:
    leaking = lambda new, all_, *rest: torch.ones(new, all_).tril(all_ - new + 1) > 0  # noqa: E731
    patch.setattr("hornbook.layers.attention.causal_mask", leaking)
    return subject_of("gpt", positions="relative")


def a_leak_of_gradients_alone(patch: Patch) -> Subject:
    hidden = Llama.hidden

    def leaking(model: Llama, tokens: Tensor, cache: KVCache | None = None, segments: Tensor | None = None) -> Tensor:
        x = hidden(model, tokens, cache, segments)
        later = x.roll(-1, dims=1)
        return x + 0.1 * (later - later.detach())

    patch.setattr(Llama, "hidden", leaking)
    return subject_of()


def padding_on_the_left_without_a_mask(patch: Patch) -> Subject:
    hidden = Llama.hidden

    def rolled(model: Llama, tokens: Tensor, cache: KVCache | None = None, segments: Tensor | None = None) -> Tensor:
        if cache is not None or len(tokens) == 1:
            return hidden(model, tokens, cache)
        counts = [int(row.flip(0).cumsum(0).eq(0).sum()) for row in tokens]  # of zeros at the end
        turned = torch.stack([row.roll(count) for row, count in zip(tokens, counts, strict=True)])
        found = zip(hidden(model, turned, cache), counts, strict=True)
        return torch.stack([row.roll(-count, dims=0) for row, count in found])

    patch.setattr(Llama, "hidden", rolled)
    return subject_of()


def dropout_left_on(patch: Patch) -> Subject:
    patch.setattr(nn.Dropout, "forward", lambda part, x: nn.functional.dropout(x, part.p, training=True))
    return subject_of(dropout=0.2)


def dropout_never_on(patch: Patch) -> Subject:
    patch.setattr(Llama, "train", lambda model, mode=True: nn.Module.train(model, False))
    return subject_of(dropout=0.2)


def an_output_that_is_a_copy(patch: Patch) -> Subject:
    patch.setattr(Llama, "logits", lambda model, x: x @ model.token_embedding.weight.detach().T)
    return subject_of()


def an_offset_too_large_for_bf16(patch: Patch) -> Subject:
    def logits(model: Llama, x: Tensor) -> Tensor:
        scores = nn.functional.linear(x, model.token_embedding.weight)
        return (scores + 64) - 64 if scores.dtype == torch.bfloat16 else scores

    patch.setattr(Llama, "logits", logits)
    return subject_of()


def queries_that_never_learn(patch: Patch) -> Subject:
    project = Attention.project

    def detached(part: Attention, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        queries, keys, values = project(part, *arguments)
        return queries.detach(), keys, values

    patch.setattr(Attention, "project", detached)
    return subject_of()


def a_mean_of_each_microbatch(patch: Patch) -> Subject:
    def mean(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        total, count = next_token_loss(model, inputs, targets)
        return total / count, count

    patch.setattr(learning, "next_token_loss", mean)
    return subject_of()


def outputs_that_are_bounded(patch: Patch) -> Subject:
    patch.setattr(Bigram, "logits", lambda model, x: x.tanh())
    return subject_of("bigram")


def weights_from_elsewhere(patch: Patch) -> Subject:
    draw = Llama.__init__

    def drawn(model: Llama, config: Any, generator: torch.Generator | None = None) -> None:
        draw(model, config, generator)
        if not model.final_norm.weight.is_meta:
            nn.init.normal_(model.final_norm.weight, 1.0, 0.01)

    patch.setattr(Llama, "__init__", drawn)
    return subject_of()


def first_weights_too_large(patch: Patch) -> Subject:
    patch.setattr("hornbook.models.base.INITIAL_STD", 0.5)
    return subject_of()


def a_save_that_loses_bits(patch: Patch) -> Subject:
    save = model_folder.save_file

    def rounded(tensors: dict[str, Tensor], path: Path, **more: Any) -> None:
        name = max(tensors)
        save(tensors | {name: tensors[name].bfloat16().float().mul(1.0000001)}, path, **more)

    patch.setattr(model_folder, "save_file", rounded)
    return subject_of()


def a_setting_that_is_not_saved(patch: Patch) -> Subject:
    build = model_folder.build_model
    patch.setattr(
        model_folder,
        "build_model",
        lambda form, config, state: build(form, config.model_copy(update={"rope_theta": 500.0}), state),
    )
    return subject_of()


def a_tokenizer_that_is_not_saved(patch: Patch) -> Subject:
    patch.setattr(keeping, "tokenizer_hash", lambda tokenizer: str(id(tokenizer)))
    return subject_of()


def an_optimizer_that_is_not_resumed(patch: Patch) -> Subject:
    load = keeping.load_checkpoint

    def forgetful(folder: Path, model: Any, optimizer: Any) -> int:
        done = load(folder, model, optimizer)
        optimizer.state.clear()
        return done

    patch.setattr(keeping, "load_checkpoint", forgetful)
    return subject_of()


def an_optimizer_with_a_secret(patch: Patch) -> Subject:
    class Secretive(torch.optim.AdamW):
        calls = 0

        def step(self, closure: Any = None) -> None:
            self.calls += 1
            self.param_groups[0]["lr"] = 1e-3 * self.calls
            super().step()

    patch.setattr(torch.optim, "AdamW", Secretive)
    return subject_of()


def a_tokenizer_that_tidies(patch: Patch) -> Subject:
    decode = Tokenizer.decode
    patch.setattr(BPE, "decode", lambda found, ids: unicodedata.normalize("NFC", decode(found, ids)))
    return with_tokenizer(BPE.train([TEXT], vocab_size=270))


def a_tokenizer_that_forges(patch: Patch) -> Subject:
    encode = Tokenizer.encode
    patch.setattr(BPE, "encode", lambda found, text: encode(found, text, allow_special=True))
    return with_tokenizer(BPE.train([TEXT], vocab_size=270))


def a_tokenizer_that_hides_its_losses(patch: Patch) -> Subject:
    patch.setattr(Character, "encode_ordinary", lambda found, text: [found.vocabulary.ids.get(x, 0) for x in text])
    return subject_of()


def a_tokenizer_that_shuffles(patch: Patch) -> Subject:
    decode = Word.decode_bytes
    patch.setattr(Word, "decode_bytes", lambda found, ids: decode(found, list(ids)[::-1]))
    return with_tokenizer(Word.train([TEXT]))


def with_tokenizer(tokenizer: Tokenizer) -> Subject:
    subject = subject_of()
    config = subject.model.config.model_copy(update={"vocab_size": tokenizer.vocab_size})
    return replace(subject, model=Llama(config, torch.Generator().manual_seed(1)).eval(), tokenizer=tokenizer)


def a_file_that_is_another_now(patch: Patch) -> Subject:
    patch.setattr(proofs, "check_seal", lambda folder: {})
    patch.setattr(proofs, "recorded_exports", lambda folder: [{"file": __file__, "sha256": "0" * 64}])
    return replace(subject_of(), folder=Path())


BREAKS: list[tuple[Callable[[Patch], Subject], set[str]]] = [
    (a_cache_one_place_off, {"kv_cache"}),
    (positions_from_the_start_again, {"kv_cache"}),
    (no_mask, {"no_future", "padding", "kv_cache"}),  # whoever sees the future sees padding, and a cache has none
    (a_mask_that_leaks_by_one, {"no_future", "padding", "kv_cache"}),
    (a_leak_of_gradients_alone, {"no_future"}),
    (padding_on_the_left_without_a_mask, {"padding"}),
    (dropout_never_on, {"dropout"}),
    (an_output_that_is_a_copy, {"tied_output"}),
    (an_offset_too_large_for_bf16, {"bf16"}),
    (queries_that_never_learn, {"gradients"}),
    (a_mean_of_each_microbatch, {"accumulation"}),
    (outputs_that_are_bounded, {"one_batch"}),
    (weights_from_elsewhere, {"same_seed"}),
    (first_weights_too_large, {"start_loss"}),
    (a_save_that_loses_bits, {"model_folder"}),
    (a_setting_that_is_not_saved, {"model_folder"}),
    (a_tokenizer_that_is_not_saved, {"model_folder"}),
    (an_optimizer_that_is_not_resumed, {"checkpoint"}),
    (an_optimizer_with_a_secret, {"checkpoint"}),
    (a_tokenizer_that_tidies, {"tokenizer"}),
    (a_tokenizer_that_forges, {"tokenizer"}),
    (a_tokenizer_that_hides_its_losses, {"tokenizer"}),
    (a_tokenizer_that_shuffles, {"tokenizer"}),
    (a_file_that_is_another_now, {"comparisons"}),
]


@pytest.mark.parametrize(("broken", "expected"), BREAKS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_break_fails_its_check_and_no_other(
    monkeypatch: Patch, broken: Callable[[Patch], Subject], expected: set[str]
) -> None:
    half_the_time = () if "one_batch" in expected else ("one_batch",)
    assert failures(examined(broken(monkeypatch), without=(*SLOW, *half_the_time))) == expected


def test_every_check_has_a_break() -> None:
    assert {name for _, names in BREAKS for name in names} == {check.name for check in CHECKS} - set(SLOW)


def test_dropout_left_on_fails_wherever_two_passes_are_compared(monkeypatch: Patch) -> None:
    assert {"dropout", "kv_cache", "padding", "no_future", "bf16"} <= failures(examined(dropout_left_on(monkeypatch)))


def test_an_error_inside_a_check_is_a_failure_that_quotes_it(monkeypatch: Patch) -> None:
    def full(cache: KVCache, count: int) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(KVCache, "advance", full)
    results = examined(subject_of())
    assert failures(results) == {"kv_cache"}
    assert results["kv_cache"].finding.detail == "ValueError: no room"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_within(value: float) -> None:
    assert apart(torch.tensor([value, 1.0]), torch.ones(2)) == float("inf")
    assert check_module.within(value, 1.0).verdict == "failed"


def test_what_is_no_number_fails_and_is_null_in_json(monkeypatch: Patch) -> None:
    subject = subject_of()
    with torch.no_grad():
        subject.model.get_parameter("final_norm.weight").fill_(float("nan"))
    results = examined(subject)
    assert {"no_future", "padding", "kv_cache", "bf16", "accumulation", "model_folder"} <= failures(results)
    shown = [result.as_json() for result in results.values()]
    json.dumps(shown, allow_nan=False)


def test_apart_is_a_share_of_the_largest() -> None:
    assert apart(torch.tensor([1.0, 2.2]), torch.tensor([1.0, 2.0])) == pytest.approx(0.1)
    assert apart(torch.zeros(2), torch.zeros(2)) == 0
    assert apart(torch.ones(2), torch.zeros(2)) > 1


def test_without_memory_or_disk_checks_are_left_out(monkeypatch: Patch) -> None:
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    results = examined(subject_of())
    assert {name for name, result in results.items() if result.finding.verdict == "left out"} == {
        "model_folder",
        "checkpoint",
    }
    assert "0.0 GB are free" in results["checkpoint"].finding.text
    monkeypatch.setattr(subject_module, "memory_free", lambda: 1000)
    results = examined(subject_of())
    for check in CHECKS:
        if check.name not in SLOW:
            assert (results[check.name].finding.verdict == "left out") == (check.copies > 0)


def test_a_recipe_too_large_for_the_memory_is_refused_before_it_is_drawn(
    refused: Refused, recipe: str, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(subject_module, "memory_free", lambda: 1000)
    line = refused("doctor", recipe, "--device", "cpu")
    assert "can't be drawn: it needs 0.0 GB of memory, and 0.0 GB are free" in line


def test_without_a_compiler_nothing_is_compiled(monkeypatch: Patch) -> None:
    monkeypatch.setattr(reading.shutil, "which", lambda name: None)
    assert reading.compiled(subject_of()).text == "no C++ compiler here (g++, clang++ or cl)"


def test_what_torch_can_not_compile_at_all_is_left_out(monkeypatch: Patch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("not on this machine\nand more")

    monkeypatch.setattr(torch, "compile", refuse)
    monkeypatch.setattr(reading, "_no_compiler", lambda device: "")
    found = reading.compiled(subject_of())
    assert (found.verdict, found.text) == (
        "left out",
        "torch.compile doesn't work here: RuntimeError: not on this machine",
    )


@pytest.fixture
def quick(monkeypatch: Patch) -> None:
    """The whole card without what takes long."""
    monkeypatch.setattr(
        "hornbook.commands._doctor_checks.CHECKS", tuple(check for check in CHECKS if check.name not in SLOW)
    )


def card(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `hornbook doctor ...`; nothing is wider than a terminal."""
    capsys.readouterr()
    code = run(["doctor", *map(str, arguments)])
    out, err = capsys.readouterr()
    if "--json" not in arguments:
        assert all(len(line) <= 80 or "/" in line for line in out.splitlines())  # a path is never cut
    return code, out, err


def test_the_card_of_a_run(capsys: pytest.CaptureFixture[str], trained: Path, quick: None) -> None:
    code, out, err = card(capsys, trained, "--device", "cpu")
    heading, _, rest = out.partition(" on cpu\n")
    *middle, last = rest.splitlines()
    assert (code, err) == (0, "")
    assert heading.replace("\n", " ").startswith(f"{trained}: llama, ")
    assert heading.endswith(" parameters (its own weights),")
    assert [line[:2] for line in middle] == ["ok"] * (len(CHECKS) - len(SLOW))
    assert last.startswith(f"{len(middle)} passed; ")


def test_the_card_of_a_recipe_with_settings(capsys: pytest.CaptureFixture[str], recipe: str) -> None:
    flags = ["--model.num_layers", "3", "--device", "cpu", "--only", "kv_cache", "--only", "tokenizer"]
    code, out, err = card(capsys, recipe, *flags, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["config"]["num_layers"] == 3
    assert found["config"]["vocab_size"] == 300
    assert not found["trained"]
    assert [entry["check"] for entry in found["checks"]] == ["tokenizer", "kv_cache"]
    assert found["passed"]


def test_a_failure_says_what_it_means_and_the_exit_code_is_1(
    capsys: pytest.CaptureFixture[str], trained: Path, quick: None, monkeypatch: Patch
) -> None:
    a_cache_one_place_off(monkeypatch)
    code, out, err = card(capsys, trained, "--device", "cpu")
    assert code == 1
    assert err == "1 of 15 checks failed: kv_cache\n"
    assert "\nFAILED  KV cache = full forward" in out
    assert "it means: generated text is not what the model would say" in out
    assert "look at: where new keys and values are written" in out
    assert "\n14 passed, 1 failed; " in out

    code, out, err = card(capsys, trained, "--device", "cpu", "--json")
    found = json.loads(out)
    [entry] = [entry for entry in found["checks"] if entry["result"] == "failed"]
    assert (code, found["passed"], entry["check"]) == (1, False, "kv_cache")
    assert entry["measured"] > entry["allowed"] == 1e-4
    assert all(entry[key] for key in ("checked", "means", "look_at", "text", "detail"))


def test_a_recipe_without_its_text_is_examined_with_another_vocabulary(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setenv("HORNBOOK_HOME", str(tmp_path))
    code, out, _ = card(capsys, "shakespeare-char", "--only", "tokenizer", "--only", "start_loss", "--device", "cpu")
    assert code == 0
    assert " ".join(out.split()).count("is not on this machine yet; hint: hornbook fetch tiny-shakespeare") == 1
    assert "1 passed, 1 left out" in out
    assert "ln V is 5.545" in out  # of 256


def test_a_recipe_of_a_missing_dataset_is_examined_too(
    capsys: pytest.CaptureFixture[str], recipe: str, tmp_path: Path
) -> None:
    code, out, _ = card(capsys, recipe, "--data.folder", tmp_path, "--data.vocab_size", "64", "--only", "tokenizer")
    assert code == 0
    assert "is not a dataset folder" in " ".join(out.split())


def test_every_line_of_a_failed_check_fits_a_terminal() -> None:
    for check in CHECKS:
        finding = check_module.Finding("failed", "x" * 30, "a long detail " * 20, 1.0, 0.0)
        shown = lines(Result(check, finding, 0.0))
        assert max(map(len, shown)) <= 80
        assert len(shown) > 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bigram", "gpt", "llama"])
def test_compiled_models_are_the_same(kind: str) -> None:
    found = reading.compiled(subject_of(kind))
    assert found.verdict == "passed", found


@pytest.mark.slow
def test_a_model_that_compiles_to_another_fails(monkeypatch: Patch) -> None:
    hidden = Llama.hidden

    def other(model: Llama, tokens: Tensor, cache: KVCache | None = None, segments: Tensor | None = None) -> Tensor:
        return hidden(model, tokens, cache, segments) * (1.01 if torch.compiler.is_compiling() else 1.0)

    monkeypatch.setattr(Llama, "hidden", other)
    found = reading.compiled(subject_of())
    assert found.verdict == "failed"
    assert found.measured == pytest.approx(0.01, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "choices"), [KINDS[0], KINDS[2], KINDS[-1]], ids=lambda value: str(value))
def test_two_processes_train_as_one(kind: str, choices: dict[str, Any]) -> None:
    found = processes.two_processes(subject_of(kind, **choices))
    assert found.verdict == "passed", found


@pytest.mark.slow
def test_two_processes_that_sum_as_they_come_fail(monkeypatch: Patch) -> None:
    monkeypatch.setitem(processes.TRAINING, "reduce", "fast")
    found = processes.two_processes(subject_of())
    assert (found.verdict, found.measured) == ("failed", 1)


@pytest.mark.slow
def test_a_training_that_breaks_off_is_quoted(monkeypatch: Patch) -> None:
    monkeypatch.setitem(processes.TRAINING, "steps", 0)
    found = processes.two_processes(subject_of())
    assert found.text == "training by one broke off"
    assert found.detail.startswith("error: training.steps = 0 is not allowed")
