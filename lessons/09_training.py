# %% [markdown]
# # 9. Training
#
# One step lowers the loss a little. Training is some hundreds or some millions of such steps. In this lesson we write the
# loop, watch a model learn, and then watch it learn too much: it begins to know its text by heart.
#
# The text is short and the model tiny, so that all of it happens while you look on.

# %%
import tempfile
from pathlib import Path

import numpy as np
import torch

from hornbook.batches.order import batch_starts
from hornbook.batches.windows import Windows
from hornbook.layers.loss import mean_loss
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.pictures.drawing import BLUE, VERMILION, picture
from hornbook.pictures.function_curves import function_curves
from hornbook.pictures.loss_curves import loss_curves
from hornbook.tokenizers.bpe import BPE
from lesson import PICTURES, number, show, village_text

text = village_text(stories=14)
cut = int(0.8 * len(text))
bpe = BPE.train([text[:cut]], vocab_size=400)
train, validation = np.array(bpe.encode(text[:cut])), np.array(bpe.encode(text[cut:]))
print(f"{len(train):,} tokens to learn from, {len(validation):,} to be asked about")

# %% [markdown]
# ## The loop
#
# The order of the batches comes from lesson 3 and the loss from lesson 8. Every step has the same stages: the model
# guesses (*forward*), the loss compares the guesses with what came, `backward` finds the gradient, and an *optimizer*
# turns the weights against it. `zero_grad` clears the old gradient, because `backward` adds to what is there.
#
# The model is a *Llama*, the kind that the package trains unless told otherwise: a GPT with rotary positions, a plainer
# norm and a feed-forward part with a gate. It learns in fewer steps, and the loop doesn't care what it trains.

# %%
CONTEXT, BATCH = 32, 8
windows = Windows(train, CONTEXT)


def new_model(dropout=0.0):
    sizes = {"num_layers": 1, "num_heads": 4, "embed_dim": 64, "dropout": dropout, "tied_output": False}
    config = LlamaConfig(vocab_size=bpe.vocab_size, context_length=CONTEXT, **sizes)
    return Llama(config, torch.Generator().manual_seed(1))


def batch(step):
    return windows.gather(batch_starts(step, seed=1, batch_size=BATCH, num_tokens=len(train), context_length=CONTEXT))


def train_by_hand(model, optimizer, steps):
    losses = []
    for step in range(steps):
        inputs, targets = batch(step)
        logits = model(inputs)  # forward
        loss = mean_loss(logits, targets)  # how wrong
        optimizer.zero_grad()
        loss.backward()  # backward
        optimizer.step()  # turn the weights
        losses.append(loss.item())
    return losses


model = new_model()
first = model.token_embedding.weight.detach().clone()
plain = train_by_hand(model, torch.optim.SGD(model.parameters(), lr=0.5), steps=60)
print("loss at steps 1, 20, 40, 60:", ", ".join(f"{plain[step]:.2f}" for step in (0, 19, 39, 59)))
assert plain[-1] < plain[0]
assert not torch.equal(first, model.token_embedding.weight)

# %% [markdown]
# It learns. `SGD` is the plain descent of lesson 8: subtract the gradient times the learning rate.
#
# ## A better optimizer
#
# Plain descent gives every weight the same learning rate, though some have gradients a thousand times as long as
# others. *AdamW* keeps two running means for every weight: of its gradient, and of its square. A step is the first
# divided by the root of the second, so every weight moves by about the learning rate, whatever the size of its gradient.
# Beside that it pulls each weight a little towards 0 (*weight decay*), which works against overfitting. Its forerunner
# Adam put that pull into the gradient, where the division spoils it.

# %%
learning_rate, beta1, beta2, decay = 0.01, 0.9, 0.95, 0.1
weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
optimizer = torch.optim.AdamW([weight], lr=learning_rate, betas=(beta1, beta2), weight_decay=decay)
by_hand, mean, square = weight.detach().clone(), torch.zeros(2), torch.zeros(2)
for step, gradient in enumerate([torch.tensor([100.0, 0.01]), torch.tensor([50.0, 0.02])], start=1):
    weight.grad = gradient
    optimizer.step()
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient**2
    direction = (mean / (1 - beta1**step)) / (square / (1 - beta2**step)).sqrt()  # both means began at 0
    by_hand = by_hand * (1 - learning_rate * decay) - learning_rate * direction
    moves = ", ".join(f"{move:.4f}" for move in (-learning_rate * direction).tolist())
    print(f"gradients {gradient[0]:g} and {gradient[1]:g}: the weights move by {moves}")
assert torch.allclose(by_hand, weight.detach(), atol=1e-6)

# %% [markdown]
# The first gradient of one weight was ten thousand times as long as the other's, and both moved alike.
#
# The package's `AdamW` lets only matrices decay. A norm's weights pulled towards 0 would silence their layer. Same model,
# same batches, same number of steps:

# %%
from hornbook.optimizers.adamw import AdamW

recipe = AdamW(learning_rate=1e-2, weight_decay=0.1)
model = new_model()
optimizer = recipe.build(model.named_parameters())
for group in optimizer.param_groups:
    print(f"{len(group['params']):2} tensors with decay {group['weight_decay']}, such as {group['param_names'][0]}")
adamw = train_by_hand(model, optimizer, steps=60)
print(f"after 60 steps: plain descent {plain[-1]:.2f}, AdamW {adamw[-1]:.2f}")
assert adamw[-1] < plain[-1] - 0.2

# %%
with picture(PICTURES / "optimizers", width=8, height=3.4) as figure:
    axes = figure.add_subplot()
    for losses, colour, name in ((plain, VERMILION, "plain descent"), (adamw, BLUE, "AdamW")):
        axes.plot(range(1, 61), losses, color=colour)
        axes.text(61, losses[-1], name, color=colour, va="center", fontweight="bold")
    axes.set(xlabel="step", ylabel="loss (nats per token)", xlim=(0, 74))
show("optimizers", "Both curves fall; AdamW's is below plain descent's soon after the start and stays there")

# %% [markdown]
# ## A learning rate that changes
#
# At the start the gradients are wild, and AdamW's running means know nothing yet; near the end large steps jump about
# the low point instead of reaching it. So the rate is warmed up in a straight line to its peak, and then falls along half
# a cosine. For 9 batches and 15 epochs, with a fifth of the steps for the warm-up:

# %%
steps = 9 * 15
warmup = int(0.2 * steps)
number("train-06", {"total_steps": steps, "warmup_steps": warmup}, {"total_steps": 135, "warmup_steps": 27})


def rate(step, start, peak, lowest):
    if step < warmup:
        return start + step * (peak - start) / warmup
    progress = (step - warmup) / (steps - warmup)
    return lowest + (peak - lowest) * 0.5 * (1 + np.cos(np.pi * progress))


places = ["0", "13", "27", "54", "81", "134"]
high = {place: rate(int(place), 1e-4, 1e-2, 1e-5) for place in places}
low = {place: rate(int(place), 1e-5, 1e-3, 1e-5) for place in places}
print({place: f"{value:.6f}" for place, value in high.items()})
expected = [0.0001, 0.0048666667, 0.01, 0.0085369984, 0.005005, 1.2113134e-05]
number("train-07", high, dict(zip(places, expected, strict=True)), tolerance=1e-9)
expected = [1e-05, 0.00048666667, 0.001, 0.00085501786, 0.000505, 1.020941e-05]
number("train-07", low, dict(zip(places, expected, strict=True)), tolerance=1e-9)

# %% [markdown]
# The package's `Schedule` is the same curve as a share of the peak, with the two ends tidied: it doesn't spend its first
# step on almost nothing, and the last step has exactly the lowest rate (above, it is missed by a little). A second kind
# stays at the peak for long and then falls in a straight line.

# %%
from hornbook.training.schedule import Schedule

schedule = Schedule(kind="cosine", warmup_steps=warmup, final_fraction=0.001)
ours = [0.01 * schedule.factor(step, steps) for step in range(steps)]
formula = [rate(step, 1e-4, 1e-2, 1e-5) for step in range(steps)]
print(f"largest difference {max(abs(a - b) for a, b in zip(ours, formula, strict=True)):.6f}, last rate {ours[-1]:.6f}")
assert abs(ours[-1] - 1e-5) < 1e-12
assert max(abs(a - b) for a, b in zip(ours, formula, strict=True)) < 4e-4
stable = Schedule(kind="warmup_stable_decay", warmup_steps=warmup, final_fraction=0.001)
curves = {
    "warm-up and cosine": (range(steps), ours),
    "warm-up, stable, decay": (range(steps), [0.01 * stable.factor(step, steps) for step in range(steps)]),
}
function_curves(curves, PICTURES / "schedule", title="The learning rate", xlabel="step", ylabel="learning rate")
show(
    "schedule",
    "A straight line up to the peak at step 27; one curve then falls as half a cosine, the other late and straight",
)

# %% [markdown]
# ## The package's loop
#
# What we wrote by hand is nearly all there is. The package's `Loop` adds what a long run needs: it clips gradients that
# are too long (lesson 8), measures the validation loss now and then, saves *checkpoints* (lesson 11), writes a record of
# every step, and stops when the validation loss has not fallen for some time (*patience*). What differs between
# trainings is handed to it as `Parts`. Without clipping, decay of the rate and the like it is our loop, to the last digit
# or so:

# %%
from hornbook.layers.loss import next_token_loss
from hornbook.training.loop import Loop
from hornbook.training.run_folder import RunFolder
from hornbook.training.update import Parts, Training


def every_window():
    return Windows(validation, CONTEXT, padded=True).every_batch(batch_size=32)


def run(model, recipe, training, schedule, sample=None):
    """Train with the package's loop; gives the best evaluation and all records of the run."""
    optimizer = recipe.build(model.named_parameters())
    parts = Parts(model, optimizer, lambda step: [batch(step)], next_token_loss, every_window, sample)
    with tempfile.TemporaryDirectory() as folder:
        run_folder = RunFolder.create(Path(folder) / "run", {})
        best = Loop(parts, training, schedule, run_folder).run(report=lambda record: None)
        return best, list(run_folder.records())


training = Training(steps=60, batch_size=BATCH, evaluate_every=60, clip=None)
best, records = run(new_model(), recipe, training, Schedule(kind="constant"))
losses = [record["loss"] for record in records if record["kind"] == "step"]
print(f"the loop {losses[-1]:.3f}, by hand {adamw[-1]:.3f}")
assert np.allclose(losses, adamw, atol=1e-2)

# %% [markdown]
# ## Dropout, and what `eval()` does
#
# *Dropout* sets a random share of the numbers inside the model to 0 while it trains, so that no weight can rely on a
# single other one. When the model is asked in earnest, nothing may be missing. `model.eval()` says that training is
# over, `model.train()` that it goes on.
#
# You will often read that `eval()` also switches gradients off. It does not.

# %%
model = new_model(dropout=0.2)
inputs, targets = batch(0)
with torch.random.fork_rng():
    torch.manual_seed(123)
    print("training: two passes give the same?", torch.equal(model(inputs), model(inputs)))
    assert not torch.equal(model(inputs), model(inputs))
model.eval()
print("after eval(): two passes give the same?", torch.equal(model(inputs), model(inputs)))
print("after eval(): is the gradient's path still noted?", model(inputs).requires_grad)
with torch.no_grad():
    print("inside no_grad():", model(inputs).requires_grad)
    assert torch.equal(model(inputs), model(inputs))
    assert not model(inputs).requires_grad
assert model(inputs).requires_grad

# %% [markdown]
# So a measurement needs both. The package's `evaluate_loss` does both, counts every token of the validation part once,
# and leaves the model as it was. Of nothing at all the mean is no number, rather than a perfect 0.

# %%
from hornbook.evaluation.perplexity import evaluate_loss

model.train()
loss, count = evaluate_loss(model, every_window())
print(f"untrained: loss {loss:.2f} over {count} tokens, perplexity {np.exp(loss):.0f} of {bpe.vocab_size} tokens")
assert model.training
assert count == len(validation) - 1
number("loss-05", {"empty": str(evaluate_loss(model, [])[0])}, {"empty": "nan"})

# %% [markdown]
# ## Learning by heart
#
# Now the real run: some twenty epochs on a text of a few pages. Every 20 steps the loop measures the validation loss and
# lets the model write, so that one sees progress as well as a number. (On the command line, `hornbook train` shows a live
# line with the step, both losses and the time that is left.)

# %%
from hornbook.generation.generate import LanguageModel

model = new_model()


def sample(step):
    return ["Zoe" + LanguageModel(model, bpe).generate("Zoe", max_new_tokens=16, temperature=0.8, seed=1)]


per_epoch = len(windows) / BATCH
training = Training(steps=240, batch_size=BATCH, evaluate_every=20)
best, records = run(model, recipe, training, Schedule(warmup_steps=20), sample)
print(f"{training.steps} steps are {training.steps / per_epoch:.1f} epochs")
curve = [(record["step"], record["validation_loss"]) for record in records if record["kind"] == "evaluation"]
losses = [(record["step"], record["loss"]) for record in records if record["kind"] == "step"]
texts = {record["step"]: record["texts"][0] for record in records if record["kind"] == "sample"}
for step, loss in curve[2::2]:
    print(f"step {step:3}: validation {loss:.2f}; {texts[step]!r}")
print(f"best: {best.loss:.2f} after step {best.step}")

# %%
loss_curves(losses, PICTURES / "overfitting", validation=curve, title="Learning, then learning by heart")
show("overfitting", "The training loss falls to the end; the validation loss is lowest early and rises again")
assert best.loss < curve[-1][1]
assert losses[-1][1] < curve[-1][1] - 0.5

# %% [markdown]
# Look at where the curves part. Up to there the model learned things that hold for other stories too. From there on it
# learns *these* stories, and its guesses for others get worse; it is now sure of itself where it should hesitate. This is
# *overfitting*, and with a tiny text and many epochs it has to come. The usual practice is the other end: so much text
# that it is read once.
#
# Two things help at once. The best checkpoint is kept, not the last. And a `patience` of 2 ends the run when
# two evaluations in a row have brought nothing better:

# %%
lowest = min(curve, key=lambda point: point[1])
assert best.step == lowest[0]

training = Training(steps=240, batch_size=BATCH, evaluate_every=20, patience=2)
stopped, records = run(new_model(), recipe, training, Schedule(warmup_steps=20))
last = max(record["step"] for record in records)
print(f"stopped after step {last}, the best was step {stopped.step} with {stopped.loss:.2f}")
assert last < 240

# %% [markdown]
# Dropout, weight decay and a smaller model help too, but more text helps most. Texts of many lengths help as well;
# windows hold every length from one token up.
#
# How large should a batch be? Lesson 3 measured it: small ones need little memory and give a noisy gradient. Where the
# memory isn't enough, a batch can be cut into *microbatches* whose gradients are added up before the step; the result is
# the same (exercise 1).
#
# ## What it costs
#
# For each token, every weight of a matrix is used in one multiplication and one addition on the way forward, and in
# about twice as many on the way back: 6 operations for every weight and token. That is enough to estimate the cost of a
# large model. GPT-3 has 175 billion weights and read 300 billion tokens. Assume processors of 28 trillion operations a
# second for 1.50 dollars an hour:

# %%
operations = 6 * 175e9 * 300e9
hours = operations / 28e12 / 3600
print(f"{operations:.2e} operations, {hours / 24 / 365:,.0f} years on one processor")
print(f"{hours * 1.5 / 1e6:.1f} million dollars")
assert abs(hours * 1.5 / 1e6 - 4.6) < 0.2

ours = 6 * model.num_parameters() * 240 * BATCH * CONTEXT
print(f"our run: {ours:.1e} operations, {operations / ours:.0e} times less")

# %% [markdown]
# The much quoted 4.6 million dollars are such an estimate, and at prices of that year; nobody outside has seen the bill.
#
# The student project's four models, two of letters and two of words, are recipes of the package, with every setting in
# a file: `hornbook train meditations-gpt-letters` trains a narrower copy of its GPT on *Meditations*, draws both loss
# curves and lets it write. For words the project showed curves of the training loss that ended at 1.156 and at 0.280;
# the validation loss that it printed for its words was 7.92. You know now which of them to look at.
#
# ## What you have seen
#
# - The loop: forward, loss, backward, step.
# - AdamW gives every weight its own step; the rate is warmed up and then lowered.
# - The training loss falls and falls; the validation loss says when to stop.
# - `eval()` switches dropout off, `no_grad()` the gradients.
#
# The next lesson, 10_sampling, chooses the next token in other ways than always taking the likeliest.
#
# ## Exercises
#
# **1.** Write `in_portions(model, inputs, targets, rows)`: it goes through a batch `rows` rows at a time, calls `backward`
# for each portion, and leaves the same gradients in the model as one pass over the whole batch would.
#
# **2.** Is it true that a step costs 6 operations for every weight and token? PyTorch can count:
# `torch.utils.flop_counter.FlopCounterMode(display=False)` is used with `with`, and its `get_total_flops()` gives the
# operations. Predict one step of our model, then count.
#
# ## Solutions

# %% [markdown]
# **1.** `backward` adds to the gradients that are there. The mean over the batch is a sum over all tokens divided by their
# number, so each portion's sum is divided by the number of the whole batch.

# %%
from hornbook.layers.loss import language_model_loss


def in_portions(model, inputs, targets, rows):
    model.zero_grad()
    for first in range(0, len(inputs), rows):
        total, _ = language_model_loss(model(inputs[first : first + rows]), targets[first : first + rows])
        (total / targets.numel()).backward()


model = new_model()
inputs, targets = batch(0)
in_portions(model, inputs, targets, rows=3)  # the last portion has two rows
gathered = [weight.grad.clone() for weight in model.parameters()]
in_portions(model, inputs, targets, rows=BATCH)
for one, weight in zip(gathered, model.parameters(), strict=True):
    assert torch.allclose(one, weight.grad, atol=1e-6)
print("the same gradients, in portions of 3 rows and at once")

# %% [markdown]
# **2.** The token embedding is looked up and not multiplied with, so its weights are left out. Attention's products of
# queries with keys come on top, a small part for a short context; the counter doesn't see them here. What is missing are
# the few weights of the norms, which belong to no matrix.

# %%
from torch.utils.flop_counter import FlopCounterMode

with FlopCounterMode(display=False) as counter:
    mean_loss(model(inputs), targets).backward()
predicted = 6 * (model.num_parameters() - model.token_embedding.weight.numel()) * inputs.numel()
print(f"predicted {predicted:,}, counted {counter.get_total_flops():,}")
assert 0.9 < counter.get_total_flops() / predicted < 1.2
