# %% [markdown]
# # 11. Saving and loading
#
# A model lives in the memory of a program and is gone when the program ends. Training took hours, perhaps weeks; a power
# cut must not cost more than a few minutes of it. And a model that nobody else can open is of little use. So weights go
# on disk.
#
# That sounds like a small matter, and has three questions in it. What exactly has to be saved to open a model again? What
# else is needed to go on *training* as if nothing had happened? And how do weights travel between programs that call the
# same things by other names?

# %%
import json
import shutil
from pathlib import Path

import numpy as np
import torch

from hornbook.pictures.drawing import BLUE, ORANGE, PALE, VERMILION, label_line_ends, picture
from lesson import PICTURES, number, show

torch.set_num_threads(1)  # for a model this small a second thread would only wait
FOLDER = Path("runs/lessons/saving")
shutil.rmtree(FOLDER, ignore_errors=True)  # of an earlier run of this lesson
FOLDER.mkdir(parents=True)

# %% [markdown]
# ## A model is a list of named tensors
#
# Here is a small GPT for the letters of four stories. `state_dict` gives everything in it that must be kept: a dict from
# names to tensors. Saved with `torch.save` and loaded into a model that was drawn with other weights, it makes the same
# model. The ending `.pth` is a habit and means nothing to the computer.

# %%
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.tokenizers.character import Character
from hornbook.village.stories import stories

text = "\n".join(story.text for story in stories(seed=1, count=4))
tokenizer = Character.train([text])
config = GPTConfig(vocab_size=tokenizer.vocab_size, context_length=32, num_layers=1, num_heads=2, embed_dim=32)
model, other = (GPT(config, torch.Generator().manual_seed(seed)) for seed in (1, 2))

for name, tensor in list(model.state_dict().items())[:5]:
    print(f"{name:34} {tuple(tensor.shape)}")
print(f"... {len(model.state_dict())} tensors, {model.num_parameters():,} numbers")

tokens = torch.tensor([tokenizer.encode("The kite is here.")])
torch.save(model.state_dict(), FOLDER / "model.pth")
assert not torch.equal(model(tokens), other(tokens))
other.load_state_dict(torch.load(FOLDER / "model.pth"))
assert torch.equal(model(tokens), other(tokens))  # not nearly the same: the same

# %% [markdown]
# Note what isn't in the file: the architecture. `GPT(config)` had to build an equal model first. So a config belongs
# beside the weights, and a tokenizer too, because token 17 means nothing without the list of tokens.
#
# A `state_dict` has more in it than what is trained. The mask of lesson 5 is a *buffer*: registered with
# `register_buffer`, it moves with the model to another device and is saved, but `parameters()` doesn't list it, so no
# optimizer touches it. The device `meta` below has shapes and no numbers, which makes it handy to see who moves.

# %%
from hornbook.layers.attention_steps import CausalAttention

attention = CausalAttention(in_dim=3, out_dim=2, context_length=6)
saved, trained = list(attention.state_dict()), [name for name, _ in attention.named_parameters()]
print("saved:  ", saved)
print("trained:", trained)
assert [name for name in saved if name not in trained] == ["mask"] == [name for name, _ in attention.named_buffers()]

attention.to("meta")
print("moved:  ", {name: str(tensor.device) for name, tensor in attention.state_dict().items()})
assert attention.mask.device == attention.query.weight.device

# %% [markdown]
# A tensor that follows from the config needn't be saved at all. The table of sines of lesson 4 is a buffer with
# `persistent=False`: it moves with the model and stays out of the file.

# %%
sines = GPT(GPTConfig(**{**config.model_dump(), "positions": "sinusoidal"}))
assert "position_table" in dict(sines.named_buffers())
assert "position_table" not in sines.state_dict()

# %% [markdown]
# ## What is in the file
#
# `torch.save` writes a *pickle*, Python's own format for objects. A pickle isn't a list of values; it is a small program
# that builds them, and it may call anything. Never open one from a stranger. The next cell shows why, with a pickle that
# only prints.

# %%
import pickle


class Greeting:
    def __reduce__(self):  # how this object asks to be rebuilt: by calling print
        return (print, ("this line was run by opening a file",))


stranger = pickle.dumps(Greeting())
pickle.loads(stranger)

torch.save({"weights": Greeting()}, FOLDER / "stranger.pth")
try:
    torch.load(FOLDER / "stranger.pth", weights_only=True)
except pickle.UnpicklingError:
    print("torch.load refused the same object")

# %% [markdown]
# `torch.load` has learned caution: `weights_only=True`, now the default, builds tensors and refuses the rest. The package
# goes one step further and neither reads nor writes pickles. A *safetensors* file is eight bytes that say how long
# the table of contents is, the table as JSON, and then nothing but numbers. We can read it by hand.

# %%
from safetensors.torch import load_file, save_file

save_file(model.state_dict(), FOLDER / "model.safetensors")
content = (FOLDER / "model.safetensors").read_bytes()
length = int.from_bytes(content[:8], "little")
contents = json.loads(content[8 : 8 + length])
entry = contents["final_norm.weight"]
print(entry)

start, end = (8 + length + place for place in entry["data_offsets"])
by_hand = torch.from_numpy(np.frombuffer(content[start:end], dtype=np.float32).copy())
assert torch.equal(by_hand, model.final_norm.weight)
assert torch.equal(by_hand, load_file(FOLDER / "model.safetensors")["final_norm.weight"])

# %% [markdown]
# One more trap. Tensors remember the device that they were on, and a file from a machine with a graphics card can't be
# opened as it is on a machine without one. `map_location` says where the tensors shall go instead. (`meta` again, since
# every machine has it.) A safetensors file has no memory of devices.

# %%
for place in ("cpu", "meta"):
    loaded = torch.load(FOLDER / "model.pth", map_location=place)
    print(place, {str(tensor.device) for tensor in loaded.values()})
    assert {tensor.device.type for tensor in loaded.values()} == {place}

# %% [markdown]
# ## A training remembers more than its weights
#
# AdamW (lesson 9) keeps two running means for every weight: of its gradient, and of its gradient squared. The first,
# divided by the root of the second, is the direction in which the weight moves. These numbers are twice as many as the
# weights, and they aren't in `model.state_dict()`.

# %%
from hornbook.batches.order import batch_starts
from hornbook.batches.windows import Windows
from hornbook.layers.loss import next_token_loss
from hornbook.optimizers.adamw import AdamW
from hornbook.training.measure import mean_loss
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training, update

row = np.array(tokenizer.encode(text))
windows = Windows(row, context_length=32)


def batches(step):  # from the seed and the step alone, as in lesson 3
    return [windows.gather(batch_starts(step, seed=1, batch_size=16, num_tokens=len(row), context_length=32))]


def fresh():
    model = GPT(config, torch.Generator().manual_seed(1))
    optimizer = AdamW(learning_rate=1e-2).build(model.named_parameters())
    return Parts(model, optimizer, batches, next_token_loss, lambda: windows.every_batch(64))


def train(parts, first, last):
    """Do the steps first .. last - 1; returns the loss over the whole text before each of them."""
    losses = []
    for step in range(first, last):
        losses.append(mean_loss(parts.model, parts.validation(), parts.loss) if step >= 190 else None)
        update(parts, Training(steps=240), Schedule(kind="constant"), step)
    return losses


whole = fresh()
train(whole, 0, 200)
state = whole.optimizer.state_dict()["state"]
print("for one weight matrix:", {name: tuple(tensor.shape) for name, tensor in state[0].items()})
kept = sum(tensor.numel() for entry in state.values() for tensor in entry.values() if tensor.dim())
print(f"{kept:,} numbers for {whole.model.num_parameters():,} weights")
assert kept == 2 * whole.model.num_parameters()

# %% [markdown]
# The usual form is one file with two keys. We save it after 200 steps, and go on in three ways: without a break, from
# the file, and from the weights alone with a new AdamW.

# %%
both = {"model_state_dict": whole.model.state_dict(), "optimizer_state_dict": whole.optimizer.state_dict()}
torch.save(both, FOLDER / "model_and_optimizer.pth")

losses = {"without a break": train(whole, 200, 240)}
for name in ("from the file", "from the weights alone"):
    loaded = torch.load(FOLDER / "model_and_optimizer.pth", map_location="cpu")
    parts = fresh()
    parts.model.load_state_dict(loaded["model_state_dict"])
    if name == "from the file":
        parts.optimizer.load_state_dict(loaded["optimizer_state_dict"])
    parts.model.train()
    losses[name] = train(parts, 200, 240)

for name, values in losses.items():
    print(f"{name:23}", " ".join(f"{loss:.3f}" for loss in values[:6]))
assert losses["without a break"] == losses["from the file"]
assert max(losses["from the weights alone"][1:6]) > max(losses["without a break"][1:6])

# %%
with picture(PICTURES / "resume", width=8, height=3.8) as figure:
    axes = figure.add_subplot()
    steps = range(200, 240)
    axes.plot(steps, losses["from the weights alone"], color=VERMILION, linewidth=2)
    axes.plot(steps, losses["without a break"], color=BLUE, linewidth=2)
    axes.scatter(steps, losses["from the file"], s=16, color=BLUE, zorder=3)
    axes.set(xlabel="step", ylabel="loss (nats per token)", title="Going on after step 200")
    ends = [(losses["from the file"][-1], "from the file (points),\nwithout a break (line)", BLUE)]
    label_line_ends(axes, [*ends, (losses["from the weights alone"][-1] + 0.02, "weights alone", VERMILION)])
show(
    "resume",
    "The points of the resumed run lie on the line of the unbroken one; with a new AdamW the loss first jumps up",
)

# %% [markdown]
# From the file, every loss is the same to the last digit. With a new AdamW the loss jumps up: its means start from
# nothing, so in its first steps every weight moves by the full learning rate, also those that had come to rest. How
# much this hurts depends on the place. Early in a training, when everything moves anyway, you would hardly notice it;
# late, it throws away part of what was gained.
#
# One thing surprises people. An optimizer's state holds its settings too. Build AdamW with a learning rate of 5e-4,
# load a state that was saved with 4e-4, and 4e-4 it is.

# %%
saved = torch.optim.AdamW(model.parameters(), lr=4e-4, weight_decay=0.1).state_dict()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.1)
optimizer.load_state_dict(saved)
rate = optimizer.param_groups[0]["lr"]
print("learning rate:", rate)
says = "loaded optimizer state overrides the constructor lr (param_groups come from the checkpoint: 4e-4)"
number("wt-08", says if rate == 4e-4 else f"learning rate {rate}", says)

# %% [markdown]
# ## A checkpoint
#
# The package's *checkpoint*, a place in a run from which it can go on, has the same two things and the step: weights,
# optimizer state, number of steps done. It is a folder of safetensors, complete or not there at all, with a hash of
# every file (a *hash* is a number calculated from all bytes of a file; change one byte and it is another). Batches and
# dropout need no saving: they follow from the seed and the step (lesson 3).

# %%
from hornbook.training.checkpoint import load_checkpoint, newest_intact, save_checkpoint

parts = fresh()
train(parts, 0, 195)
saved_in = save_checkpoint(FOLDER / "checkpoints", 195, parts.model, parts.optimizer)
print(saved_in.name, sorted(file.name for file in saved_in.iterdir()))
train(parts, 195, 200)

resumed = fresh()
done = load_checkpoint(saved_in, resumed.model, resumed.optimizer)
train(resumed, done, 200)
pairs = zip(parts.model.parameters(), resumed.model.parameters(), strict=True)
assert all(torch.equal(first, second) for first, second in pairs)
print(f"from step {done}: all weights as in the unbroken run, bit for bit")

# %% [markdown]
# A disk can fail while it writes, so the newest checkpoint may be the broken one. `hornbook resume RUN` takes the newest
# whose hashes are right.

# %%
broken = save_checkpoint(FOLDER / "checkpoints", 200, parts.model, parts.optimizer)
content = bytearray((broken / "weights.safetensors").read_bytes())
content[-1] ^= 1  # one bit of the last byte
(broken / "weights.safetensors").write_bytes(content)

found, messages = newest_intact(FOLDER / "checkpoints")
print(*messages, sep="\n")
print("goes on from", found.name)
assert found == saved_in

# %% [markdown]
# ## A model for others
#
# Who wants to use a finished model needs no optimizer, but everything else: config, weights, tokenizer. A *model folder*
# holds these in the layout of Hugging Face, which most programs can read.

# %%
import hornbook
from hornbook.generation.generate import LanguageModel
from hornbook.weights.model_folder import save_model_folder

folder = save_model_folder(FOLDER / "model", whole.model, tokenizer, {"data": {"text": "four stories of the village"}})
for file in sorted(folder.iterdir()):
    print(file.name)

opened = hornbook.load(folder)
assert torch.equal(opened.model(tokens), whole.model.eval()(tokens))
written = opened.generate("The ", max_new_tokens=40, temperature=0)
assert written == LanguageModel(whole.model, tokenizer).generate("The ", max_new_tokens=40, temperature=0)
print(repr(written), opened.info)

# %%
weights = whole.model.num_parameters()
with picture(PICTURES / "contents", width=8, height=1.9) as figure:
    axes = figure.add_subplot()
    axes.barh([0, 1], weights, color=BLUE, height=0.6)
    for place, (words, colour) in enumerate([("mean of gradients", ORANGE), ("mean of their squares", PALE)], 1):
        axes.barh(0, weights, left=place * weights, color=colour, height=0.6)
        axes.text((place + 0.5) * weights, 0, words, ha="center", va="center")
    for height in (0, 1):
        axes.text(0.5 * weights, height, "weights", ha="center", va="center", color="white", fontweight="bold")
    axes.set_yticks([0, 1], ["checkpoint", "model folder"])
    axes.set(xlabel="numbers")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(visible=False)
show("contents", "A model folder holds the weights; a checkpoint also holds two further numbers for every weight")

# %% [markdown]
# `hornbook.json` is a seal: the hashes of all other files. If somebody changes a model after it was saved, or a copy is
# damaged, it doesn't open in silence.

# %%
from hornbook.errors import UserError

content = bytearray((folder / "model.safetensors").read_bytes())
content[-1] ^= 1
(folder / "model.safetensors").write_bytes(content)
try:
    hornbook.load(folder)
except UserError as error:
    refusal = str(error)
print(f"UserError: {refusal}")
assert "was changed" in refusal
save_model_folder(folder, whole.model, tokenizer, replace=True)

# %% [markdown]
# Does another program agree about what is in there? `transformers` is Hugging Face's library, written by other people. If
# it is installed here, it opens the folder, and its logits must be ours.

# %%
from importlib.util import find_spec

if find_spec("transformers"):
    import transformers

    transformers.logging.disable_progress_bar()
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        difference = (theirs(tokens).logits - whole.model(tokens)).abs().max().item()
    print(f"{type(theirs).__name__}: logits the same up to {1e-4:g}")
    assert difference < 1e-4
else:
    print("transformers is not installed; pip install transformers to see it open this folder")

# %% [markdown]
# ## Weights from elsewhere
#
# It works the other way round, too. OpenAI published the weights of GPT-2, and others those of newer models; who loads
# them into an equal architecture has spared themselves the pretraining. The work is in the names. Theirs are `wte` for
# the token embedding, `c_attn` for queries, keys and values, `c_fc` and `c_proj` for the feed-forward part. And their
# matrices lie on the side: (in, out) where `nn.Linear` has (out, in).

# %%
from hornbook.weights import gpt2

public = gpt2.to_disk(dict(whole.model.state_dict()), config)  # our weights, as GPT-2's files would have them
for ours, (theirs, on_its_side) in gpt2.PARTS.items():
    shape = tuple(public[f"transformer.h.0.{theirs}.weight"].shape)
    print(f"{ours:18} h.0.{theirs:11} {shape!s:10} {'turned' if on_its_side else ''}")
for ours, theirs in (("token_embedding", "wte"), ("position_embedding", "wpe"), ("final_norm", "ln_f")):
    print(f"{ours:18} {theirs}")
    assert torch.equal(public[f"transformer.{theirs}.weight"], whole.model.state_dict()[f"{ours}.weight"])

# %% [markdown]
# A wrong shape must stop us; PyTorch would stretch some of them in silence. So a careful loader compares shapes before it
# assigns. With it we carry the attention of one block over by hand: cut in three, turned, put in place.


# %%
def assign(left, right):
    if left.shape != right.shape:
        raise ValueError(f"Shape mismatch. Left: {left.shape}, Right: {right.shape}")
    return right.clone()


ours = GPT(config).state_dict()
mixed = public["transformer.h.0.attn.c_attn.weight"]  # (32, 96)
turned = torch.cat([part.T for part in mixed.split(32, dim=-1)])  # queries, keys, values, one below the other
ours["blocks.0.attention.qkv.weight"] = assign(ours["blocks.0.attention.qkv.weight"], turned)
assert torch.equal(ours["blocks.0.attention.qkv.weight"], whole.model.blocks[0].attention.qkv.weight)

try:
    assign(turned, mixed)  # forgot to turn it
except ValueError as error:
    print(f"ValueError: {error}")
    message = str(error).replace(str(turned.shape), "...").replace(str(mixed.shape), "...")
    expected = 'assign() raises ValueError("Shape mismatch. Left: ..., Right: ...") when shapes differ'
    number("wt-03", f'assign() raises ValueError("{message}") when shapes differ', expected)

# %% [markdown]
# `gpt2.from_disk` does it for all tensors, and names the first that is missing or left over. We try it on a GPT-2 that we
# didn't make: `transformers` builds a tiny one with weights of its own, and ours must give the same logits.

# %%
if find_spec("transformers"):
    no_special = {"bos_token_id": None, "eos_token_id": None}
    settings = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 32, "vocab_size": 60}
    torch.manual_seed(123)
    foreign = transformers.GPT2LMHeadModel(transformers.GPT2Config(**settings, **no_special)).eval()
    foreign_config = gpt2.from_hf(foreign.config.to_diff_dict() | settings)
    adopted = GPT(foreign_config).eval()
    adopted.load_state_dict(gpt2.from_disk(foreign.state_dict(), foreign_config))
    with torch.no_grad():
        torch.testing.assert_close(adopted(tokens), foreign(tokens).logits, atol=1e-4, rtol=0)
    print(f"{adopted.num_parameters():,} weights of a foreign GPT-2, the same logits")
else:
    print("transformers is not installed, so the foreign model is left out")

# %% [markdown]
# The real GPT-2 has 124 million weights and half a gigabyte. A folder with it, downloaded from Hugging Face, opens with
# the same `hornbook.load`, and so do folders of Llama and Qwen3 whose names are paired in the same way. With a training
# loop, a measure and such weights we have what is called a *foundation model*: the next lesson builds on it.
#
# ## What you have seen
#
# - A `state_dict` is named tensors: parameters, which are trained, and buffers, which only go along.
# - A pickle runs code when it is opened; safetensors is a table of contents and numbers.
# - To go on exactly, a training needs its weights, its optimizer's state and its step.
# - Weights travel between programs by pairing names and turning matrices, and equal logits are the proof.
#
# The next lesson, 12_finetuning, takes a trained model and teaches it a task.
#
# ## Exercises
#
# **1.** Write a safetensors file by hand: `save_by_hand(tensors, path)` for float32 tensors, with `json` and bytes only.
# The real `load_file` must be able to read it.
#
# **2.** How large is a checkpoint of GPT-2 small, as published, with 124,439,808 weights of four bytes each? Write
# `checkpoint_bytes(num_parameters)` and hold it against the checkpoint of our small model.
#
# ## Solutions

# %% [markdown]
# **1.** Collect the bytes of each tensor and note where they begin and end; then eight bytes for the length of the table,
# the table, the bytes.


# %%
def save_by_hand(tensors, path):
    contents, blob = {}, b""
    for name, tensor in tensors.items():
        start = len(blob)
        blob += tensor.detach().numpy().astype("<f4").tobytes()
        contents[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, len(blob)]}
    table = json.dumps(contents).encode()
    path.write_bytes(len(table).to_bytes(8, "little") + table + blob)


save_by_hand(model.state_dict(), FOLDER / "by_hand.safetensors")
read = load_file(FOLDER / "by_hand.safetensors")
assert read.keys() == model.state_dict().keys()
assert all(torch.equal(read[name], tensor) for name, tensor in model.state_dict().items())
print(f"{len(read)} tensors read back")

# %% [markdown]
# **2.** Three numbers of four bytes for every weight: itself and two means. The rest, names and settings, is some
# kilobytes.


# %%
def checkpoint_bytes(num_parameters):
    return 3 * 4 * num_parameters


on_disk = sum(file.stat().st_size for file in saved_in.iterdir())
guess = checkpoint_bytes(whole.model.num_parameters())
print(f"our small model: {guess:,} bytes by the formula, {on_disk - guess:,} more on disk")
print(f"GPT-2 small: {checkpoint_bytes(124_439_808) / 1e9:.2f} GB")
assert 0 < on_disk - guess < 10_000
