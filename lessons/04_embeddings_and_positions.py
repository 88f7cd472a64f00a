# %% [markdown]
# # 4. Embeddings and positions
#
# A token is a number only in name. Token 7 isn't more than token 6, and halfway between them there is nothing; they are
# places in a list. A model needs something it can calculate with, and above all something that it can change a little
# and see whether that helped. So every token gets a row of ordinary numbers, its *embedding*.
#
# In this lesson we look tokens up, teach words of the village where they belong, find that a model which reads
# embeddings alone can't tell "dog bites man" from "man bites dog", and repair that in five ways.

# %%
import torch
from torch import nn

from hornbook.pictures.drawing import BLUE, GREEN, GREY, ORANGE, PALE, PURPLE, SKY, VERMILION, label_line_ends, picture
from hornbook.pictures.embedding_map import embedding_map
from lesson import PICTURES, get_text, get_tokenizer, number, show, village_text

# %% [markdown]
# ## A row for every token
#
# Six tokens, three numbers each: a table with six rows and three columns. At first the numbers are drawn by lot, since
# nobody knows yet where a token should be; training moves them. A fixed seed makes the lot come out the same each time.

# %%
torch.manual_seed(123)
embedding = nn.Embedding(6, 3)
table = embedding.weight.detach()
print(table)

tokens = torch.tensor([2, 3, 5, 1])
rows = embedding(tokens).detach()
print("four tokens become", tuple(rows.shape))
assert torch.equal(rows, table[tokens])  # looked up, nothing more
number("emb-01", embedding(torch.tensor([3])).detach(), [[-0.4015, 0.9666, -1.1481]])
expected = [[1.2753, -0.201, -0.1606], [-0.4015, 0.9666, -1.1481], [-2.84, -0.7849, -1.4096], [0.9178, 1.581, 1.301]]
number("emb-01", rows, expected)

# %%
with picture(PICTURES / "look-up", width=8, height=3.1) as figure:
    axes = figure.add_subplot()
    axes.set(xlim=(-2.2, 8.6), ylim=(6.2, -1.1))
    axes.axis("off")
    colours = {2: ORANGE, 3: SKY, 5: PURPLE, 1: GREEN}
    for left, title, shown in ((0, "the table", range(6)), (5, "what the model reads", tokens.tolist())):
        axes.text(left + 1.5, -0.6, title, ha="center", fontweight="bold")
        for height, token in enumerate(shown):
            axes.barh(height + 0.5, 3.3, left=left - 0.15, height=0.84, color=colours.get(token, PALE), alpha=0.5)
            axes.text(left - 0.3, height + 0.5, f"token {token}", ha="right", va="center", color=GREY)
            for column, value in enumerate(table[token].tolist()):
                axes.text(left + column + 0.9, height + 0.5, f"{value:.2f}", ha="right", va="center")
show("look-up", "Tokens 2, 3, 5 and 1 fetch their rows from the table; row numbers begin at 0")

# %% [markdown]
# The same can be written as a multiplication. Make a row of zeros with a single 1 at the token's place (*one-hot*) and
# multiply it by the table: all rows but one are wiped out. Looking up is this product without the work, and that it is
# a product tells us that it can be trained like any layer.

# %%
torch.manual_seed(123)
embedding = nn.Embedding(4, 5)
tokens = torch.tensor([2, 3, 1])
one_hot = nn.functional.one_hot(tokens, num_classes=4)
product = one_hot.float() @ embedding.weight
print(one_hot)
print(product.detach())
assert torch.equal(product, embedding(tokens))
number("emb-03", one_hot, [[0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]])
number("emb-03", product.detach()[0], [0.6957, -1.8061, -1.1589, 0.3255, -0.6315])

# %% [markdown]
# ## What can't be looked up
#
# A table of 1,024 rows has a last row, number 1023, and no row number 2.0. Text that went through the tokenizer is
# always in range; the error means that model and tokenizer don't belong together. The models of the package check this
# themselves, because "index out of range in self" doesn't say which token it was.

# %%
from hornbook.models.gpt import GPT, GPTConfig

table = nn.Embedding(1024, 768)
number("emb-05", list(table(torch.tensor([1, 2, 3])).shape), [3, 768])

model = GPT(GPTConfig(vocab_size=1024, embed_dim=16, num_layers=1, context_length=8))
for read, tokens in (
    (table, torch.tensor([1024, 2, 3])),
    (model, torch.tensor([[1024, 2, 3]])),
    (model, torch.tensor([[1.0, 2.0]])),
):
    try:
        read(tokens)
    except (IndexError, ValueError, TypeError) as error:
        message = f"{type(error).__name__}: {error}"
        print(message)
    if read is table:
        number("emb-05", message, "IndexError: index out of range in self")

gpt2 = get_tokenizer("gpt2")
verdict = gpt2.encode(get_text("verdict"))
print(f"largest token of the story: {max(verdict):,} of {gpt2.vocab_size:,}")
assert max(verdict) < gpt2.vocab_size

# %% [markdown]
# ## How rows learn
#
# Gradients reach the table, but only the rows that were read. A token that never comes up learns nothing: its row
# stays what the lot made it. (Many models use the same table a second time, for their answers, and that use reaches
# all rows: lesson 6.)

# %%
table = nn.Embedding(6, 3)
table(torch.tensor([2, 3, 3])).sum().backward()
print(table.weight.grad)
assert table.weight.grad.abs().sum(dim=1).tolist() == [0, 0, 3, 6, 0, 0]  # row 3 was read twice

# %% [markdown]
# Where do rows move? Let them learn one small task on stories of the village: from a word, guess the word before it
# and the word after it. Two words that keep the same company, such as two names, need the same guesses, and so they
# are pulled to the same place. A guess is a score for every word; such scores are called *logits*. `cross_entropy`
# makes the loss of them (lesson 8), and AdamW is an optimizer (lesson 9). (This is the idea of *Word2Vec*, which made
# such tables for their own sake. A language model learns its own table while it learns to guess, and that table fits
# its task better.)

# %%
import re
from collections import Counter

words = re.findall(r"[a-z']+|[.,?]", village_text(400).lower())
counts = Counter(words)
vocabulary = sorted(counts)
place_of = {word: place for place, word in enumerate(vocabulary)}
story = torch.tensor([place_of[word] for word in words])
print(f"{len(words):,} words, {len(vocabulary):,} different")

generator = torch.Generator().manual_seed(1)
embedding, guess = nn.Embedding(len(vocabulary), 16), nn.Linear(16, 2 * len(vocabulary))
for weight in (embedding.weight, guess.weight):
    nn.init.normal_(weight, std=0.3, generator=generator)
optimizer = torch.optim.AdamW([*embedding.parameters(), *guess.parameters()], lr=0.03)

for step in range(201):
    middle = torch.randint(1, len(story) - 1, (512,), generator=generator)
    logits = guess(embedding(story[middle])).view(2 * 512, -1)  # for every word: one guess before, one after
    neighbours = torch.stack([story[middle - 1], story[middle + 1]], dim=1).flatten()
    loss = nn.functional.cross_entropy(logits, neighbours)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step:3}: loss {loss.item():.1f}")
assert loss.item() < 4

# %% [markdown]
# Who is near whom? `nearest` compares directions: the *cosine* of two rows is 1 where they point the same way and 0
# where they have nothing in common.

# %%
from hornbook.layers.embedding_space import nearest, principal_plane
from hornbook.village.vocabulary import PEOPLE

rows = embedding.weight.detach()
asked = ["nora", "sad", "three", "market"]
found, cosines = nearest(rows, [place_of[word] for word in asked], count=5)
for word, places, values in zip(asked, found.tolist(), cosines.tolist(), strict=True):
    near = ", ".join(f"{vocabulary[place]} {value:.2f}" for place, value in zip(places, values, strict=True))
    print(f"{word:7} {near}")

NAMES = {person.name.lower() for person in PEOPLE}
assert {vocabulary[place] for place in found[0].tolist()} <= NAMES

# %% [markdown]
# Nobody told the table what a name is. And see what it can't know: "sad" lies beside "glad", because people feel the one
# as they feel the other. Same company is not same meaning.
#
# Sixteen directions can't be seen, so for a picture the points are projected onto the plane in which they spread most.
# Two that are far apart there are far apart, but two that meet may differ in a direction that the plane doesn't show.

# %%
common = [word for word, _ in counts.most_common(130) if word.isalpha()]
points, shares = principal_plane(rows[[place_of[word] for word in common]])
names = [number for number, word in enumerate(common) if word in NAMES]
title = f"Words of the village; red: names. The plane holds {shares.sum():.0%} of the spread"
embedding_map(points.numpy(), common, PICTURES / "village", title=title, strong=names)
show("village", "The names lie together, apart from other words, and so do places and things")

spread = points[names].std(dim=0).norm() / points.std(dim=0).norm()
print(f"spread of the names: {spread:.0%} of that of all words")
assert spread < 0.6

# %% [markdown]
# How many numbers should a row have? With two or three, everything that could be said about a word must fit on a map;
# with thousands there is room for every shade of meaning, and every further calculation costs more. GPT-2's smallest
# model has 768, GPT-3's largest 12,288. Nor need it be words: pictures, sounds or whole documents become points in the
# same way, and finding the paragraph whose point is nearest to a question's is how programs look things up for a model
# (*retrieval*; exercise 2 is a tiny one).
#
# ## A bag of words
#
# The look-up gives a token the same row wherever it stands. The next lesson's attention, which lets tokens exchange
# what they know, has no sense of order either. Here is its simplest form: every word becomes a mean of all words,
# weighted by likeness. Watch "dog".

# %%
from hornbook.layers.attention_steps import simple_attention

generator = torch.Generator().manual_seed(1)
x = {word: torch.randn(3, generator=generator) for word in ("dog", "bites", "man")}


def read(sentence):
    inputs = torch.stack([x[word] for word in sentence.split()])
    outputs, _ = simple_attention(inputs)
    return dict(zip(sentence.split(), outputs, strict=True))


one, other = read("dog bites man"), read("man bites dog")
for word in x:
    print(f"{word:5}", one[word].numpy().round(4), other[word].numpy().round(4))
    torch.testing.assert_close(one[word], other[word])

# %% [markdown]
# The same three vectors come out, whoever bites. Attention sees a bag of words: what is in it, not in which order. So
# the order must be written into the numbers.
#
# ## A row for every place
#
# The first way: places get a table too. Row 0 for the first place, row 1 for the second; token row and place row are
# added, and the sum is what the model reads. "dog" in front and "dog" at the end are now two different points.

# %%
token = torch.tensor([1.0, 1.0, 1.0])
places = torch.tensor([[1.1, 1.2, 1.3], [2.1, 2.2, 2.3]])
print(token + places)

# %% [markdown]
# For a batch, shapes are all there is to know. Eight texts of four tokens with 256 numbers each are a block of
# 8 x 4 x 256; the place rows are the same for every text, so PyTorch adds one table of 4 x 256 to all eight.

# %%
batch = torch.tensor(verdict[:32]).view(8, 4)
torch.manual_seed(123)
token_embedding, position_embedding = nn.Embedding(50257, 256), nn.Embedding(4, 256)
token_rows = token_embedding(batch)
place_rows = position_embedding(torch.arange(batch.shape[1]))
x = token_rows + place_rows
for name, block in (("tokens", batch), ("token rows", token_rows), ("place rows", place_rows), ("sum", x)):
    print(f"{name:10} {tuple(block.shape)}")
number("emb-02", list(token_rows.shape), [8, 4, 256])
number("emb-02", list(place_rows.shape), [4, 256])
number("emb-02", list(x.shape), [8, 4, 256])

# %% [markdown]
# The second way needs no learning: rows of sines and cosines, as in "Attention is All You Need". The first pair of
# columns swings fast, every further pair more slowly, like the hands of a clock for seconds, minutes and hours. Every
# place has its own setting of the hands, and there is a row for places that no training text ever reached.

# %%
from hornbook.layers.positions import sinusoidal_table

sines = sinusoidal_table(length=4, dim=4)
print(sines)
number("emb-06", sines[1], [0.841471, 0.540302, 0.01, 0.99995], tolerance=1e-6)
number("emb-06", sines[3], [0.14112, -0.989992, 0.029996, 0.99955], tolerance=1e-6)

model = GPT(GPTConfig(vocab_size=100, context_length=32, positions="sinusoidal"))
assert not model.position_table.requires_grad
assert "position_table" not in dict(model.named_parameters())  # fixed: training doesn't touch it

# %% [markdown]
# ## How far, not where
#
# What "not" means depends on the word after it, and hardly on whether that was word 10 or word 210. Three further ways
# speak of the distance between two tokens.
#
# *Rotary* positions add nothing. When two tokens are compared, each is first turned by an angle that grows with its
# place. Two neighbours are turned nearly alike, wherever they stand, so the product of the two, by which attention
# compares, depends on their distance alone.

# %%
import math

from hornbook.layers.positions import rotary_tables, rotate


def turned(pair, place):
    cosine, sine = math.cos(place), math.sin(place)
    return torch.tensor([pair[0] * cosine - pair[1] * sine, pair[0] * sine + pair[1] * cosine])


one, other = torch.tensor([1.0, 0.5]), torch.tensor([0.2, 0.9])
for places in ((3, 1), (4, 2), (12, 10), (12, 3)):
    print(f"places {places[0]:2} and {places[1]:2}: {turned(one, places[0]) @ turned(other, places[1]):.4f}")

cosines, signed_sines = rotary_tables(head_dim=2, length=16, theta=10000.0)
by_package = rotate(one.expand(1, 1, 16, 2), cosines, signed_sines)[0, 0]
torch.testing.assert_close(by_package, torch.stack([turned(one, place) for place in range(16)]))

# %% [markdown]
# Longer rows are turned pair by pair, each pair more slowly than the one before, as with the sines.
#
# *ALiBi* takes something away from every comparison: a slope times the distance. Far is worth less; each part of the
# attention (a *head*, lesson 5) has its own slope, so some look near and others far. *Relative* positions, those of
# T5, learn what each distance is worth, with one number for a whole range of far distances; below is which of 32
# numbers a distance gets. (Row: the token that looks; column: the one looked at. Above the diagonal are the later
# tokens, which are hidden anyway.)

# %%
from hornbook.layers.positions import ALiBi, alibi_slopes, distance_buckets

print("slopes of 4 heads  ", alibi_slopes(4).tolist())
print("steepest head, 4 tokens:")
print(ALiBi(num_heads=4)(4, 4)[0] + 0.0)
distances = torch.tensor([0, 1, 2, 15, 16, 17, 18, 19, 40, 41, 128, 1000])
print("distances           ", distances.tolist())
print("their numbers in T5 ", distance_buckets(distances, num_buckets=32, max_distance=128).tolist())

# %%
generator = torch.Generator().manual_seed(1)
with picture(PICTURES / "positions", width=10, height=5.6) as figure:
    (learned, sine), (turn, bias) = figure.subplots(2, 2)
    for axes, values, name in (
        (learned, torch.randn(24, 48, generator=generator), "learned: drawn by lot at first"),
        (sine, sinusoidal_table(24, 48), "sinusoidal: slower from left to right"),
    ):
        axes.imshow(values.numpy(), cmap="RdBu", vmin=-2, vmax=2, aspect="auto", interpolation="nearest")
        axes.set(title=name, xlabel="column of the row", ylabel="place")
    for place, (x, y) in enumerate(rotate(torch.ones(1, 1, 6, 2), cosines[:6], signed_sines[:6])[0, 0].tolist()):
        turn.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "color": BLUE, "linewidth": 1.5})
        turn.text(1.2 * x, 1.2 * y, str(place), ha="center", va="center")
    turn.set(title="rotary: one pair of numbers at places 0 to 5", xlim=(-4, 4), ylim=(-2, 2), aspect="equal")
    steps = torch.randn(32, generator=generator).mul(0.6)[distance_buckets(torch.arange(65), 32, 128)]
    bias.plot(-alibi_slopes(4)[:2, None].mul(torch.arange(65)).T.numpy(), color=BLUE)
    bias.plot((steps - 3).numpy(), color=VERMILION, drawstyle="steps-mid")
    bias.set(title="added to the comparison, by distance", xlabel="distance back, tokens", ylim=(-8, 0.5), xlim=(0, 64))
    label_line_ends(bias, [(-4, "ALiBi", BLUE), (float(steps[-1] - 3), "T5 (by lot)", VERMILION)])
    for axes in (learned, sine, turn, bias):
        axes.grid(visible=False)
        axes.set_title(axes.get_title(loc="left"), fontsize=11)
show(
    "positions",
    "Five ways to say where a token stands: two tables that are added, a turn, two kinds of bias by distance",
)

# %% [markdown]
# ## All five in one model
#
# `GPTConfig.positions` chooses. Exchange the first and the third token and ask what the model, untrained, says after the
# fourth: without positions it doesn't notice. (With one layer. From the second layer on, a model that never looks ahead
# has a faint sense of order even without positions, because the second token has seen one token and the third has seen
# two. Small models do train that way, but not as well.)

# %%
KINDS = ("none", "learned", "sinusoidal", "rotary", "alibi", "relative")

for kind in KINDS:
    config = GPTConfig(vocab_size=100, context_length=64, embed_dim=32, num_layers=1, positions=kind)
    model = GPT(config, torch.Generator().manual_seed(1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)  # untrained weights are tiny; larger ones show the effect
        one, other = model(torch.tensor([[11, 22, 33, 44], [33, 22, 11, 44]]))[:, -1]
    notices = not torch.allclose(one, other, atol=1e-4)
    print(f"{kind:10} {model.num_parameters():6,} parameters, notices the exchange: {notices}")
    assert notices == (kind != "none")

# %% [markdown]
# Which is best depends on the texts and on how long they get. Learned rows are what GPT-2 has, and end with the table;
# sines and the three that speak of distance can go on, though not always well. Most models today have rotary ones.
#
# ## From text to text
#
# With that we can follow one sentence through everything that we have so far, and through the rest as through a closed
# box: the model is untrained, and what it adds is drawn by lot.

# %%
text = "This is an example"
tokens = torch.tensor([gpt2.encode(text)])
model = GPT(GPTConfig(vocab_size=gpt2.vocab_size, context_length=16, embed_dim=64, num_layers=2)).eval()
heard = []  # what arrives at the door of the first block
model.blocks[0].register_forward_pre_hook(lambda block, arguments: heard.append(arguments[0]))
with torch.no_grad():
    x = model.token_embedding(tokens) + model.position_embedding(torch.arange(tokens.shape[1]))
    hidden = model.hidden(tokens)
    logits = model.logits(hidden)
print(f"{text!r}, tokens {tokens[0].tolist()}")
print("input embeddings", tuple(x.shape), "-> blocks", tuple(hidden.shape), "-> logits", tuple(logits.shape))
torch.testing.assert_close(heard[0], x)
print("one score for each of", f"{logits.shape[-1]:,} tokens; the largest is the likeliest to come next")

# %% [markdown]
# The command `hornbook generate` does this over and over with a trained model, and `hornbook show embeddings` draws the
# table of one.
#
# ## What you have seen
#
# - An embedding is a row of a table, looked up by its token; it starts by lot and learns from the company it keeps.
# - Without positions attention sees a bag of words.
# - Learned rows and sines are added; rotary positions turn; ALiBi and relative positions weigh distances.
#
# The next lesson, 05_attention, lets the rows exchange what they know.
#
# ## Exercises
#
# **1.** Write `sines(place, dim)`: one row of the sinusoidal table, with nothing but `math`. Then predict before you
# calculate: is the product of the rows of places 3 and 7 larger than, smaller than or the same as that of 20 and 24?
#
# **2.** Build a tiny retrieval. The point of a sentence is the mean of its words' rows, after the mean of all rows
# is taken away. Find which of the sentences below is nearest to "Max was glad", though they share no word.
#
#     Ruth felt proud / the mill, the inn and the bakery / seven stones and eight spades
#
# ## Solutions

# %% [markdown]
# **1.** They are the same: sin a sin b + cos a cos b is the cosine of a - b, so the product of two rows is a sum of
# cosines of the distance. Sines carry distances too, in a place where attention can find them.


# %%
def sines(place, dim):
    angles = [place / 10000 ** (column / dim) for column in range(0, dim, 2)]
    return [turn(angle) for angle in angles for turn in (math.sin, math.cos)]


rows_by_hand = torch.tensor([sines(place, 8) for place in range(30)])
torch.testing.assert_close(rows_by_hand, sinusoidal_table(30, 8))
products = rows_by_hand @ rows_by_hand.T
print(f"places 3 and 7: {products[3, 7]:.4f}, places 20 and 24: {products[20, 24]:.4f}")
assert abs(products[3, 7] - products[20, 24]) < 1e-4

# %% [markdown]
# **2.** Rows of words that keep the same company are near each other, so means of such rows are, too. Searching by
# words would have found nothing.


# %%
def point(sentence):
    known = [place_of[word] for word in re.findall(r"[a-z]+", sentence.lower()) if word in place_of]
    return (rows[known] - rows.mean(dim=0)).mean(dim=0)


sentences = ["Ruth felt proud", "the mill, the inn and the bakery", "seven stones and eight spades"]
similarity = nn.functional.cosine_similarity(point("Max was glad"), torch.stack([point(s) for s in sentences]))
for sentence, value in zip(sentences, similarity.tolist(), strict=True):
    print(f"{value:5.2f} {sentence}")
assert similarity.argmax() == 0
