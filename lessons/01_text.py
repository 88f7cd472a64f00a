# %% [markdown]
# # 1. Text
#
# A language model is a program that guesses how a text goes on. You give it a beginning; it answers with one number
# for everything that it knows how to write, and the number says how likely that is to come next. Nothing else
# happens inside a chat, a translation or a summary: the same guess, made again and again, each time with the last
# guess added to the text.
#
# In twelve lessons we build such a program from the letters up. This one looks at the whole path once, meets the three
# things that PyTorch, the library that calculates for us, is good for, and prepares a text to learn from.

# %%
from hornbook.pictures.drawing import BLUE, GREEN, GREY, VERMILION, picture
from lesson import PICTURES, get_text, number, show, village_text

# %% [markdown]
# ## The whole path in one picture
#
# Computers calculate with numbers, so a text becomes a row of numbers called *tokens* (lesson 2), which are cut into
# *batches* (lesson 3). The model turns them into a guess for every next token (lessons 4 to 7). The *loss* says how
# wrong the guesses were, and training changes the model's *weights*, the numbers inside it, so that the loss falls
# (lessons 8 and 9). A trained model writes by choosing a token and reading on from there (lesson 10).

# %%
STAGES = ["text", "clean\ntext", "tokens", "batches", "model", "guesses"]

with picture(PICTURES / "path", width=9, height=3.1) as figure:
    axes = figure.add_subplot()
    axes.set(xlim=(-0.6, 5.6), ylim=(-1.35, 1.35))
    axes.axis("off")
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "linewidth": 1.5}
    for place, stage in enumerate(STAGES):
        edge = VERMILION if stage == "model" else BLUE
        axes.text(place, 0, stage, ha="center", va="center", bbox=box | {"edgecolor": edge})
        if place:
            axes.annotate("", (place - 0.34, 0), (place - 0.66, 0), arrowprops={"arrowstyle": "->", "color": GREY})
    for end, bend, height, colour, words in [
        (4, 0.9, 1.15, VERMILION, "training: the loss of the guesses\nchanges the model's weights"),
        (2, -0.35, -1.2, GREEN, "writing: a guess becomes the next token of the text"),
    ]:
        start = 0.3 if height > 0 else -0.3
        arrow = {"arrowstyle": "->", "color": colour, "connectionstyle": f"arc3,rad={bend}"}
        axes.annotate("", (end, start), (5, start), arrowprops=arrow)
        axes.text((5 + end) / 2, height, words, ha="center", va="center", color=colour)
show("path", "From text to guesses; training changes the model, writing adds to the text")

# %% [markdown]
# The names nest like this. *Artificial intelligence* is every attempt to make machines do what seems to need thought.
# *Machine learning* is the part of it in which the machine finds its rules in examples. *Deep learning* is machine
# learning with many layers of simple calculations, one on top of the other. A *large language model* is deep learning
# on text, with millions or billions of weights; a model that tells kinds of iris flowers apart from two measurements
# may do with a handful.
#
# Nobody has to label the examples. The question is the text up to some place and the right answer is the word that
# stands there, so every text brings its own answers along. This is *self-supervised* learning, and it is why such
# models can learn from more text than anybody could ever mark by hand.

# %% [markdown]
# ## PyTorch is three things
#
# The first is a library for *tensors*: blocks of numbers with any number of directions. A single number has none, a
# row has one, a table has two. Calculations take the whole block at once. Its `shape` says how long it is in each
# direction, its `dtype` what kind of numbers it holds; `@` is the product of two tables.

# %%
import torch

table = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
print(table.shape, table.dtype)
print(table * 10)
print(table @ table.T)  # every row multiplied with every row, and added up

# %% [markdown]
# The second is *automatic differentiation*. Take the smallest model there is: one input `x`, one weight `w`, one bias
# `b`, and the answer squeezed between 0 and 1 by the logistic function (`sigmoid`). The right answer is 1, and the
# loss is how surprised the model is by it: minus the logarithm of the probability that it gave.
#
# We want to know in which direction to turn `w` and `b` so that the loss falls. PyTorch writes down every step of the
# calculation and, on `.backward()`, works through them from the end: what it leaves in `.grad` is the slope of the
# loss along each weight, its *gradient*.

# %%
x, right = torch.tensor([1.1]), torch.tensor([1.0])
w = torch.tensor([2.2], requires_grad=True)
b = torch.tensor([0.0], requires_grad=True)

guess = torch.sigmoid(x * w + b)
loss = -torch.log(guess).sum()  # the right answer is 1, so only its probability counts
loss.backward()

print(f"guess {guess.item():.4f}, loss {loss.item():.4f}")
print(f"slope along w {w.grad.item():.4f}, along b {b.grad.item():.4f}")
number("pt-01", loss.item(), 0.0852)
number("pt-01", w.grad.item(), -0.0898)
number("pt-01", b.grad.item(), -0.0817)

# %% [markdown]
# (`number` stops the lesson where a value is not the one written beside it. You will meet it wherever a number has
# been worked out elsewhere before; "pt-01" is the name of that number.)
#
# Is the slope true? Walk a tiny step along `w` and look at how much the loss changes.

# %%
step = 0.001
after = -torch.log(torch.sigmoid(x * (w + step) + b))
print(f"measured slope {(after.item() - loss.item()) / step:.4f}")
assert abs((after.item() - loss.item()) / step - w.grad.item()) < 1e-3

# %% [markdown]
# The third is a library for *deep learning*: layers that keep their weights, and optimizers that turn them. The same
# tiny model is one `Linear` layer. A hundred small turns against the slope, and the guess is nearly certain. (`lr`,
# the *learning rate*, says how far a turn goes. New slopes are added to what `.grad` holds, so `zero_grad` empties it
# first.)

# %%
layer = torch.nn.Linear(1, 1)
with torch.no_grad():  # start from the weights above
    layer.weight.fill_(2.2)
    layer.bias.fill_(0.0)
optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)

for _ in range(100):
    optimizer.zero_grad()
    loss = torch.nn.functional.binary_cross_entropy(torch.sigmoid(layer(x)), right)
    loss.backward()
    optimizer.step()
print(f"after 100 turns: guess {torch.sigmoid(layer(x)).item():.4f}, loss {loss.item():.4f}")
assert loss.item() < 0.0852

# %% [markdown]
# This loop is the one that trains every model in the coming lessons. They have more weights and better guesses, but
# nothing is added to the idea: guess, measure the loss, find the slopes, turn the weights a little.
#
# ## Two texts
#
# Edith Wharton's story *The Verdict* (1908) is short enough to train on while one watches. It is in the public domain
# and not part of this project: `hornbook fetch verdict` brings it.

# %%
verdict = get_text("verdict")

print(f"{len(verdict):,} characters")
print(verdict[:99])
number("tok-01", len(verdict), 20479, needs="verdict")
opening = "I HAD always thought Jack Gisburn rather a cheap genius--though a good fellow enough--so it was no "
number("tok-01", verdict[:99], opening, needs="verdict")

# %% [markdown]
# The second text is made here. The *village* is a small world in which people have things, go to places and give
# things away, and its stories are told by a program that knows what is true at every moment. So a model trained on
# them can be asked questions whose answers we know, and there are as many stories as we like.

# %%
village = village_text(stories=3)
print("\n".join(village.splitlines()[:10]))

# %% [markdown]
# ## Cleaning
#
# A model learns to write whatever it reads. If a book has page numbers between its sentences, so will the model's.
# Cleaning removes what should not be written; here is the smallest rule there could be, one line with a pattern for
# footnote marks such as `[4]`.

# %%
import re

raw = "All of this is the truth[4] although\n- 12 -\nfew  of us\r\nsaw it in 1908."
print(re.sub(r"\[\d+\]", "", raw))

# %% [markdown]
# The project's rules are small functions of the same kind, and a *recipe* is a chain of them. Removing things in
# silence would be dangerous: a rule that eats too much is found by nobody. So a *ledger* counts what each rule did and
# keeps examples.

# %%
from hornbook.text.cleaning import Cleaner
from hornbook.text.reading import Document

cleaner = Cleaner("book")
[clean] = cleaner.clean([Document(raw, "example", 0, len(raw))])
print(clean.text)
print()
for row in cleaner.ledger.rows():
    if row["examples"]:
        print(f"{row['rule']:18} removed {row['characters_removed']}: {row['examples'][0]['before']!r}")
assert "[4]" not in clean.text
assert "1908" in clean.text

# %% [markdown]
# Recipes go from careful to rough. `standard` only repairs what can't be seen (line ends, broken characters, spaces);
# `letters` leaves thirty characters and nothing else. Here is what each takes from *Meditations* by Marcus Aurelius, a
# book that will come back in lesson 2.

# %%
meditations = get_text("meditations")
print(f"raw       {len(meditations):6,} characters, {len(set(meditations))} different")
number("mixa-01", len(meditations) + 1, 397865, needs="meditations")  # the file begins with an invisible mark

for recipe in ("standard", "book", "lower", "words", "letters"):
    [clean] = Cleaner(recipe).clean([Document(meditations, "meditations", 0, len(meditations))])
    lost = len(meditations) - len(clean.text)
    print(f"{recipe:9} {lost:6,} fewer, {len(set(clean.text)):2} different: {clean.text[30000:30050]!r}")

# %% [markdown]
# How far should cleaning go? A student project that trained on this book printed a list of "misleading words": those
# with fewer than four letters, numbers and footnote marks among them. Look at the list before you believe it.

# %%
from hornbook.text.rules import misleading_words

short = misleading_words(meditations)
print(len(short), "words:", " ".join(short[::16]))
print("among them:", [word for word in ("the", "of", "is", "not", "who") if word in short])
number("mixa-01", len(short), 448, needs="meditations")

# %% [markdown]
# It holds some dirt, and also the words that carry every sentence. A model that never reads "not" can't write it. The
# rule of this project is therefore: look, count, drop little, and keep the ledger with the data.
#
# ## One part to learn from, one part to be asked about
#
# Someone who has learned last year's exam by heart will do well in last year's exam. To see whether anything was
# understood, ask something that wasn't in the book. So a text is split: the model trains on the *training part*, and
# the *validation part* is only ever used to measure. Where the training loss falls and the validation loss doesn't, the
# model is learning by heart; that is called *overfitting*.
#
# One text is simply cut, so that the end of the story is new to the model. The cut counts characters and doesn't care
# that it may fall inside a word.

# %%
cut = int(0.9 * len(verdict))
training_part, validation_part = verdict[:cut], verdict[cut:]
print(f"{len(training_part):,} characters to learn from, {len(validation_part):,} to be asked about")
number("data-09", cut, 18431, needs="verdict")

# %% [markdown]
# The package's function does the same, and remembers for every piece which bytes of the file it was. Another share,
# such as 80 to 20, is another number.

# %%
from hornbook.batches.pieces import choose_validation, split_by_position

pieces = list(split_by_position([Document(verdict, "verdict", 0, len(verdict))], at=cut))
for piece in pieces:
    print(f"{piece.split:6} bytes {piece.document.start:6} to {piece.document.end:6}: {piece.document.text[:40]!r}")
assert [piece.document.text for piece in pieces] == [training_part, validation_part]

# %% [markdown]
# Many documents are split one by one, by lot, so a share of 0.2 gives about a fifth and not exactly that. The lot of a
# document depends only on its number and on a *seed*, a number that we choose, so the same documents are chosen on
# every machine.

# %%
chosen = choose_validation(num_documents=1000, val_fraction=0.2, seed=1)
print(f"{chosen.sum()} of 1,000 documents for validation, the first of them: {chosen.nonzero()[0][:8].tolist()}")
assert (chosen == choose_validation(1000, 0.2, seed=1)).all()

# %% [markdown]
# ## Where text comes from
#
# Large models read large mixtures. GPT-3's was published as a table: how many tokens each source had, and how often
# it was drawn from. The two don't match, on purpose: the best of it was read three times, the web not even once.

# %%
SOURCES = {  # billions of tokens, percent of what was read
    "CommonCrawl": (410, 60),
    "WebText2": (19, 22),
    "Books1_and_Books2": (67, 16),
    "Wikipedia": (3, 3),
}
total = sum(size for size, _ in SOURCES.values())
for source, (size, share) in SOURCES.items():
    number("misc-03", (size, share), [size, share])
    times = 300 * share / 100 / size  # 300 billion tokens were read in all
    print(f"{source:17} {size:3} bn, {size / total:5.1%} of the text, {share:2}% of the reading: {times:.1f} times")
number("misc-03", total, 499)

# %% [markdown]
# Training on them cost about 4.6 million dollars of computing time, by an estimate made that year. Later collections
# are larger and open to look at, such as Dolma with 3 trillion tokens.
#
# That a text can be downloaded doesn't mean that you may use it: the author has rights, the collection has a licence,
# and people who are named in it have a say. Note the source and the licence of every text *before* you train, since
# nobody can take a text out of a model again. The texts this project knows say where they come from:

# %%
from hornbook.corpora.base import corpus_names, open_corpus

for name in ("verdict", "meditations", "tiny-shakespeare", "sms-spam", "village"):
    assert name in corpus_names()
    corpus = open_corpus(name)
    print(f"{name:17} {corpus.licence:14} {corpus.description}")

# %% [markdown]
# ## What you have seen
#
# - A language model guesses the next token; training is guess, loss, slopes, small turn.
# - Cleaning is a chain of small rules with a ledger; the model will write what the rules let through.
# - The validation part is never learned from.
#
# The next lesson, 02_tokens, turns text into numbers.
#
# ## Exercises
#
# **1.** Books often have curly quotes (“ ” ‘ ’), while you type straight ones. Write a cleaning rule, a function from
# text to text, that makes them straight, and that returns a text without curly quotes unchanged.
#
# **2.** Write the smallest language model: count in the training part which character follows which, then let it say
# what comes after "q" and after "t". How often is it right on the validation part?
#
# ## Solutions

# %% [markdown]
# **1.** One table of characters, applied in one pass.


# %%
def straight_quotes(text):
    return text.translate({ord("“"): '"', ord("”"): '"', ord("‘"): "'", ord("’"): "'"})


print(straight_quotes("“It’s here”, said Nora."))
assert straight_quotes("“It’s here”, said Nora.") == '"It\'s here", said Nora.'
assert straight_quotes(verdict) == verdict

# %% [markdown]
# **2.** It has looked at one character and nothing else; lesson 7 builds the same model, called *bigram*, in PyTorch.

# %%
from collections import Counter, defaultdict
from itertools import pairwise

followers = defaultdict(Counter)
for character, following in pairwise(training_part):
    followers[character][following] += 1
guesses = {character: counts.most_common(1)[0][0] for character, counts in followers.items()}
print(f"after 'q': {guesses['q']!r}, after 't': {guesses['t']!r}")
assert guesses["q"] == "u"

right = sum(guesses.get(character) == following for character, following in pairwise(validation_part))
share = right / (len(validation_part) - 1)
print(f"right for {share:.0%} of the characters that it never saw")
assert 0.2 < share < 0.5
