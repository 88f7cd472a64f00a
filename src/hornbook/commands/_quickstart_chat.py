"""`hornbook quickstart --chat`: a model that has read the village's stories learns to answer questions about them.

stories and songs -> dataset -> GPT run -> facts, then conversations -> two fine-tunings -> the same questions before, after
"""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import hornbook
from hornbook.batches.dataset import Dataset
from hornbook.chat_template import Message
from hornbook.commands._finetuning import Finetuning
from hornbook.commands._progress import run_progress
from hornbook.commands._quickstart import LEAST_STEPS, LOOKING, Quickstart, require_free
from hornbook.commands._quickstart_chat_result import ChatResult
from hornbook.commands._quickstart_result import Measured
from hornbook.commands._quickstart_sizes import TOKENS_A_STEP, gpt_layer
from hornbook.commands.base import talk
from hornbook.config import Layer, merge
from hornbook.corpora.village_facts import VillageFacts
from hornbook.corpora.village_questions import VillageQuestions as Conversations
from hornbook.evaluation.village_questions import VillageQuestions
from hornbook.generation.generate import LanguageModel
from hornbook.training.deadline import Deadline
from hornbook.training.distributed import ALONE
from hornbook.training.loop import Loop
from hornbook.training.run_folder import RunFolder
from hornbook.village.examples import first_message
from hornbook.village.stories import story

PRETRAINING_SHARE = 0.2  # of the time: enough for the words; what looks up lies there from the start
CONTEXT = 512  # a story with all its questions, and room for more
TEMPLATE = "plain"
CONVERSATIONS_A_STEP = 8
TOKENS_A_CONVERSATION = 210  # about, padding included
SLOWER = 0.85  # a token of a conversation, against one of the shorter rows of facts
HELD_OUT, TESTED = 200, 100  # conversations: a look at more would take from the time to learn in
FASTER = 1.5  # tokens a second where answers alone are learned, against the pretraining
FACTS_SHARE = 0.25  # of the fine-tuning, at most; on them it learns in a minute what stories alone hardly teach
FACTS_A_STEP = 16
TOKENS_OF_FACTS = 150  # about, padding included
MOST_STEPS_OF_FACTS = 900
LOOKS = 5  # evaluations on the way
ANOTHER = 1000  # number of a test story that is none of the 200


@dataclass(frozen=True)
class ChatQuickstart:
    """One such quickstart: seconds of training in all, the folder to make, seed and device; `page` is open meanwhile."""

    seconds: float
    out: Path
    seed: int
    device: str
    page: AbstractContextManager[object] = field(default_factory=nullcontext)

    def run(self) -> ChatResult:
        """Do all of it. Errors: `UserError` where something lies in the folder already."""
        started = time.monotonic()
        require_free(self.out)
        quickstart = Quickstart(("village",), self.seconds, self.out, self.seed, self.device)
        dataset = quickstart.prepare()
        with self.page:
            base = quickstart.train(dataset, "gpt", chat_gpt_layer, self.seconds * PRETRAINING_SHARE, None)
            before = VillageQuestions().run(base.model, None).numbers
            right = f"{before['right (share)']:.0%}"
            talk(f"of {before['questions']:.0f} questions about new stories it answers {right} exactly")
            folder = self._finetune(base, self.seconds * (1 - PRETRAINING_SHARE))
        assistant = hornbook.load(folder, self.device)
        after = VillageQuestions().run(assistant, None)
        begun = _conversation(assistant)
        return ChatResult(self.out, base, assistant, folder, before, after, begun, time.monotonic() - started)

    def _finetune(self, base: Measured, seconds: float) -> Path:
        """Teach the model to look up facts, then to answer about stories, for about `seconds`; the assistant's folder."""
        a_step = FACTS_A_STEP * TOKENS_OF_FACTS / (FASTER * base.tokens_per_second)  # seconds
        steps = min(MOST_STEPS_OF_FACTS, max(LEAST_STEPS, int(seconds * FACTS_SHARE / a_step)))
        talk(f"\nfacts: writing {steps * FACTS_A_STEP:,} lists of who has what and where")
        facts = VillageFacts(steps * FACTS_A_STEP, self.seed + 1).write(self.out / "facts.jsonl")
        able, tokens_per_second = self._teach(
            facts_layer(base.folder, facts, steps, self.seed), self.out / "facts", None
        )
        left = max(seconds * (1 - FACTS_SHARE), seconds - steps * a_step)
        steps = max(LEAST_STEPS, int(left * SLOWER * tokens_per_second / TOKENS_A_CONVERSATION) // CONVERSATIONS_A_STEP)
        learned = steps * CONVERSATIONS_A_STEP
        talk(f"\nchat: writing {learned:,} conversations about other stories")
        questions = Conversations(learned, self.seed + 1).write(self.out / "questions.jsonl")
        assistant, _ = self._teach(chat_layer(able, questions, steps, self.seed), self.out / "chat", LOOKING * left)
        return assistant

    def _teach(self, layer: Layer, out: Path, seconds: float | None) -> tuple[Path, float]:
        """One fine-tuning, its steps fitted into `seconds` where they are given; the model folder, and tokens a second."""
        job = Finetuning.new(layer, None, out, ALONE)
        parts = job.build(self.device, ALONE)
        deadline = Deadline(time.time() + seconds, ending=0) if seconds else None
        run = RunFolder.create(out, job.settings(out))
        loop = Loop(parts, job.training, job.schedule, run, deadline=deadline)
        talk(f"{job.about(parts)}, {loop.steps:,} steps")
        with run_progress(loop.steps) as progress:
            loop.run(progress.report)
        job.finish(loop)
        return run.model, loop.speed.tokens_per_second


def _conversation(assistant: LanguageModel) -> list[Message]:
    """One more story that it never read, with a question and its answer."""
    told = story(0, "test", ANOTHER)
    asked = {"role": "user", "content": first_message(told, told.questions[0])}
    return [asked, {"role": "assistant", "content": assistant.chat([asked], max_new_tokens=64, temperature=0)}]


def chat_gpt_layer(dataset: Dataset, steps: int) -> Layer:
    """The quickstart's GPT with room for a story and many questions, its steps as large.

    It starts able to look up, and the rate leaves it that: with the usual one the names that nobody can foretell undo it.
    """
    return merge(
        gpt_layer(dataset, steps),
        {
            "model": {"context_length": CONTEXT, "induction": True},
            "optimizer": {"learning_rate": 0.002},
            "training": {"batch_size": TOKENS_A_STEP // CONTEXT},
        },
    )


def chat_layer(
    base: Path, questions: Path, steps: int, seed: int, conversations_a_step: int = CONVERSATIONS_A_STEP
) -> Layer:
    """The settings of the fine-tuning. A rate as high as the pretraining's forgets more than it learns (docs/log.md)."""
    written = steps * conversations_a_step
    return {
        "finetune": {
            "kind": "chat",
            "model": str(base),
            "data": str(questions),
            "template": TEMPLATE,
            "packing": False,  # stories are of like length
            "answer_tokens": 40,
            "val_fraction": min(0.05, HELD_OUT / written),
            "test_fraction": min(0.05, TESTED / written),
        },
        "optimizer": {"kind": "muon", "learning_rate": 0.002, "adamw_learning_rate": 0.001, "weight_decay": 0.1},
        "schedule": {
            "kind": "warmup_stable_decay",
            "warmup_steps": min(20, steps // 5),
            "decay_fraction": 1.0,
            "final_fraction": 0.0,
        },
        "training": {
            "steps": steps,
            "batch_size": conversations_a_step,
            "evaluate_every": -(-steps // LOOKS),
            "seed": seed,
            "clip": 1.0,
        },
    }


def facts_layer(base: Path, facts: Path, steps: int, seed: int) -> Layer:
    """The same for the short fine-tuning before it."""
    layer = chat_layer(base, facts, steps, seed, FACTS_A_STEP)
    return merge(layer, {"training": {"evaluate_every": steps}})
