"""Passes that are captured once and replayed: the rules of a CUDA graph, kept by a recorder on the CPU."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from hornbook.generation import captured, lockstep
from hornbook.generation.captured import CapturedStep, Pass, capture_on
from hornbook.generation.generate import generate_tokens
from hornbook.generation.held import Held
from hornbook.generation.lockstep import Context, Picker, generate_batch
from hornbook.generation.lookup import by_lookup
from hornbook.generation.sampling import Sampling
from hornbook.models.base import Model
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.randomness import torch_generator

GREEDY, WILD = Sampling(temperature=0), Sampling(temperature=1.5, top_k=None)
VARIED = Sampling(temperature=0, repetition_penalty=3)  # greedy, but never a loop
CHOICES: dict[str, dict[str, Any]] = {
    "gpt": {},
    "llama": {},
    "grouped": {"num_kv_heads": 2},
    "plain": {"qk_norm": False, "tied_output": False},
}
PASSING = {"_local_scalar_dense", "nonzero", "lift_fresh", "_to_copy", "masked_select", "equal"}  # between CPU and GPU


class Recording(TorchDispatchMode):
    """What a CUDA graph is, on a CPU: each operation of a pass with the numbers and the memory that it had then."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, out))
        return out

    def replay(self) -> None:
        """Run them again, with the same tensors, into the same memory."""
        for function, args, kwargs, out in self.calls:
            for old, new in zip(tensors(out), tensors(function(*args, **kwargs)), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def tensors(out: Any) -> list[Tensor]:
    return [part for part in (out if isinstance(out, tuple | list) else [out]) if isinstance(part, Tensor)]


class Recorder:
    """`capture` for a CPU: warms up, records, and counts what it was asked for."""

    def __init__(self) -> None:
        self.recordings: list[Recording] = []
        self.replays = 0

    def __call__(self, step: Pass, undo: Callable[[], None]) -> Pass:
        step()
        undo()
        with Recording() as recording:
            logits = step()
        self.recordings.append(recording)
        address = logits.data_ptr()

        def replay() -> Tensor:
            self.replays += 1
            recording.replay()
            assert logits.data_ptr() == address
            return logits

        return replay


def model_of(kind: str, context_length: int, vocab_size: int = 60) -> Model:
    """Random weights, large enough for greedy choices to be clear."""
    sizes = {"vocab_size": vocab_size, "context_length": context_length, "num_layers": 2, "num_heads": 4}
    generator = torch_generator(3, "weights")
    if kind == "gpt":
        model: Model = GPT(GPTConfig(**sizes, embed_dim=32), generator)
    else:
        model = Llama(LlamaConfig(**sizes, embed_dim=32, **CHOICES[kind]), generator)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(6 if weight.ndim == 2 else 1)
    return model.eval()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Every context captures, as on a GPU; rooms of 16, 32, ... after 4 tokens."""
    recorder = Recorder()
    monkeypatch.setattr(lockstep, "capture_on", lambda device: recorder)
    monkeypatch.setattr(captured, "FIRST_ROOM", 16)
    monkeypatch.setattr(captured, "WORTH", 4)
    return recorder


def plainly(*args: Any, **options: Any) -> list[int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lockstep, "capture_on", lambda device: None)
        return list(generate_tokens(*args, **options))


@pytest.mark.parametrize("kind", ["gpt", "grouped"])
def test_200_tokens_through_all_rooms_and_a_slide(recorder: Recorder, kind: str) -> None:
    model = model_of(kind, 150, vocab_size=257)
    found = list(generate_tokens(model, [1, 2, 3], VARIED, max_new_tokens=200, seed=0))
    assert found == plainly(model, [1, 2, 3], VARIED, max_new_tokens=200, seed=0)
    assert len(set(found)) > 30
    assert [recording_room(recording) for recording in recorder.recordings] == [16, 32, 64, 128, 150]
    # the first prompt, 4 tokens waited for, and one pass over half a context are not replayed
    assert recorder.replays == 200 - 1 - 4 - 1


def recording_room(recording: Recording) -> int:
    """How many places the recorded pass has."""
    return next(len(out) for function, _, _, out in recording.calls if function.name().startswith("aten::zeros"))


@pytest.mark.parametrize("kind", CHOICES)
@torch.inference_mode()
def test_logits_of_two_rows_are_those_of_the_growing_cache(recorder: Recorder, kind: str) -> None:
    model, tokens = model_of(kind, 70), torch.randint(60, (2, 70), generator=torch_generator(1, "tokens"))
    context, plain = Context(model, 2, 70), model.new_cache(2)
    for start, end in [(0, 3), *((place, place + 1) for place in range(3, 70))]:
        logits = model.logits(model.hidden(tokens[:, start:end], plain)[:, -1])
        torch.testing.assert_close(context.read(tokens[:, start:end]), logits, atol=1e-5, rtol=1e-5)
    assert len(recorder.recordings) == 4
    assert recorder.replays == 70 - 3 - 4


@torch.inference_mode()
def test_a_replay_touches_the_same_memory_and_asks_the_cpu_nothing(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "check_tokens", lambda *_: None)  # it looks at tokens on a CPU only
    model = model_of("grouped", 64)
    with torch.inference_mode(False):  # as a context makes it
        step = CapturedStep(model, model.new_cache(2, 64), recorder)
    places = set()
    for place in range(4, 16):
        logits = step.read(torch.full((2, 1), place))
        if recorder.recordings:
            room = step._room
            assert room is not None
            places.add(
                (logits.data_ptr(), room.tokens.data_ptr(), room.cache.keys.data_ptr(), room.cache.place.data_ptr())
            )
            assert not room.cache.place.is_inference()
            assert int(room.cache.place) == room.cache.length == step.cache.length == place - 3
    assert len(recorder.recordings) == len(places) == 1
    names = {function.name().removeprefix("aten::").partition(".")[0] for function, *_ in recorder.recordings[0].calls}
    assert {"index_copy_", "add_", "masked_fill"} <= names
    assert not names & PASSING


def test_drawn_and_drafted_texts_and_many_at_once(recorder: Recorder) -> None:
    model = model_of("grouped", 100)
    drawn = list(generate_tokens(model, [5, 6], WILD, max_new_tokens=40, seed=2))
    assert drawn == plainly(model, [5, 6], WILD, max_new_tokens=40, seed=2)
    expected = plainly(model, [5, 6, 5], GREEDY, max_new_tokens=60, seed=0)
    assert list(generate_tokens(model, [5, 6, 5], GREEDY, max_new_tokens=60, seed=0, lookup=True)) == expected
    prompts = [[5, 6, 5], [7], [8] * 9]
    rows: list[list[int]] = [[], [], []]
    for row, token in generate_batch(model, prompts, Picker(GREEDY), max_new_tokens=60):
        rows[row].append(token)
    assert rows == [plainly(model, prompt, GREEDY, max_new_tokens=60, seed=0) for prompt in prompts]


def test_a_conversation_goes_on_with_the_captured_pass(recorder: Recorder) -> None:
    model, held = model_of("grouped", 120), Held()
    prompt = [1, 2, 3]
    for turn in ([4, 5], [6, 7, 8], [9]):
        prompt = [*prompt, *turn]
        context = held.take(model, prompt, 120)
        answer = list(by_lookup(context, prompt, Picker(GREEDY), 9, drafting=False))
        held.give(context)
        assert answer == plainly(model, prompt, GREEDY, max_new_tokens=9, seed=0)
        prompt += answer
    assert [recording_room(recording) for recording in recorder.recordings] == [16, 32, 64]


def test_short_texts_and_last_tokens_are_not_worth_a_capture(recorder: Recorder) -> None:
    model = model_of("gpt", 100)
    list(generate_tokens(model, [1], GREEDY, max_new_tokens=5, seed=0))
    assert not recorder.recordings
    list(generate_tokens(model, [1], GREEDY, max_new_tokens=18, seed=0))  # 16, and 3 more: not worth the room of 32
    assert [recording_room(recording) for recording in recorder.recordings] == [16]
    recorder.recordings.clear()
    list(generate_tokens(model_of("gpt", 18), [1], GREEDY, max_new_tokens=40, seed=0))  # 2 more, again and again
    assert [recording_room(recording) for recording in recorder.recordings] == [16, 18]


@pytest.mark.parametrize(
    "model",
    [
        GPT(GPTConfig(vocab_size=9, context_length=24, num_layers=1, num_heads=2, embed_dim=8, positions="alibi")),
        Llama(LlamaConfig(vocab_size=9, context_length=24, num_layers=1, num_heads=2, embed_dim=8, sliding_window=8)),
    ],
)
def test_models_that_cannot_go_the_ordinary_way(recorder: Recorder, model: Model) -> None:
    found = list(generate_tokens(model, [1], GREEDY, max_new_tokens=60, seed=0))
    assert found == plainly(model, [1], GREEDY, max_new_tokens=60, seed=0)
    assert not recorder.recordings


def test_a_capture_that_fails_is_said_once_and_changes_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(step: Pass, undo: Callable[[], None]) -> Pass:
        step()
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(lockstep, "capture_on", lambda device: fails)
    model = model_of("gpt", 90)
    with pytest.warns(UserWarning, match="without a CUDA graph: operation not permitted") as warned:
        found = list(generate_tokens(model, [1], GREEDY, max_new_tokens=120, seed=0))
    assert len(warned) == 1
    assert found == plainly(model, [1], GREEDY, max_new_tokens=120, seed=0)


def test_a_cpu_captures_nothing() -> None:
    assert capture_on(torch.device("cpu")) is None


def test_what_torch_is_asked_for_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three passes on a side stream, each undone, one captured there, and what waits for what."""
    said: list[str] = []

    class Stream:
        def __init__(self, name: str = "side") -> None:
            self.name = name

        def wait_stream(self, other: "Stream") -> None:
            said.append(f"{self.name} waits for {other.name}")

    class Graph:
        def replay(self) -> None:
            said.append("replay")

    @contextmanager
    def inside(name: str) -> Iterator[None]:
        said.append(name)
        yield
        said.append(f"end of {name}")

    def graph(*args: Any, **options: Any) -> Any:
        inspect.signature(real_graph).bind(*args, **options)
        assert options["stream"].name == "side"
        return inside(f"capture {options['capture_error_mode']}")

    real_graph, logits = torch.cuda.graph, torch.zeros(1)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream("main"))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: inside(stream.name))
    monkeypatch.setattr(torch.cuda, "device", lambda device: inside(str(device)))
    monkeypatch.setattr(torch.cuda, "graph", graph)

    def step() -> Tensor:
        said.append("pass")
        return logits

    capture = capture_on(torch.device("cuda", 1))
    assert capture is not None
    replay = capture(step, lambda: said.append("undo"))
    assert said == [
        *("cuda:1", "side waits for main", "side", *(["pass", "undo"] * 3)),
        *("capture thread_local", "pass", "end of capture thread_local", "end of side"),
        *("main waits for side", "end of cuda:1"),
    ]
    said.clear()
    assert replay() is logits
    assert said == ["replay"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA graph needs a GPU")
@pytest.mark.parametrize("kind", [*CHOICES, "bigram"])
def test_on_a_gpu(kind: str) -> None:
    if kind == "bigram":
        model: Model = Bigram(BigramConfig(vocab_size=60, context_length=200))
    else:
        model = model_of(kind, 200)
    on_cpu = plainly(model, [1, 2, 3], GREEDY, max_new_tokens=300, seed=0)
    model.cuda()
    found = list(generate_tokens(model, [1, 2, 3], GREEDY, max_new_tokens=300, seed=0))
    assert found == plainly(model, [1, 2, 3], GREEDY, max_new_tokens=300, seed=0) == on_cpu
