"""The main job from end to end: prepare, a bigram as the line to beat, a GPT, measurements, pictures.

texts -> dataset -> sizes (from the amount of text) -> steps (from the seconds and this machine's speed)
      -> bigram run -> GPT run -> the same measurements of both -> table
"""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from hornbook.batches.dataset import Dataset
from hornbook.batches.prepare import PrepareSettings, prepare
from hornbook.commands._parts import build_parts
from hornbook.commands._pretraining import finish, language_model
from hornbook.commands._progress import run_progress
from hornbook.commands._quickstart_result import Measured, QuickstartResult
from hornbook.commands._quickstart_sizes import bigram_layer, gpt_layer, vocabulary_for
from hornbook.commands._recipe import Recipe, check_recipe, resolved
from hornbook.commands.base import talk
from hornbook.config import Layer
from hornbook.corpora.base import open_source
from hornbook.errors import UserError
from hornbook.evaluation.perplexity import Perplexity
from hornbook.evaluation.village_questions import VillageQuestions
from hornbook.generation.generate import LanguageModel
from hornbook.pictures.token_pictures import token_boxes
from hornbook.training.deadline import Deadline
from hornbook.training.loop import Loop
from hornbook.training.run_folder import RunFolder
from hornbook.training.update import update

LEAST_STEPS = 10
LOOKS = 6  # evaluations on the way
LOOKING = 1.1  # the time of a training with its evaluations, for each second of steps
SHOWN_TOKENS = 120  # in the token picture
BIGRAM_SHARE = 0.08  # of the training time: a bigram is learned by then, whatever the text
WARM_STEPS, TIMED_STEPS = 3, 5  # steps of a throwaway model, to learn how fast this machine is
LayerFor = Callable[[Dataset, int], Layer]  # dataset, steps -> the settings of a run
VILLAGE_PROMPTS = ("One morning Nora", "Question: Where is the")


@dataclass(frozen=True)
class Quickstart:
    """One quickstart: texts or a corpus, seconds of training, the folder to make, seed and device.

    `page` is open while the models train.
    """

    texts: tuple[str, ...]
    seconds: float
    out: Path
    seed: int
    device: str
    page: AbstractContextManager[object] = field(default_factory=nullcontext)

    def run(self) -> QuickstartResult:
        """Do all of it. Errors: `UserError` for text that can't be read or is too short, before anything is trained."""
        started = time.monotonic()
        require_free(self.out)
        dataset = self.prepare()
        with self.page:
            bigram = self.train(dataset, "bigram", bigram_layer, self.seconds * BIGRAM_SHARE, None)
            left = self.seconds * (1 - BIGRAM_SHARE)
            gpt = self.train(dataset, "gpt", gpt_layer, left, bigram.loss)
        self._draw_tokens(dataset)
        return QuickstartResult(self.out, dataset, bigram, gpt, self._questions(gpt), time.monotonic() - started)

    @property
    def is_village(self) -> bool:
        """Whether the built-in stories are told, whose questions have known answers."""
        return self.texts == ("village",)

    def prepare(self) -> Dataset:
        """The texts as a dataset in the folder."""
        corpus = open_source(self.texts)
        talk("telling stories of the village" if self.is_village else f"reading {', '.join(self.texts)}")
        settings = PrepareSettings(vocab_size=vocabulary_for(corpus.size_bytes or 5_000_000), seed=self.seed)
        return prepare(corpus, settings, self.out / "data", notify=talk)

    def train(
        self, dataset: Dataset, name: str, layer_for: LayerFor, seconds: float, baseline: float | None
    ) -> Measured:
        """Train one of the two models for about `seconds` and measure it."""
        prompts = VILLAGE_PROMPTS if self.is_village and name == "gpt" else ()
        rest: Layer = {
            "data": {"folder": str(dataset.folder)},
            "generation": {"prompts": prompts, "max_new_tokens": 60},
        }
        steps = self._steps(check_recipe(layer_for(dataset, LEAST_STEPS) | rest), dataset, seconds)
        layer = layer_for(dataset, steps) | rest
        training = {**layer["training"], "steps": steps, "evaluate_every": -(-steps // LOOKS), "seed": self.seed}
        recipe = check_recipe({**layer, "training": training})
        parts = build_parts(recipe, dataset, self.device)
        run = RunFolder.create(self.out / name, resolved(recipe, dataset, self.out / name))
        samples = parts.sample if name == "gpt" else None  # one look at what a bigram writes is enough, at the end
        # a busy moment may have misled the first count; the bigram's few seconds are over before that shows
        deadline = Deadline(time.time() + LOOKING * seconds, ending=0) if name == "gpt" else None
        loop = Loop(replace(parts, sample=samples), recipe.training, recipe.schedule, run, deadline=deadline)
        talk(f"\n{name}: {language_model(parts).num_parameters():,} parameters, {steps:,} steps")
        with run_progress(steps) as progress:
            loop.run(progress.report)
        model = LanguageModel(language_model(parts), dataset.tokenizer, {})
        folder = finish(recipe, dataset, loop, baseline)
        if samples is None and parts.sample:
            talk("    " + parts.sample(loop.done)[0].strip().replace("\n", "\n    "))
        numbers = Perplexity().run(model, dataset).numbers
        return Measured(name, model, folder, numbers, loop.speed.tokens_per_second)

    def _steps(self, recipe: Recipe, dataset: Dataset, seconds: float) -> int:
        """About how many steps fit into `seconds` here: a throwaway model takes a few, and their median counts.

        Sizes and rates follow from it; the loop's deadline judges again on the way, and metrics.jsonl says how.
        """
        parts = build_parts(recipe, dataset, self.device)
        parts.model.train()
        times = []
        for step in range(WARM_STEPS + TIMED_STEPS):
            begun = time.perf_counter()
            update(parts, recipe.training, recipe.schedule, step)
            times.append(time.perf_counter() - begun)
        return max(LEAST_STEPS, int(seconds / statistics.median(times[WARM_STEPS:])))

    def _draw_tokens(self, dataset: Dataset) -> None:
        """The first tokens of the validation text, each in its box."""
        ids = dataset.val[:SHOWN_TOKENS].tolist()
        pieces = [dataset.tokenizer.token_text(token) for token in ids]
        title = f"The validation text in tokens of {dataset.vocab_size:,} kinds"
        token_boxes(pieces, self.out / "pictures" / "tokens", title=title)

    def _questions(self, gpt: Measured) -> dict[str, float] | None:
        return VillageQuestions().run(gpt.model, None).numbers if self.is_village else None


def require_free(out: Path) -> None:
    """Raise `UserError` where something lies at `out` already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"'{out}' already exists", hint="choose another --out")
