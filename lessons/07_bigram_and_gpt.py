# %% [markdown]
# # 7. Bigram and GPT
#
# All the parts are on the table now: tokens, embeddings, attention, blocks. In this lesson they become a model that
# writes. We begin with the smallest model there is, one that looks at a single token and nothing else, because it
# tells us what every larger model has to beat.
#
# Then we put together a GPT, count its weights and those of its famous relatives, and let both models write. The
# student project of lesson 1 built the same two, to show laymen how a language model is made.

# %%
import numpy as np
import torch

from hornbook.pictures.drawing import BLUE, VERMILION, picture, printable
from hornbook.pictures.model_parts import parameter_bars
from hornbook.tokenizers.character import Character
from lesson import PICTURES, number, show, village_text

text = village_text(stories=80)
letters = Character.train([text])
tokens = torch.tensor(letters.encode(text))
cut = int(0.9 * len(tokens))
train, validation = tokens[:cut], tokens[cut:]
size = letters.vocab_size
print(f"{len(train):,} letters to learn from, {len(validation):,} to be asked about, {size} different")

# %% [markdown]
# ## A table of pairs
#
# A *bigram* model guesses the next token from the last one alone. Everything that it can know is how often each token
# follows each other, and that is a table: one row for the last token, one column for the next. Counting fills it.

# %%
counts = torch.zeros(size, size)
for last, following in zip(train[:-1].tolist(), train[1:].tolist(), strict=True):
    counts[last, following] += 1
shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)  # each row adds up to 1

for letter in "qvT":
    likeliest = shares[letters.encode(letter)[0]].topk(3)
    names = [letters.decode([place]) for place in likeliest.indices.tolist()]
    seen = [f"{n!r} {s:.0%}" for n, s in zip(names, likeliest.values, strict=True) if s > 0]
    print(f"after {letter!r}:", ", ".join(seen))

# %%
often = counts.sum(dim=1).topk(24).indices.sort().values
names = [printable(letters.decode([place])) for place in often.tolist()]
with picture(PICTURES / "table", width=6.4, height=5.6) as figure:
    axes = figure.add_subplot()
    image = axes.imshow(shares[often][:, often].numpy(), cmap="Blues", vmin=0, vmax=0.6)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False)
    axes.set(xlabel="the next letter", ylabel="the last letter")
    figure.colorbar(image, label="share of the row (darkest: 0.6 and more)", shrink=0.8)
show(
    "table",
    "Rows of the 24 most frequent letters (a raised dot is the space, a bent arrow the line end): a few dark squares, much white",
)

# %% [markdown]
# How good is it? Ask at every place for the probability of the letter that really came. The *loss* is the mean of the
# negative logarithms of these probabilities, measured in *nats* (the unit that goes with the natural logarithm); lesson
# 8 says why, and until then it is enough that lower is better. A table that finds all V tokens equally likely has the
# loss ln V.

# %%
counted = -shares[train[:-1], train[1:]].log().mean()
print(f"equally likely: {np.log(size):.3f}; the counted table: {counted:.3f}")
uniform = {f"uniform_{tokens}": np.log(tokens) for tokens in (30, 65, 9959)}
number("loss-06", uniform, {"uniform_30": 3.4012, "uniform_65": 4.1744, "uniform_9959": 9.2062})

# %% [markdown]
# ## The same table, learned
#
# Nobody can count what a large model needs to know, so let us see whether training finds what counting found. The
# package's bigram is an embedding of shape (V, V): row t holds the *logits* of what follows token t, the scores that
# softmax makes into probabilities. It starts at 0, and all tokens are equally likely.
#
# We ask for all V rows at once. A pair that comes five hundred times is calculated once and weighted with its share.

# %%
from hornbook.models.bigram import Bigram, BigramConfig

bigram = Bigram(BigramConfig(vocab_size=size, context_length=64))
optimizer = torch.optim.Adam(bigram.parameters(), lr=0.5)
weights = counts / counts.sum()
for step in range(201):
    logits = bigram(torch.arange(size).view(-1, 1))[:, 0]  # (V, V)
    loss = -(weights * logits.log_softmax(dim=1)).sum()
    if step % 50 == 0:
        print(f"step {step:3}: loss {loss.item():.3f}")
    if step == 0:
        assert torch.isclose(loss, torch.tensor(float(size)).log())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
assert counted < loss < counted + 0.01

# %% [markdown]
# The same loss, by a way that knows nothing of counting. No table can be better on this text: the shares are the best
# answer there is to a question about one letter.
#
# One letter it is. Change everything before the last token and the model doesn't notice; and since every pair has its
# own weight, the table grows with the square of the vocabulary. For the letters and the words of *Meditations*:

# %%
one, other = letters.encode("Zoe had a drum and an i"), letters.encode("Nora saw th")
other.append(one[-1])
assert torch.equal(bigram(torch.tensor([one]))[0, -1], bigram(torch.tensor([other]))[0, -1])


def parameters(kind, config):
    with torch.device("meta"):  # shapes without numbers: a model of any size takes no memory
        return kind(config).num_parameters()


for unit, words in {"letters": 30, "words": 9959}.items():
    print(f"{unit}: {parameters(Bigram, BigramConfig(vocab_size=words)):,} weights")
number("mixa-08", parameters(Bigram, BigramConfig(vocab_size=30)), 900)
number("mixa-08", parameters(Bigram, BigramConfig(vocab_size=9959)), 99181681)

# %% [markdown]
# The book has 71,645 words. So of 99 million pairs nearly all never come up, and a table can't tell
# that what follows "dog" will also follow "cat". The embeddings of lesson 4, where such words lie close together, can.
#
# ## Writing, in six steps
#
# Any model that gives logits can write. Here is the whole of it. Step 6 makes the model's own answer part of the
# next question, and this is what the word *autoregressive* means.


# %%
def write(model, tokens, max_new_tokens):
    for _ in range(max_new_tokens):
        seen = tokens[:, -model.config.context_length :]  # 1. as much of the end as the model can look at
        with torch.no_grad():  # 2. the logits of every place; nothing is learned here, so no notes for gradients
            logits = model(seen)
        probabilities = logits[:, -1].softmax(dim=-1)  # 3. of these the last place, 4. as probabilities
        likeliest = probabilities.argmax(dim=-1, keepdim=True)  # 5. the likeliest token
        assert torch.equal(likeliest, logits[:, -1].argmax(dim=-1, keepdim=True))
        tokens = torch.cat([tokens, likeliest], dim=1)  # 6. becomes the end of the text
    return tokens


start = torch.tensor([letters.encode("Zoe had ")])
written = write(bigram, start, max_new_tokens=80)
print(letters.decode(written[0].tolist()))
assert written.shape[1] == start.shape[1] + 80

# %% [markdown]
# Always taking the likeliest token is called *greedy*. The `assert` inside says that greedy doesn't need step 4: a
# higher logit always means a higher probability, so softmax never changes who is first. We keep it because lesson 10
# draws from the probabilities instead.
#
# A greedy bigram soon walks in a circle, since the same letter always has the same successor. It also wrote past its 64
# places: step 1 forgets the beginning. The package's `generate_tokens` gives the same, token by token. And a model asked with
# numbers that can't be tokens says so.

# %%
from hornbook.generation.generate import generate_tokens
from hornbook.generation.sampling import Sampling

greedy = Sampling(temperature=0)
stream = generate_tokens(bigram, start[0].tolist(), greedy, max_new_tokens=80, seed=0)
assert list(stream) == written[0, start.shape[1] :].tolist()

try:
    bigram(torch.tensor([[0.5, 1.5]]))
except TypeError as error:
    print(error)

# %% [markdown]
# ## The whole of a GPT
#
# GPT (2018) took up half of a model published the year before in "Attention is All You Need". That one translated, and
# had two halves of six blocks each: an *encoder* that reads the sentence, and a *decoder* that writes the other one
# while looking at what it wrote and at what the encoder read. To continue a text no second text is needed. A GPT is a
# decoder alone, without the part that looks across: tokens see earlier tokens of the same row, and that is all.
#
# Here is a small one, and its whole path. Every token is looked up in the token embedding, every place in the position
# embedding (learned like the first), and both are added. The blocks follow one another, then comes a norm, and at the
# end a score for every token.

# %%
from hornbook.models.gpt import GPT, GPTConfig, Places

config = GPTConfig(vocab_size=size, context_length=64, num_layers=2, num_heads=4, embed_dim=64)
gpt = GPT(config, torch.Generator().manual_seed(1))

inputs = train[:96].view(2, 48)
x = gpt.token_embedding(inputs) + gpt.position_embedding(torch.arange(inputs.shape[-1]))
print("tokens", tuple(inputs.shape), "-> embedded (batch, places, embed_dim)", tuple(x.shape))
for layer, block in enumerate(gpt.blocks):
    x = block(x, Places(), layer, None)
logits = gpt.logits(gpt.final_norm(x))
print("-> logits (batch, places, tokens)", tuple(logits.shape))

assert len(gpt.blocks) == config.num_layers
assert torch.allclose(logits, gpt(inputs), atol=1e-5)
assert torch.allclose(logits.softmax(dim=-1).sum(dim=-1), torch.ones(2, 48))

# %% [markdown]
# The blocks sit in a `ModuleList` and the loop calls them. `nn.Sequential` would call them by itself, but it hands on one
# thing only, and a block takes more than `x`: positions, for those kinds that need them in attention; its own place
# among the layers; and a cache of keys and values that makes writing fast (lesson 10; `None` is no cache).
#
# ## Counting weights
#
# The same code with other numbers is GPT-2. Its 124 million weights come out only if the output uses the token
# embedding a second time (*tied*); counted as two matrices it has 163 million. Four bytes each give the memory, in
# megabytes of 1,024 x 1,024 bytes. (We count without biases on queries, keys and values. The published files have them,
# and then the small one has 124,439,808.)

# %%
GPT2 = {"small": (768, 12, 12), "medium": (1024, 24, 16), "large": (1280, 36, 20), "xl": (1600, 48, 25)}


def gpt2_config(name, tied):
    embed_dim, num_layers, num_heads = GPT2[name]
    sizes = {"embed_dim": embed_dim, "num_layers": num_layers, "num_heads": num_heads}
    return GPTConfig(vocab_size=50257, context_length=1024, biases="all_but_qkv", tied_output=tied, **sizes)


table = {}
for name in GPT2:
    untied, tied = (parameters(GPT, gpt2_config(name, tied)) for tied in (False, True))
    table[name] = [untied, tied, round(untied * 4 / 1024**2, 2)]
    print(f"{name:6} {tied:13,} weights, {untied:13,} untied, which take {table[name][2]:8,.2f} MB")

number("gpt-05", table["medium"], [406212608, 354749440, 1549.58])
number("gpt-05", table["large"], [838220800, 773891840, 3197.56])
number("gpt-05", table["xl"], [1637792000, 1557380800, 6247.68])
untied, tied, megabytes = table["small"]
expected = {"total": 163009536, "tied": 124412160, "size_mb": 621.83}
number("gpt-04", {"total": untied, "tied": tied, "size_mb": megabytes}, expected)

# %%
with torch.device("meta"):
    small = GPT(gpt2_config("small", tied=False))
number("gpt-04", list(small.token_embedding.weight.shape), [50257, 768])
number("gpt-04", list(small.output.weight.shape), [50257, 768])


def count(*modules):
    return sum(weight.numel() for module in modules for weight in module.parameters())


blocks = small.blocks
parts = {
    "token embedding": count(small.token_embedding),
    "position embedding": count(small.position_embedding),
    "attention": count(*(block.attention for block in blocks)),
    "feed-forward": count(*(block.feed_forward for block in blocks)),
    "norms": count(small.final_norm, *(n for block in blocks for n in (block.attention_norm, block.feed_forward_norm))),
    "output": count(small.output),
}
assert sum(parts.values()) == table["small"][0]
parameter_bars(parts, PICTURES / "parts", title="GPT-2 small, output untied")
show("parts", "The feed-forward parts hold twice as much as attention; the vocabulary's matrices are nearly half of it")

# %% [markdown]
# And GPT-3? 96 blocks, 12,288 numbers to a token, a context of 2,048. Little but the sizes has changed (every second
# block looks at a part of the places only, which doesn't change the count).

# %%
gpt3 = GPTConfig(vocab_size=50257, context_length=2048, num_layers=96, num_heads=96, embed_dim=12288)
print(f"{parameters(GPT, gpt3) / 1e9:.1f} billion weights")
assert 174e9 < parameters(GPT, gpt3) < 176e9

# %% [markdown]
# ## A GPT that was not what it said
#
# The student project's GPT had these settings. Its blocks come in the older order, with the norm after each sum, and
# ReLU between two Linear layers of which the inner one is four times as wide; after them dropout, which sets some
# numbers to 0 while training. (Its output also has a bias for each token, which ours leaves out;
# for the letters that is 30 numbers.)

# %%
settings = {"block_size": 256, "n_embd": 384, "n_heads": 6, "n_layers": 6, "dropout": 0.2}
number("mixa-03", settings, settings)


def project(vocab_size, num_heads):
    sizes = {"context_length": settings["block_size"], "embed_dim": settings["n_embd"], "num_heads": num_heads}
    sizes |= {"num_layers": settings["n_layers"], "dropout": settings["dropout"]}
    form = {"norm": "after", "activation": "relu", "biases": "all_but_qkv", "tied_output": False}
    return parameters(GPT, GPTConfig(vocab_size=vocab_size, **sizes, **form)) + vocab_size


print(f"letters {project(30, 6):,}, words {project(9959, 6):,}; letters with 96 heads {project(30, 96):,}")
number("mixa-08", project(30, 6), 10761246)
number("mixa-08", project(9959, 6), 18396647)
assert project(30, 6) == project(30, 96)

# %% [markdown]
# It said 6 heads and built 96, each of only 4 numbers: a quarter of `n_embd` was passed where the number of heads
# belongs. The count of weights can't show it, since more heads cut the same matrices into thinner strips. And scores
# were divided by the root of 384 instead of the root of the head's size. What does that do to attention?

# %%
generator = torch.Generator().manual_seed(1)
for head_dim, divisor, about in ((64, 64, "6 heads, root of 64"), (4, 384, "96 heads, root of 384")):
    queries, keys = torch.randn(2, 500, 64, head_dim, generator=generator)  # 500 times 64 tokens
    weights = (queries @ keys.transpose(1, 2) / divisor**0.5).softmax(dim=-1)
    print(f"{about:21}: of 64 tokens the favourite gets {weights.amax(dim=-1).mean():.1%}, an even share is 1.6%")
assert weights.amax(dim=-1).mean() < 0.025

# %% [markdown]
# At the start of training, when queries and keys are still random, its heads hardly look at anything in particular.
# Such a mistake makes no noise; the model still trains, only worse. A printed look at the attention weights (lesson 5)
# finds it in a minute. Two more: a batch held windows of 64 tokens where 256 were meant (the batch size stood where the
# window's belongs), and the curve shown for this model was another model's.
#
# ## What the whole context adds
#
# Time to see whether all this is worth it. We train the small GPT for a short while on the same letters; the loop is
# lesson 1's, and lesson 9 goes through it. (`Muon` is one of the package's optimizers; it gets far in few steps.)

# %%
from hornbook.batches.order import batch_starts
from hornbook.batches.windows import Windows
from hornbook.layers.loss import mean_loss
from hornbook.optimizers.muon import Muon

windows = Windows(train.numpy(), context_length=64)
optimizer = Muon(learning_rate=0.01).build(gpt.named_parameters())
for step in range(200):
    starts = batch_starts(step, seed=1, batch_size=12, num_tokens=len(train), context_length=64)
    inputs, targets = windows.gather(starts)
    loss = mean_loss(gpt(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% [markdown]
# Now the validation part, window by window. How wrong is each model at the first place of a window, where both have
# seen one letter, and how wrong at the later ones, where the GPT has seen more?

# %%
groups = {"1": (0, 1), "2": (1, 2), "3-4": (2, 4), "5-8": (4, 8), "9-16": (8, 16), "17-32": (16, 32), "33-64": (32, 64)}
asked = Windows(validation.numpy(), context_length=64, stride=16)
inputs, targets = asked.gather(range(0, 16 * len(asked), 16))


def losses_by_group(model):
    with torch.no_grad():
        shares = model(inputs).log_softmax(dim=-1)
    losses = -shares.gather(2, targets.unsqueeze(2)).squeeze(2)  # (windows, 64): one loss for every place
    return losses.mean().item(), [losses[:, first:end].mean().item() for first, end in groups.values()]


bigram_loss, bigram_groups = losses_by_group(bigram)
gpt_loss, gpt_groups = losses_by_group(gpt)
print(f"bigram {bigram_loss:.2f}, GPT {gpt_loss:.2f}")
assert gpt_loss < bigram_loss - 0.2

# %%
with picture(PICTURES / "context", width=8, height=3.6) as figure:
    axes = figure.add_subplot()
    for losses, colour, name in ((bigram_groups, VERMILION, "bigram"), (gpt_groups, BLUE, "GPT")):
        axes.plot(list(groups), losses, marker="o", color=colour)
        axes.text(6.2, losses[-1], name, color=colour, va="center", fontweight="bold")
    axes.set(xlabel="letters seen", ylabel="loss (nats per letter)", xlim=(-0.3, 7.1))
show(
    "context",
    "The bigram's line is level; the GPT's begins above it and falls far below it within the first eight letters",
)

# %% [markdown]
# That is the difference in one picture. The bigram stays where it is. With a single letter to see, the GPT is even
# worse: only one question in 64 was of that kind. From two letters it begins to know the syllable, from five the word.
# Then this one gains little more; a larger one, longer trained, would learn from the hundredth letter who the story is
# about. Let both write, drawing from their probabilities:

# %%
from hornbook.generation.generate import LanguageModel

for name, model in (("bigram", bigram), ("GPT", gpt)):
    print(f"{name}: Zoe had {LanguageModel(model, letters).generate('Zoe had ', max_new_tokens=56, seed=2)!r}")

# %% [markdown]
# ## What you have seen
#
# - A bigram is a table of V times V numbers; counting and training lead to the same one.
# - A GPT is embeddings, a row of blocks, a norm and an output; GPT-2 and GPT-3 differ in their sizes.
# - Writing is the same six steps for every model.
# - The whole context is what makes the difference, and a count of weights doesn't show whether it is used.
#
# The next lesson, 08_loss_and_gradients, asks what the loss is and how a model knows which way to go.
#
# ## Exercises
#
# **1.** Build the *trigram*: count what follows each pair of letters. Is its loss on the training part lower than the
# bigram's? To ask it about the validation part, first add 0.01 to every count, or a pair that it never saw makes the
# loss infinite.
#
# **2.** Write a formula for the weights of a GPT-2 of any size: `weights(embed_dim, num_layers)`, with an untied output
# and no bias on queries, keys and values. Predict the numbers of the table above with it.
#
# ## Solutions

# %% [markdown]
# **1.** A table with three directions. It wins on both parts here, but it has V times as many numbers as the bigram, and
# every further letter multiplies them by V again; this road ends soon. Still, it is even ahead of the GPT above,
# which was trained for so short a time: counting is quick, and a good habit before anything large is built.

# %%
three = torch.full((size, size, size), 0.01)
place = (train[:-2], train[1:-1], train[2:])
three.index_put_(place, torch.ones(len(train) - 2), accumulate=True)
three /= three.sum(dim=2, keepdim=True)
trigram = -three[place].log().mean()
held_out = -three[validation[:-2], validation[1:-1], validation[2:]].log().mean()
print(f"training {trigram:.2f}, validation {held_out:.2f}, from a table of {size**3:,} numbers")
assert trigram < counted
assert held_out < bigram_loss

# %% [markdown]
# **2.** A block has four square matrices with one bias (attention), two matrices of four times the width with their
# biases (feed-forward), and two norms of two rows each.


# %%
def weights(embed_dim, num_layers, vocab_size=50257, context_length=1024):
    attention = 4 * embed_dim**2 + embed_dim
    feed_forward = 8 * embed_dim**2 + 5 * embed_dim
    block = attention + feed_forward + 4 * embed_dim
    return (2 * vocab_size + context_length) * embed_dim + num_layers * block + 2 * embed_dim


predicted = {name: weights(embed_dim, num_layers) for name, (embed_dim, num_layers, _) in GPT2.items()}
print(predicted)
assert predicted == {name: row[0] for name, row in table.items()}
number("gpt-05", predicted["small"], 163009536)
