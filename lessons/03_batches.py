# %% [markdown]
# # 3. Batches
#
# A text is now one long row of tokens. A model doesn't read it in one piece: it reads short stretches, many of them at
# once, in an order that has nothing to do with the story. This lesson cuts the row into such stretches, and finds that
# the answers to learn from are already in it.

# %%
import numpy as np
import torch

from hornbook.pictures.drawing import BLUE, GREY, ORANGE, VERMILION, picture
from lesson import PICTURES, get_text, get_tokenizer, number, show

# %% [markdown]
# ## The answer is the next token
#
# Take nine tokens. The first eight are the *inputs*. What should the model say at each of them? The token that follows:
# the same row, moved by one place. These are the *targets*.

# %%
row = [1, 5, 2, 6, 3, 7, 4, 8, 9]
inputs, targets = row[:-1], row[1:]
print("inputs ", inputs)
print("targets", targets)
number("misc-01", inputs, [1, 5, 2, 6, 3, 7, 4, 8])
number("misc-01", targets, [5, 2, 6, 3, 7, 4, 8, 9])
assert targets[:-1] == inputs[1:]

# %% [markdown]
# The package has this as `Windows`: a row of tokens seen through a window of `context_length` places.

# %%
from hornbook.batches.windows import Windows

window_inputs, window_targets = Windows(np.array(row), context_length=8)[0]
assert window_inputs.tolist() == inputs
assert window_targets.tolist() == targets

# %% [markdown]
# One window is not one question but many. At its first place the model sees one token and is asked for the second; at
# the next it sees two. A window of four tokens trains four questions, so a model also learns to begin from very
# little. Here they are for a few words of *The Verdict*.

# %%
gpt2 = get_tokenizer("gpt2")
verdict = get_text("verdict")
tokens = gpt2.encode(verdict)
print(f"{len(tokens):,} tokens")

sample = tokens[50:]
for length in range(1, 5):
    context, answer = sample[:length], sample[length]
    print(f"{gpt2.decode(context)!r:35} -> {gpt2.decode([answer])!r}")
pairs = [[sample[:length], sample[length]] for length in range(1, 5)]
expected = [[[290], 4920], [[290, 4920], 2241], [[290, 4920, 2241], 287], [[290, 4920, 2241, 287], 257]]
number("data-01", pairs, expected, needs="verdict gpt2")

# %% [markdown]
# ## Moving the window on
#
# How far does the window move for the next stretch? That distance is the *stride*. With stride 1 nearly all of it is
# seen again; with a stride as long as the window, no token is a target twice.


# %%
def stretches(row, length, stride):
    return [row[start : start + length] for start in range(0, len(row) - length + 1, stride)]


words = ["In", "the", "heart", "of", "the", "city", "stood", "the", "old", "library"]
for stride, expected in [
    (1, ["In the heart of", "the heart of the"]),
    (4, ["In the heart of", "the city stood the"]),
]:
    first_two = [" ".join(stretch) for stretch in stretches(words, 4, stride)[:2]]
    print(f"stride {stride}:", first_two)
    number("data-11", first_two, expected)

# %%
with picture(PICTURES / "stride", width=9, height=2.9) as figure:
    axes = figure.add_subplot()
    axes.set(xlim=(-1.6, 10), ylim=(5.1, -0.7))
    axes.axis("off")
    for place, word in enumerate(words):
        axes.text(place + 0.5, -0.2, word, ha="center", va="center")
    heights = {1: [0.5, 1.0, 1.5], 4: [3.0, 3.5]}
    for stride, colour in ((1, ORANGE), (4, BLUE)):
        axes.text(-0.2, heights[stride][0] + 0.25, f"stride {stride}", ha="right", va="center", color=GREY)
        for window, height in enumerate(heights[stride]):
            axes.barh(height + 0.25, 4, left=window * stride, height=0.36, color=colour)
            answer = window * stride + 4
            axes.barh(height + 0.25, 0.94, left=answer + 0.03, height=0.3, color="white", edgecolor=colour)
    axes.text(10, 4.5, "filled: inputs; outlined: the last target", ha="right", color=GREY)
show("stride", "Windows of four words: with stride 1 they overlap by three, with stride 4 they lie side by side")

# %% [markdown]
# Overlapping windows show the same words again and again, and a model that reads the same words often learns them by
# heart. So windows usually lie side by side. They are also longer than here: 256 tokens are a modest size for training.

# %%
for length, stride in ((4, 1), (4, 4), (256, 128), (256, 256)):
    print(f"length {length:3}, stride {stride:3}: {len(Windows(np.array(tokens), length, stride)):5,} windows")

# %% [markdown]
# ## Many windows at once
#
# A *batch* is several windows on top of each other: a tensor with B rows (the batch) and T columns (the context
# length). PyTorch's `DataLoader` stacks anything that has a length and numbered items, and our windows do.

# %%
from torch.utils.data import DataLoader

one_by_one = iter(DataLoader(Windows(np.array(tokens), 4, stride=1), batch_size=1))
first, second = next(one_by_one), next(one_by_one)
print(first)
number("data-03", first, [[[40, 367, 2885, 1464]], [[367, 2885, 1464, 1807]]], needs="verdict gpt2")
number("data-03", second, [[[367, 2885, 1464, 1807]], [[2885, 1464, 1807, 3619]]], needs="verdict gpt2")

inputs, targets = next(iter(DataLoader(Windows(np.array(tokens), 8, stride=2), batch_size=2)))
print(inputs)
print(targets)
expected = [[40, 367, 2885, 1464, 1807, 3619, 402, 271], [2885, 1464, 1807, 3619, 402, 271, 10899, 2138]]
number("data-07", inputs, expected, needs="verdict gpt2")
expected = [[367, 2885, 1464, 1807, 3619, 402, 271, 10899], [1464, 1807, 3619, 402, 271, 10899, 2138, 257]]
number("data-07", targets, expected, needs="verdict gpt2")

inputs, targets = next(iter(DataLoader(Windows(np.array(tokens), 2, stride=2), batch_size=4)))
number("data-05", inputs, [[40, 367], [2885, 1464], [1807, 3619], [402, 271]], needs="verdict gpt2")

# %% [markdown]
# ## First split, then cut
#
# The validation part of lesson 1 must be cut off before any windows are made; otherwise a window could reach across,
# and the model would have trained on tokens that it is later asked about. For *The Verdict*, with windows of 256 and
# two in a batch, this leaves very little to learn from.

# %%
cut = int(0.9 * len(verdict))
train, validation = np.array(gpt2.encode(verdict[:cut])), np.array(gpt2.encode(verdict[cut:]))
train_windows, validation_windows = Windows(train, 256), Windows(validation, 256)
counts = {
    "train_tokens_total": len(train),
    "val_tokens_total": len(validation),
    "train_windows": len(train_windows),
    "val_windows": len(validation_windows),
    "train_batches": len(train_windows) // 2,
}
print(counts)
expected = dict(zip(counts, (4612, 534, 18, 2, 9), strict=True))
number("data-09", counts, expected, needs="verdict gpt2")

# %% [markdown]
# Count the tokens before you go on; a mistake in this place makes no noise. The student project of lesson 1 encoded
# *Meditations* letter by letter without making it lower case first, so every capital was dropped: "pril" for "April".
# Its words were cut at spaces only, so two words with a line end between them were one unknown word, and dropped too.

# %%
from hornbook.text.rules import DIPLOMA_ALPHABET

meditations = get_text("meditations")
as_written = sum(character in DIPLOMA_ALPHABET for character in meditations)
lower_case = sum(character in DIPLOMA_ALPHABET for character in meditations.lower())
print(f"letters: {as_written:,} of {lower_case:,}")

without_digits = {word for word in meditations.lower().split() if not any(sign.isdigit() for sign in word)}
at_spaces = sum(word in without_digits for word in meditations.lower().split(" "))
at_all_whitespace = sum(word in without_digits for word in meditations.lower().split())
print(f"words: {at_spaces:,} of {at_all_whitespace:,}")
print(f"80% of the words it had: {int(0.8 * at_spaces):,}")

number("mixa-02", as_written, 373972, needs="meditations")
number("mixa-02", lower_case, 380770, needs="meditations")
number("mixa-02", at_spaces, 59823, needs="meditations")
number("mixa-02", at_all_whitespace, 71645, needs="meditations")
number("mixa-02", int(0.8 * at_spaces), 47858, needs="meditations")

# %% [markdown]
# ## In which order?
#
# Neighbouring windows are alike, and a batch of neighbours teaches one thing many times. So windows are read in random
# order. Reading every window once is an *epoch*; the next epoch has another order.
#
# One way is to draw a random place for every row of a batch, again and again. It is easy to write, but draws don't
# know of each other: after as many draws as there are windows, a good third was never seen.

# %%
draws = np.random.default_rng(123).integers(0, 1000, size=1000)
seen = len(set(draws.tolist()))
print(f"1,000 draws of 1,000 windows: {seen} seen, {1000 - seen} not")
assert 600 < seen < 670  # 1 - 1/e of them is 632

# %% [markdown]
# `DataLoader` shuffles instead: every window comes once. But its order comes out of a generator that remembers. Make
# the same loader twice and the second reads in another order, because the first has used up some random numbers. A run
# that is stopped and started again would have to save that memory too, or it reads the wrong windows. (`drop_last`
# leaves out the last batch where it is not full.)

# %%
points = [[-1.2, 3.1], [-0.9, 2.9], [-0.5, 2.6], [2.3, -1.1], [2.7, -1.5]]
labels = [0, 0, 0, 1, 1]
examples = [(torch.tensor(point), label) for point, label in zip(points, labels, strict=True)]

torch.manual_seed(123)
first = [numbers.tolist() for _, numbers in DataLoader(examples, batch_size=2, shuffle=True)]
second = [numbers.tolist() for _, numbers in DataLoader(examples, batch_size=2, shuffle=True, drop_last=True)]
print("labels of the first loader's batches ", first)
print("labels of the second loader's batches", second)
number("pt-03", first[0], [1, 0])
number("pt-03", first[2], [1])
number("pt-03", second[0], [0, 0])

# %% [markdown]
# The package has an order without memory. Which windows batch number 40 reads is calculated from the seed and the number
# 40, and from nothing else. Every window still comes exactly once in an epoch; and every epoch moves the whole grid by
# a few tokens, so that the same token isn't always the first of its window with nothing before it.

# %%
from hornbook.batches.order import batch_starts, windows_per_epoch

sizes = {"num_tokens": 1000, "context_length": 10}
per_epoch = windows_per_epoch(**sizes)
batches = [batch_starts(step, seed=1, batch_size=9, **sizes) for step in range(2 * per_epoch // 9)]
print(per_epoch, "windows an epoch; batch 7 starts at", batches[7].tolist())

one_epoch, next_epoch = np.concatenate(batches[:11]), np.concatenate(batches[11:])
assert (batch_starts(7, seed=1, batch_size=9, **sizes) == batches[7]).all()  # asked again: the same
assert len(set(one_epoch.tolist())) == len(set(next_epoch.tolist())) == per_epoch == 99
print("grid of the first epoch moved by", one_epoch.min(), "tokens, of the second by", next_epoch.min())

# %%
with picture(PICTURES / "order", width=9, height=3) as figure:
    axes = figure.add_subplot()
    axes.scatter(range(99), one_epoch, s=14, color=BLUE)
    axes.scatter(range(99, 198), next_epoch, s=14, color=VERMILION)
    axes.axvline(98.5, color=GREY, linewidth=1)
    axes.set(xlabel="window, in the order of reading", ylabel="its first token", ylim=(-40, 1150))
    axes.text(49, 1060, "first epoch", ha="center", color=BLUE, fontweight="bold")
    axes.text(148, 1060, "second epoch", ha="center", color=VERMILION, fontweight="bold")
show("order", "Two epochs: in each, every stretch of the text is read once, in another scattered order")

# %% [markdown]
# `Windows.gather` takes these places and gives the batch. That is all that happens to the data in training, and the
# command `hornbook show batch` prints it for any step of a run, with the file and the bytes that each row came from.

# %%
windows = Windows(np.array(tokens), context_length=6)
starts = batch_starts(0, seed=1, batch_size=3, num_tokens=len(tokens), context_length=6)
inputs, targets = windows.gather(starts)
print(tuple(inputs.shape), tuple(targets.shape))
for row, answers in zip(inputs.tolist(), targets.tolist(), strict=True):
    print(f"{gpt2.decode(row)!r:40} targets {gpt2.decode(answers)!r}")
assert (inputs[:, 1:] == targets[:, :-1]).all()

# %% [markdown]
# ## Rows of different length
#
# Questions and answers, messages and reviews have the length they have, but a tensor has no ragged edge. Short rows are
# filled up: with any token at all in the inputs, and in the targets with -100, a mark that says *nothing is asked here*.
# PyTorch's loss leaves such places out.


# %%
def padded(rows, filler=0):
    longest = max(len(row) for row in rows) - 1
    inputs = torch.full((len(rows), longest), filler)
    targets = torch.full((len(rows), longest), -100)
    for place, row in enumerate(rows):
        inputs[place, : len(row) - 1] = torch.tensor(row[:-1])
        targets[place, : len(row) - 1] = torch.tensor(row[1:])
    return inputs, targets


inputs, targets = padded([[5, 6, 7, 8, 9], [1, 2, 3]])
print(inputs, targets, sep="\n")

logits = torch.zeros(2, 4, 10)  # the scores of a model that finds all ten tokens equally likely
some = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
logits[1, 2:] = 100 * torch.randn(2, 10, generator=torch.Generator().manual_seed(1))  # nonsense at the filled places
other = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
print(f"loss {some:.4f}, and with nonsense at the filled places {other:.4f}")
assert some == other

# %% [markdown]
# The package fills up in the same way when it measures a text to its very end: every token but the first is a target
# once, and the last window is as long as the others.

# %%
[(inputs, targets)] = Windows(np.arange(11), context_length=4, padded=True).every_batch(batch_size=8)
print(inputs, targets, sep="\n")
assert targets[targets != -100].tolist() == list(range(1, 11))

# %% [markdown]
# Rows of different length are also a help: a model that has met texts of five tokens and of two hundred is at home in
# both. In windows that lie side by side it meets them anyway, since each window holds every length from 1 up.
#
# ## How large a batch?
#
# All rows of a batch are calculated at once. A graphics processor has thousands of small calculators that would
# otherwise stand idle, so sixty-four rows hardly take longer than one; the memory they need does grow with every row.
#
# What a batch changes for learning can be measured. The direction in which to turn the weights is an average over the
# rows. A small batch is a small poll: quick, and noisy. Take a table of letters (the bigram model of lesson 7), the
# gradient over the whole text, and gradients over batches, and see how far apart they are.

# %%
from hornbook.tokenizers.character import Character

by_letter = Character.train([verdict])
letters = Windows(np.array(by_letter.encode(verdict)), context_length=32)
all_inputs, all_targets = letters.gather(range(0, 32 * len(letters), 32))


def gradient(rows):
    table = torch.zeros(by_letter.vocab_size, by_letter.vocab_size, requires_grad=True)
    logits = table[all_inputs[rows]]  # the row of each letter: a score for every next letter
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), all_targets[rows].flatten()).backward()
    return table.grad


whole = gradient(torch.arange(len(letters)))
generator = torch.Generator().manual_seed(1)
distances = {}
for batch_size in (1, 4, 16, 64):
    batches = [torch.randint(len(letters), (batch_size,), generator=generator) for _ in range(30)]
    distances[batch_size] = float(np.mean([(gradient(rows) - whole).norm() / whole.norm() for rows in batches]))
    print(f"batches of {batch_size:2}: {distances[batch_size]:.1f} times the gradient's length away")
assert distances[1] > 1.8 * distances[4] > 3.2 * distances[16]

# %%
with picture(PICTURES / "noise", width=8, height=3.4) as figure:
    axes = figure.add_subplot()
    axes.loglog(list(distances), list(distances.values()), marker="o", color=BLUE)
    axes.set(xlabel="rows in the batch", ylabel="distance / length", xticks=list(distances), yticks=[0.25, 0.5, 1, 2])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_title("How far a batch's gradient is from the whole text's")
show("noise", "On logarithmic axes a straight line falls: every fourfold batch halves the noise of the gradient")

# %% [markdown]
# Four times the rows, half the noise: the law of every poll. So very large batches bring little for what they cost, and
# very small ones stumble about. Noise isn't only bad, either; a model that is pushed about a little finds its way out of
# places where a smooth path would have stopped.
#
# ## What you have seen
#
# - Targets are the inputs moved by one place; a window of T tokens holds T questions.
# - The stride decides how much windows overlap; side by side is the usual choice.
# - An epoch reads every window once, in an order that follows from the seed and the step alone.
# - -100 marks places where nothing is asked.
#
# The next lesson, 04_embeddings_and_positions, turns tokens into something that a model can calculate with.
#
# ## Exercises
#
# **1.** Many small programs have a function `get_batch` that draws random places. Write
# `get_batch(tokens, batch_size, context_length, generator)`, which returns inputs and targets of the shape
# (batch_size, context_length). Which places may be drawn, so that the last window still has its last target?
#
# **2.** Write a formula for the number of windows of a text: `count(num_tokens, context_length, stride)`, without a
# loop. Compare it with `len(Windows(...))`.
#
# ## Solutions

# %% [markdown]
# **1.** The last place that may be drawn is `len(tokens) - context_length - 1`: one token is needed behind the window.
# `torch.randint` leaves its upper end out.


# %%
def get_batch(tokens, batch_size, context_length, generator):
    starts = torch.randint(len(tokens) - context_length, (batch_size,), generator=generator)
    rows = torch.stack([tokens[start : start + context_length + 1] for start in starts])
    return rows[:, :-1], rows[:, 1:]


inputs, targets = get_batch(torch.arange(100), 64, 16, torch.Generator().manual_seed(1))
print(tuple(inputs.shape), inputs[0, :4].tolist(), "then", targets[0, :4].tolist())
assert inputs.shape == targets.shape == (64, 16)
assert (targets == inputs + 1).all()  # the tokens are numbers in a row, so the next is one more
inputs, targets = get_batch(torch.arange(17), 64, 16, torch.Generator().manual_seed(1))
assert targets.max() == 16  # the only window there is

# %% [markdown]
# **2.** The first window needs `context_length` tokens and one more for its last target; every further one needs
# `stride` more.


# %%
def count(num_tokens, context_length, stride):
    return max(0, (num_tokens - context_length - 1) // stride + 1)


lengths_and_strides = [(4, 1), (4, 4), (8, 2), (2, 2), (256, 128), (256, 256)]
counted = {f"L{length}_s{stride}": count(len(tokens), length, stride) for length, stride in lengths_and_strides}
print(counted)
assert list(counted.values()) == [len(Windows(np.array(tokens), *pair)) for pair in lengths_and_strides]
expected = {"L4_s1": 5141, "L4_s4": 1286, "L8_s2": 2569, "L2_s2": 2572, "L256_s128": 39, "L256_s256": 20}
number("data-02", counted, expected, needs="verdict gpt2")
