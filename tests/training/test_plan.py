"""What a plan computes, against torch's own records of memory and products, and against real optimizers and real passes."""

import re
import runpy
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from hornbook import device
from hornbook.errors import UserError
from hornbook.layers.loss import next_token_loss
from hornbook.models.base import Model, ModelConfig
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.optimizers.adamw import AdamW
from hornbook.optimizers.base import OptimizerRecipe
from hornbook.optimizers.muon import Muon, orthogonalise
from hornbook.training.blocks import running
from hornbook.training.dry_run import Portion, dry_run
from hornbook.training.hardware import KINDS, Machine, machine_named
from hornbook.training.pace import Pace, dollars_of, duration_of, pace_on, slowest_of, step_on
from hornbook.training.plan import Job, disk_of, looks_of, memory_of, work_of
from hornbook.training.sizes import sizes_of
from hornbook.training.update import Training

ROOT = Path(__file__).parents[2]
SIZES = {"vocab_size": 300, "context_length": 32, "num_layers": 4, "num_heads": 4, "embed_dim": 32}
LLAMA, DEEP = LlamaConfig(**SIZES), GPTConfig(**SIZES, dropout=0.1, tied_output=False)
MODELS: dict[str, tuple[type[Model], ModelConfig]] = {
    "llama": (Llama, LLAMA),
    "gpt, dropout, untied": (GPT, DEEP),
    "gpt, norm after, position bias": (GPT, GPTConfig(**SIZES, norm="after", positions="relative")),
    "bigram": (Bigram, BigramConfig(vocab_size=300, context_length=32)),
    "llama, logits in parts": (Llama, LlamaConfig(**{**SIZES, "num_layers": 1, "vocab_size": 100_000})),
}


def allocated(model: Model, rows: int, bf16: bool, recompute: bool = False) -> int:
    """The most bytes that torch's allocator gave out at once in a real forward and backward pass."""
    tokens = torch.zeros(rows, model.config.context_length, dtype=torch.int64)

    def both() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss, _ = next_token_loss(model, tokens, tokens)
        loss.backward()

    with running(model, recompute=recompute):
        return most_allocated(both) + tokens.nbytes


def most_allocated(action: Callable[[], object]) -> int:
    """The most bytes that torch's allocator gave out at once while something ran, as torch's profiler tells it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        action()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_the_peak_is_what_torch_allocates(name: str, bf16: bool) -> None:
    """To the byte in fp32: though the four blocks are found from two and three, and nothing is allocated."""
    model_class, config = MODELS[name]
    planned = dry_run(model_class, config, Portion(rows=3, precision="bf16" if bf16 else "fp32"))
    real = allocated(model_class(config).train(), 3, bf16)
    assert max(planned.stages.values()) == pytest.approx(real, rel=0.01 if bf16 else 1e-6)


@pytest.mark.parametrize("name", ["llama", "gpt, dropout, untied"])
def test_recomputed_blocks_hold_what_came_in_and_compute_a_third_more(name: str) -> None:
    model_class, config = MODELS[name]
    kept, planned = (dry_run(model_class, config, Portion(rows=3, recompute=recompute)) for recompute in (False, True))
    real = allocated(model_class(config).train(), 3, False, recompute=True)
    assert max(planned.stages.values()) == pytest.approx(real, abs=6000)  # a generator's state, 5,056 bytes
    assert planned.activations < 0.3 * kept.activations
    assert planned.attention_flops == pytest.approx(kept.attention_flops * 4 / 3, rel=0.01)


def test_gradients_that_are_there_already_are_held_too() -> None:
    model = Llama(LLAMA).train()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    gradients = sum(parameter.nbytes for parameter in model.parameters())
    planned = dry_run(Llama, LLAMA, Portion(rows=3, gradients="added"))
    assert max(planned.stages.values()) == pytest.approx(allocated(model, 3, False) + gradients, rel=1e-6)


def test_attention_that_keeps_no_dropout_holds_less() -> None:
    kept, fused = (dry_run(GPT, DEEP, Portion(rows=3, fused=fused)) for fused in (False, True))
    assert fused.activations < 0.8 * kept.activations


def test_small_tensors_take_the_holes_of_the_heap_with_them() -> None:
    plain, holey = (dry_run(Llama, LLAMA, Portion(rows=3, heap=heap)) for heap in (1.0, 1.5))
    assert holey.activations == pytest.approx(1.5 * plain.activations, rel=1e-3)
    assert holey.weights == plain.weights
    large = BigramConfig(vocab_size=3000, context_length=3000)  # its logits are 36 MB
    assert dry_run(Bigram, large, Portion(1, heap=1.5)).output == pytest.approx(
        dry_run(Bigram, large, Portion(1)).output, rel=1e-2
    )


@pytest.mark.parametrize("name", ["llama", "gpt, dropout, untied"])
def test_products_are_what_torch_counts(name: str) -> None:
    model_class, config = MODELS[name]
    tokens = torch.zeros(3, 32, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        next_token_loss(model := model_class(config).train(), tokens, tokens)[0].backward()
    counted = Counter(
        {str(kind).partition(".")[2]: flops for kind, flops in counter.get_flop_counts()["Global"].items()}
    )
    planned = dry_run(model_class, config, Portion(rows=3))
    assert planned.weight_flops == counted["mm"] + counted["addmm"]
    width, layers = 32, 4
    assert planned.attention_flops == 12 * layers * width * 32 * tokens.numel()
    assert counted["bmm"] in (0, planned.attention_flops)  # with dropout attention is written out
    assert model.num_parameters() > 0


def test_gpt2_by_hand() -> None:
    """6 FLOPs for each weight that multiplies a token: all matrices but the table of positions."""
    config = GPTConfig(vocab_size=50257, context_length=1024, num_layers=12, num_heads=12, embed_dim=768)
    planned = dry_run(GPT, config, Portion(rows=1, fused=True))
    matrices = 50257 * 768 + 12 * 12 * 768**2
    assert planned.weight_flops == 6 * matrices * 1024
    assert sizes_of(GPT, config, AdamW()).parameters == 124_439_808


@pytest.mark.parametrize("optimizer", [AdamW(), Muon()])
def test_what_an_optimizer_keeps(optimizer: OptimizerRecipe) -> None:
    model = Llama(LLAMA)
    built = optimizer.build(model.named_parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    built.step()
    state = [value for entries in built.state.values() for name, value in entries.items() if name != "step"]
    sizes = sizes_of(Llama, LLAMA, optimizer)
    assert sizes.state == sum(value.nbytes for value in state)
    assert sizes.weights == sizes.outside + 4 * sizes.block == 4 * model.num_parameters()


def test_muons_own_products() -> None:
    sizes = sizes_of(Llama, LLAMA, Muon())
    shapes = [
        matrix.shape for name, matrix in Llama(LLAMA).named_parameters() if "blocks" in name and matrix.dim() == 2
    ]
    with FlopCounterMode(display=False) as counter:
        for shape in shapes:
            orthogonalise(torch.zeros(1, *shape))
    assert sizes.update_flops == counter.get_total_flops() > 0
    assert sizes_of(Llama, LLAMA, AdamW()).update_flops == 0


def test_muons_own_memory() -> None:
    model = Llama(LLAMA)
    optimizer = Muon().build(model.named_parameters())
    for _ in range(2):  # the first step makes the state
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        most = most_allocated(optimizer.step)
    assert sizes_of(Llama, LLAMA, Muon()).update == pytest.approx(most, rel=0.1)


JOB = Job(Llama, LLAMA, AdamW(), Training(steps=10, batch_size=16))


def job(devices: int = 1, gpu: bool = False, **training: object) -> Job:
    return replace(JOB, training=Training(steps=10, batch_size=16, **training), devices=devices, gpu=gpu)


def test_the_precision_is_that_of_the_model_it_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model made smaller until it fits may fall below the size that bf16 needs: its run would compute in fp32."""
    monkeypatch.setattr(device, "LARGE", JOB.sizes.parameters)
    on_units = replace(JOB, bf16_unit=True)
    smaller = replace(on_units, config=LLAMA.model_copy(update={"num_layers": 1}))
    assert [each.precision for each in (JOB, on_units, smaller)] == ["fp32", "bf16", "fp32"]
    assert on_units.portion == job(precision="bf16").portion != JOB.portion
    assert replace(on_units, training=Training(precision="fp32")).precision == "fp32"


class TestMemory:
    """What one device holds, moment by moment."""

    def test_the_peak_is_all_that_is_there_at_its_moment(self) -> None:
        memory = memory_of(JOB, process=1000)
        assert memory.moment == "backward pass of the output layer"
        kept = 1000 + memory.weights + memory.optimizer
        assert memory.peak == kept + JOB.portion.output >= kept + memory.activations + memory.logits

    def test_smaller_microbatches_hold_less(self) -> None:
        peaks = [memory_of(job(microbatch_size=rows), 0).peak for rows in (16, 4, 1)]
        assert peaks == sorted(peaks, reverse=True)
        assert peaks[-1] < peaks[0] / 3

    @pytest.mark.parametrize(("rows", "waiting"), [(16, 0), (8, 1), (4, 2), (2, 3), (1, 4), (3, 2)])
    def test_unfinished_sums_of_a_tree_wait(self, rows: int, waiting: int) -> None:
        """As in the tree itself: after 0, 1, ... microbatches it holds as many sums as that number has ones in base 2."""
        assert job(microbatch_size=rows).waiting == waiting
        assert job(microbatch_size=rows, reduce="fast").waiting == min(1, waiting)

    def test_one_microbatch_has_nothing_to_sum(self) -> None:
        assert job().summing == ""
        assert job(devices=2).summing == "canonical"
        assert job(devices=2, gpu=True).summing == "fast"
        assert job(devices=2, sharded=True).summing == "sharded"
        assert job(sharded=True).sharded is False  # alone there is nobody to share with

    def test_devices_share_what_is_sharded(self) -> None:
        whole, parted = (memory_of(job(8, True, sharded=sharded, microbatch_size=2), 0) for sharded in (False, True))
        assert parted.optimizer == -(-whole.optimizer // 8)
        assert parted.gradients == -(-whole.gradients // 8)
        assert parted.weights < whole.weights / 4  # tables of positions are whole in every device
        assert parted.activations == whole.activations

    def test_sums_over_processes_take_room(self) -> None:
        weights = JOB.sizes.weights
        moments = {
            how: memory_of(job(2, reduce=how), 0).moments["sum over the processes"] for how in ("fast", "canonical")
        }
        alone = memory_of(job(), 0).moments["sum over the processes"]
        assert moments["fast"] - alone == weights
        assert moments["canonical"] - alone == 5 * weights


def test_what_is_read_and_computed() -> None:
    work = work_of(job(microbatch_size=3))
    assert (work.tokens_a_step, work.tokens) == (16 * 32, 160 * 32)
    assert work.flops_a_step == pytest.approx(dry_run(Llama, LLAMA, Portion(rows=16)).flops, rel=1e-6)
    assert work.flops == 10 * work.flops_a_step
    assert work.tokens_per_parameter == pytest.approx(160 * 32 / JOB.sizes.parameters)


@pytest.mark.parametrize(
    ("settings", "evaluations", "checkpoints", "kept"),
    [
        ({"evaluate_every": 4}, 3, 3, 3),  # after 4, 8 and 10
        ({"evaluate_every": 5}, 2, 2, 2),  # after 5 and 10
        ({"evaluate_every": 50}, 1, 1, 1),
        ({"evaluate_every": 4, "checkpoint_every": 2}, 3, 5, 4),  # two, the best, and the one being written
        ({"evaluate_every": 1, "keep": 1, "keep_every": 5}, 10, 10, 5),
    ],
)
def test_how_often_a_run_stops_to_look(settings: dict[str, int], evaluations: int, checkpoints: int, kept: int) -> None:
    looks = looks_of(Training(steps=10, **settings))
    assert (looks.evaluations, looks.checkpoints, looks.kept) == (evaluations, checkpoints, kept)


def test_disk() -> None:
    disk = disk_of(job(evaluate_every=5), dataset=1000)
    assert disk.checkpoint == 3 * JOB.sizes.weights  # weights and AdamW's two numbers
    assert disk.total == 2 * disk.checkpoint + disk.model + 1000


def test_the_seconds_of_a_run_add_up() -> None:
    duration = duration_of(job(evaluate_every=5), Pace(step=2, evaluation=3, samples=1, written=1e6, hashed=1e9))
    assert (duration.steps, duration.evaluations, duration.samples) == (20, 6, 2)
    assert duration.checkpoints == pytest.approx(2 * 3 * JOB.sizes.weights * (1e-6 + 1e-9))
    assert duration.total > 28


class TestMachines:
    """The table of machines, and steps computed from it."""

    def test_names(self) -> None:
        assert machine_named("h100") == Machine("h100", 1)
        assert machine_named("8xH200").name == "8xh200"

    @pytest.mark.parametrize("name", ["h1000", "8 h100", "xh100", "", "8x"])
    def test_unknown_ones(self, name: str) -> None:
        with pytest.raises(UserError, match=f"unknown machine '{name}' .*8xh100"):
            machine_named(name)

    def test_none_of_them(self) -> None:
        with pytest.raises(UserError, match="no devices: '0xh100'; hint: write h100"):
            machine_named("0xh100")

    def test_the_table_is_in_its_units(self) -> None:
        for kind in KINDS.values():
            assert 10e9 < kind.memory < 300e9
            assert 10e12 < kind.fp32 < kind.bf16 < 1e16
            assert kind.link < kind.bandwidth
            assert 0.1 < kind.dollars < 20

    def test_over_the_network_links_are_slower(self) -> None:
        assert Machine("h100", 8).link > Machine("h100", 16).link
        assert Machine("l4", 16).link == Machine("l4").link

    def test_a_small_model_waits_for_python(self) -> None:
        assert slowest_of(step_on(replace(JOB, gpu=True), Machine("h100"))) == "starting operations"

    def test_a_large_one_for_products_and_over_the_network_for_weights(self) -> None:
        config = LlamaConfig(vocab_size=32000, context_length=512, num_layers=12, num_heads=16, embed_dim=2048)
        large = Job(Llama, config, AdamW(), Training(batch_size=64, microbatch_size=4, precision="bf16"), gpu=True)
        step = step_on(large, Machine("h100"))
        assert slowest_of(step) == "products"
        assert step.products == pytest.approx(work_of(large).flops_a_step / (0.3 * 989e12))
        shared = replace(large, devices=16, training=large.training.model_copy(update={"sharded": True}))
        assert slowest_of(step_on(shared, Machine("h100", 16))) == "weights on their way"

    def test_eight_devices_are_nearly_eight_times_as_fast(self) -> None:
        config = LlamaConfig(vocab_size=32000, context_length=512, num_layers=12, num_heads=16, embed_dim=2048)
        one, eight = (
            step_on(
                Job(Llama, config, AdamW(), Training(batch_size=64, microbatch_size=4), count, True),
                Machine("h100", count),
            )
            for count in (1, 8)
        )
        assert 6 < one.total / eight.total < 8

    def test_cost(self) -> None:
        assert dollars_of(7200, Machine("h100", 8)) == pytest.approx(2 * 8 * KINDS["h100"].dollars)

    def test_a_text_of_unknown_length_has_no_evaluation_time(self) -> None:
        pace = pace_on(replace(JOB, gpu=True), Machine("h100"), None, 100)
        assert pace.evaluation is None
        assert pace.samples > 0


SCALING = runpy.run_path(str(ROOT / "scripts" / "scaling"))


def test_the_page_on_scaling_begins_as_computed() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    name = next(iter(SCALING["MODELS"]))
    assert SCALING["memory_row"](name) in page
    assert all(page.count(f"| {model} |") == 2 for model in SCALING["MODELS"])


@pytest.mark.slow
def test_the_page_on_scaling_is_as_computed() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    found = re.search("(?s)<!-- tables: scripts/scaling -->\n(.*)<!-- end -->", page)
    assert found is not None
    assert found[1] == SCALING["tables"]() + "\n"
