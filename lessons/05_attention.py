# %% [markdown]
# # 5. Attention
#
# "By the water she sat down on the bank." To know what "bank" means, one must look back at "water". Early programs
# that translated went word by word, and failed at every sentence whose words stand in another order in the other
# language. Later ones read a sentence word after word into one vector and wrote the translation from it; by the end of
# a long sentence that vector had forgotten the beginning. In 2014 Bahdanau and others let the writer look back at every
# word that was read, and choose at each step which ones matter. That look is *attention*. When the words of one text
# look at each other, it is *self-attention*, and it is all that models need to carry news over a long distance.
#
# We climb a ladder of five rungs, each a few lines longer than the one before, and end at the one that GPT-2 uses.

# %%
import math

import torch
from torch import nn

from hornbook.pictures.attention_maps import attention_maps
from hornbook.pictures.drawing import GREEN, ORANGE, PURPLE, SKY, picture
from lesson import PICTURES, number, show

# %% [markdown]
# ## Likeness is a product
#
# Six words with three numbers each, made up so that they can be followed by eye. How much should "journey", the second
# word, look at each of the others? Multiply two rows place by place and add up: the *dot product*. It is large where
# both rows are large in the same places. These numbers are the *scores*, and the word that asks is the *query*.

# %%
WORDS = ["Your", "journey", "starts", "with", "one", "step"]
inputs = torch.tensor(
    [[0.43, 0.15, 0.89], [0.55, 0.87, 0.66], [0.57, 0.85, 0.64], [0.22, 0.58, 0.33], [0.77, 0.25, 0.10], [0.05, 0.80, 0.55]]
)  # fmt: skip
query = inputs[1]


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


scores = torch.stack([dot(word, query) for word in inputs])
torch.testing.assert_close(scores[0], torch.dot(inputs[0], query))
print(scores)
number("att-01", scores, [0.9544, 1.4950, 1.4754, 0.8434, 0.7070, 1.0865])

# %% [markdown]
# Scores become *attention weights* when they are positive and sum to 1. (They are not the weights that a model learns:
# these are calculated anew for every text.) Dividing by their sum would do here, but not for scores below zero.
# *Softmax* always does: e to the score, divided by the sum of all. Calculated like that it breaks at large scores,
# since e to the 1000 is more than a computer can write; e to the (score minus the largest score) has the same shares
# and never breaks. PyTorch's softmax knows this.


# %%
def naive_softmax(scores):
    return scores.exp() / scores.exp().sum()


shares, weights = scores / scores.sum(), scores.softmax(dim=0)
print("divided by the sum:", shares)
print("softmax:           ", weights)
torch.testing.assert_close(naive_softmax(scores), weights)
number("att-01", shares, [0.1455, 0.2278, 0.2249, 0.1285, 0.1077, 0.1656])
number("att-01", weights, [0.1385, 0.2379, 0.2333, 0.1240, 0.1082, 0.1581])

large = torch.tensor([1000.0, 999.0, -1000.0])
print("naive:", naive_softmax(large), "torch:", large.softmax(dim=0))
assert naive_softmax(large).isnan().any()
torch.testing.assert_close(naive_softmax(large - large.max()), large.softmax(dim=0))

# %% [markdown]
# What "journey" becomes is the mean of all words with these weights, its *context vector*: itself and "starts" a little
# more than the others, and something of everything.

# %%
context = sum(weight * word for weight, word in zip(weights, inputs, strict=True))
print(context)
number("att-01", context, [0.4419, 0.6515, 0.5683])

# %% [markdown]
# ## Everyone takes a turn
#
# Every word is the query once. That takes two loops, or one product of the inputs with themselves turned on their side.
# The product is the same sums; but it hands the whole block to the processor at once, where the loops ask six times six
# small questions from Python, and at a thousand words a million.

# %%
scores = torch.empty(6, 6)
for i, one in enumerate(inputs):
    for j, other in enumerate(inputs):
        scores[i, j] = torch.dot(one, other)
torch.testing.assert_close(inputs @ inputs.T, scores)
print(scores)
number("att-02", scores[0], [0.9995, 0.9544, 0.9422, 0.4753, 0.4576, 0.6310])

weights = scores.softmax(dim=-1)  # along each row
contexts = weights @ inputs
print(contexts)
torch.testing.assert_close(weights.sum(dim=-1), torch.ones(6))
number("att-02", weights[3], [0.1435, 0.2074, 0.2046, 0.1462, 0.1263, 0.1720])
number("att-02", contexts[0], [0.4421, 0.5931, 0.5790])
number("att-02", contexts[5], [0.4177, 0.6503, 0.5645])

# %% [markdown]
# This is the first rung, and the package has it as a function.

# %%
from hornbook.layers.attention_steps import simple_attention

by_package, weights_by_package = simple_attention(inputs)
torch.testing.assert_close(by_package, contexts)
title = "Without anything to learn"
names = {"layer_names": [""], "head_names": [""]}
attention_maps([weights_by_package[None].numpy()], WORDS, PICTURES / "simple", title=title, **names)
show("simple", "Row by row, how much each word takes of each: nearly even, and likeness is all that counts")

# %% [markdown]
# ## Asking, offering, giving
#
# Likeness alone is a poor guide. A verb should look for its subject, which isn't like it at all. So each word gets
# three roles, each made by a matrix that training can change: its *query* says what it looks for, its *key* what it
# is, its *value* what it passes on. Scores compare queries with keys; values are what is mixed.

# %%
torch.manual_seed(123)
W_query, W_key, W_value = torch.rand(3, 2), torch.rand(3, 2), torch.rand(3, 2)
query, keys, values = inputs[1] @ W_query, inputs @ W_key, inputs @ W_value

scores = keys @ query
weights = (scores / math.sqrt(keys.shape[-1])).softmax(dim=-1)
context = weights @ values
print(scores, weights, context, sep="\n")
number("att-03", query, [0.4306, 1.4551])
number("att-03", scores, [1.2705, 1.8524, 1.8111, 1.0795, 0.5577, 1.5440])
number("att-03", weights, [0.1500, 0.2264, 0.2199, 0.1311, 0.0906, 0.1820])
number("att-03", context, [0.3061, 0.8210])

# %% [markdown]
# Why divide by the root of the row's length? A dot product of longer rows has more terms and strays farther from zero,
# as the root of their number. Softmax of large scores gives everything to one word, and then nothing can be learned: a
# weight that is nearly 0 or 1 hardly moves when its score does. (Where there are several heads, as further down, it is
# the root of one head's size; the student project of lesson 1 took the whole embedding's.)

# %%
generator = torch.Generator().manual_seed(1)
for size in (4, 64, 1024):
    queries, keys = torch.randn(1000, size, generator=generator), torch.randn(8, size, generator=generator)
    scores = queries @ keys.T
    largest, divided = (s.softmax(dim=-1).amax(dim=-1).mean() for s in (scores, scores / math.sqrt(size)))
    print(
        f"size {size:4}: scores spread {scores.std():4.1f}, largest weight {largest:.2f}, after dividing {divided:.2f}"
    )
assert largest > 0.9
assert divided < 0.5

# %% [markdown]
# As a class with three parameters, for all words at once, this is the second rung.

# %%
from hornbook.layers.attention_steps import LinearAttention, ParameterAttention

torch.manual_seed(123)
second = ParameterAttention(in_dim=3, out_dim=2)
contexts = second(inputs).detach()
print(contexts)
torch.testing.assert_close(contexts[1], context)
expected = [[0.2996, 0.8053], [0.3061, 0.8210], [0.3058, 0.8203], [0.2948, 0.7939], [0.2927, 0.7891], [0.2990, 0.8040]]
number("att-04", contexts, expected)

# %% [markdown]
# The third rung keeps the matrices in `nn.Linear`, which without a bias is a product and nothing else. It stores the
# matrix lying on its side. And it starts better: small numbers around zero, where `torch.rand` drew them all positive.
# To prove that the rungs are the same calculation, we carry the matrices over.

# %%
torch.manual_seed(123)
third = LinearAttention(in_dim=3, out_dim=2)
print(f"rand: mean {torch.rand(1000).mean():.1f}; Linear: mean {nn.Linear(1000, 10).weight.mean().abs():.1f}")
with torch.no_grad():
    for name in ("query", "key", "value"):
        getattr(second, name).copy_(getattr(third, name).weight.T)
torch.testing.assert_close(second(inputs), third(inputs))
number("att-06", third(inputs)[0].detach(), [-0.5337, -0.1051])
number("att-06", third(inputs)[5].detach(), [-0.5299, -0.1081])

# %% [markdown]
# ## No looking ahead
#
# A model that guesses the next word must not see it. So the weights above the diagonal, where a word looks at later
# ones, have to go. One could set them to 0 and divide each row by what is left:

# %%
torch.manual_seed(789)
third = LinearAttention(in_dim=3, out_dim=2)
weights = third.weights(inputs).detach()
masked = weights * torch.ones(6, 6).tril()
renormalised = masked / masked.sum(dim=-1, keepdim=True)
print(renormalised)
number("att-08", masked[1], [0.2041, 0.1659, 0, 0, 0, 0])
number("att-08", renormalised[3], [0.2758, 0.2460, 0.2462, 0.2319, 0, 0])

# %% [markdown]
# There is a shorter way. Put minus infinity into the *scores* and let softmax do the rest: e to the minus infinity is
# exactly 0, and the row sums to 1 by itself. It is the same matrix. So nothing of the future leaks into the result,
# although the first way had calculated with it: dividing removes every trace, as if the later words did not exist.
#
# Zeros in the scores would not do. Zero is a score like any other, and e to the 0 is 1.

# %%
later = torch.ones(6, 6).triu(1).bool()
scores = third.query(inputs) @ third.key(inputs).T / math.sqrt(2)
hidden = scores.masked_fill(later, float("-inf")).softmax(dim=-1).detach()
torch.testing.assert_close(hidden, renormalised)
number("att-10", hidden[5], [0.1935, 0.1663, 0.1666, 0.1542, 0.1666, 0.1529])
number("att-10", hidden[1], [0.5517, 0.4483, 0, 0, 0, 0])

with_zeros = scores.masked_fill(later, 0.0).softmax(dim=-1)
print("row 2 with -inf:", hidden[1])
print("row 2 with 0:   ", with_zeros[1].detach())
assert with_zeros[1, 2:].sum() > 0.5  # the future is heard loudly

# %% [markdown]
# If all scores are equal, each word takes the plain mean of itself and what came before it, and the matrix is a
# staircase.

# %%
even = torch.zeros(8, 8).masked_fill(torch.ones(8, 8).triu(1).bool(), float("-inf")).softmax(dim=-1)
number("att-22", even[:, :1], [[1.0], [0.5], [0.3333], [0.25], [0.2], [0.1667], [0.1429], [0.125]])
print(even[:4, :5])

# %% [markdown]
# The fourth rung adds this mask. It keeps what it promises: put another word in the last place, and the first five context
# vectors are the same to the last digit. On the rung before, which sees the whole text at once, all of them change.

# %%
from hornbook.layers.attention_steps import CausalAttention

torch.manual_seed(123)
fourth = CausalAttention(in_dim=3, out_dim=2, context_length=6)
batch = torch.stack([inputs, inputs])
contexts = fourth(batch).detach()
print(tuple(contexts.shape), contexts[0], sep="\n")
number("att-13", list(contexts.shape), [2, 6, 2])
number("att-13", contexts[0, 1], [-0.5874, 0.0058])
number("att-13", contexts[0, 5], [-0.5299, -0.1081])

other = inputs.clone()
other[5] = torch.tensor([0.9, 0.1, 0.4])
assert torch.equal(fourth(other)[:5], fourth(inputs)[:5])
assert not torch.isclose(third(other)[:5], third(inputs)[:5]).all(dim=-1).any()

# %% [markdown]
# The mask isn't learned, so it is no *parameter*, as PyTorch calls the weights of a model. But it must go wherever the
# model goes, or a model on a graphics card would ask for a mask in another memory. PyTorch calls such a tensor a
# *buffer*. ("meta" is a device that has shapes but no numbers, good for a test like this.)

# %%
print("parameters:", [name for name, _ in fourth.named_parameters()])
print("buffers:   ", [name for name, _ in fourth.named_buffers()])
assert "mask" in fourth.state_dict()  # it is saved with the model
assert CausalAttention(3, 2, 6).to("meta").mask.device.type == "meta"

# %% [markdown]
# *Dropout* sets some of the attention weights to 0 by lot, again at every step of training, so that no word relies on
# a single other one. What is left is made larger, so that the sum stays the same on average. It happens in training
# only: after `eval()` the model gives the same answer every time. (`eval()` doesn't switch gradients off, as is often
# said; `torch.no_grad()` does.) Some drop the result of the mixing as well; the package does both.

# %%
torch.manual_seed(123)
dropped = nn.Dropout(0.5)(torch.ones(6, 6))
print(dropped[:2])
number("att-11", dropped[0], [2, 2, 0, 2, 2, 0])
number("att-11", dropped[1], [0, 0, 0, 2, 0, 2])

forgetful = CausalAttention(3, 2, 6, dropout=0.5)
assert not torch.equal(forgetful(inputs), forgetful(inputs))
forgetful.eval()
assert torch.equal(forgetful(inputs), forgetful(inputs))
assert forgetful(inputs).requires_grad  # eval() has not switched gradients off

# %%
three = torch.stack([weights, hidden, hidden * dropped]).numpy()
head_names = ["all weights", "the future hidden", "and dropout"]
title = "The fourth rung in three steps"
attention_maps([three], WORDS, PICTURES / "mask", title=title, layer_names=[""], head_names=head_names)
show(
    "mask",
    "The mask takes the upper triangle away and the rest grows; dropout then wipes out about half and doubles the others",
)

# %% [markdown]
# ## Many heads
#
# One matrix of weights can say one thing about each pair of words. A text needs several: who did it, when, to whom. So
# several attentions, called *heads*, work side by side on the same words, each with its own matrices, and their
# results are laid next to each other. This is the fifth rung. The heads share the width: 768 numbers and 12 heads make
# 64 each.

# %%
from hornbook.layers.attention_steps import SplitHeads, StackedHeads

torch.manual_seed(123)
stacked = StackedHeads(in_dim=3, out_dim=4, context_length=6, num_heads=2)
one_by_one = torch.cat([head(inputs) for head in stacked.heads], dim=-1)
torch.testing.assert_close(stacked(inputs), one_by_one)
print("results of two heads of size 2, side by side:", tuple(one_by_one.shape))

# %% [markdown]
# Twelve heads one after the other are twelve small products. One wide matrix does all of them at once, if its result is
# then cut into heads. Follow the shapes: B texts, T words, C numbers, H heads of D numbers each.

# %%
torch.manual_seed(123)
split = SplitHeads(in_dim=3, out_dim=4, context_length=6, num_heads=2)
queries = split.query(batch)
heads = queries.view(2, 6, 2, 2)  # cut each word's row: (B, T, H, D)
turned = heads.transpose(1, 2)  # heads first: (B, H, T, D)
keys, values = split.split(split.key(batch)), split.split(split.value(batch))
weights = (turned @ keys.transpose(2, 3) / math.sqrt(2)).masked_fill(later, float("-inf")).softmax(dim=-1)
mixed = weights @ values
joined = mixed.transpose(1, 2).contiguous().view(2, 6, 4)  # back: (B, T, C)
steps = {"B T C": queries, "B T H D": heads, "B H T D": turned, "B H T T": weights, "mixed": mixed, "joined": joined}
for name, block in steps.items():
    print(f"{name:8} {tuple(block.shape)}")
torch.testing.assert_close(split.output(joined), split(batch))

# %% [markdown]
# Cut first, then turn. `view` reads the same row of numbers in another shape. Asked for the turned shape at once, it
# has the right shape and the wrong numbers in it: a head would get a few words whole and the others not at all.
# Nothing complains.

# %%
x = torch.arange(2 * 64 * 10).view(2, 64, 10)
right, wrong = x.view(2, 64, 5, 2).transpose(1, 2), x.view(2, 5, 64, 2)
found = {"same_shape": right.shape == wrong.shape, "same_contents": torch.equal(right, wrong)}
print(found)
number("att-20", found, {"same_shape": True, "same_contents": False})

# %%
from matplotlib.colors import ListedColormap

word_of = torch.arange(4)[:, None].expand(4, 6).contiguous()  # four words of six numbers; each number knows its word
cuts = {"cut, then turned": word_of.view(4, 2, 3).transpose(0, 1), "viewed at once": word_of.view(2, 4, 3)}
with picture(PICTURES / "heads", width=9, height=2.7) as figure:
    grid = iter(figure.subplots(1, 4))
    for way, heads in cuts.items():
        for name, head in enumerate(heads, start=1):
            axes = next(grid)
            axes.axis("off")
            axes.imshow(head.numpy(), cmap=ListedColormap([ORANGE, SKY, GREEN, PURPLE]), vmin=0, vmax=3, alpha=0.6)
            axes.set_title(f"head {name}, {way}", fontsize=10, loc="center")
            for row in range(4):
                for column in range(3):
                    axes.text(column, row, f"word {head[row, column] + 1}", ha="center", va="center", fontsize=9)
show(
    "heads",
    "Cut first: each head has a piece of every word. Viewed at once: a head has all of two words and none of the others",
)

# %% [markdown]
# The way back needs `contiguous()`: turning doesn't move any number in memory, it only changes the order of reading,
# and `view` wants them to lie in the order in which they are read.
#
# Carry the matrices of the stacked heads over, and the two forms of the fifth rung agree. The output projection, a
# last matrix that lets the heads mix, has to be one that changes nothing. Attention would work without it; nearly all
# models have it.

# %%
with torch.no_grad():
    for name in ("query", "key", "value"):
        getattr(split, name).weight.copy_(torch.cat([getattr(head, name).weight for head in stacked.heads]))
    split.output.weight.copy_(torch.eye(4))
    split.output.bias.zero_()
torch.testing.assert_close(split(batch), stacked(batch))

gpt2_small = SplitHeads(in_dim=768, out_dim=768, context_length=1024, num_heads=12)
count = sum(parameter.numel() for parameter in gpt2_small.parameters())
print(f"{count:,} weights, heads of size {gpt2_small.head_dim}")
number("att-18", count, 2360064)

six = SplitHeads(in_dim=384, out_dim=384, context_length=256, num_heads=6)
assert six.weights(torch.randn(1, 8, 384)).shape == (1, 6, 8, 8)
assert six.head_dim == 64

# %% [markdown]
# (The last lines are less idle than they look. The student project meant to have six heads of 64 and, by one mistaken
# division, built ninety-six of 4. Nothing complained there either.)
#
# ## The same, faster
#
# The models of the package call `causal_attention`, which leaves the work to PyTorch's `scaled_dot_product_attention`.
# It can do without writing down the matrix of weights, which for 1,024 tokens has a million entries a head. One matrix
# makes queries, keys and values in one go. With the weights of the last rung, both give the same result, and so does
# the attention that PyTorch brings along. (In later Llama models several heads of queries share one head of keys and
# values, called *grouped* heads, which saves memory when a text is written. `Places` hands over the positions that
# speak of distance, here none; the cache belongs to lesson 10.)

# %%
from hornbook.layers.attention import causal_attention
from hornbook.models.gpt import Attention, GPTConfig, Places

fast = Attention(GPTConfig(vocab_size=1, context_length=1024, embed_dim=768, num_heads=12))
torchs = nn.MultiheadAttention(768, 12, batch_first=True)
with torch.no_grad():
    wide = torch.cat([getattr(gpt2_small, name).weight for name in ("query", "key", "value")])
    for weight, bias in ((fast.qkv.weight, fast.qkv.bias), (torchs.in_proj_weight, torchs.in_proj_bias)):
        weight.copy_(wide)
        bias.zero_()
    for output in (fast.output, torchs.out_proj):
        output.load_state_dict(gpt2_small.output.state_dict())

    x = torch.randn(8, 1024, 768, generator=torch.Generator().manual_seed(1))
    out = fast(x, Places(), layer=0, cache=None)
    start = x[:2, :64]  # nothing looks ahead, so the first 64 can be calculated alone
    torch.testing.assert_close(gpt2_small(start), out[:2, :64], atol=1e-5, rtol=1e-4)
    ahead = torch.ones(64, 64).triu(1).bool()
    by_torch, _ = torchs(start, start, start, attn_mask=ahead, need_weights=False)
    torch.testing.assert_close(by_torch, out[:2, :64], atol=1e-5, rtol=1e-4)
print("last rung, fast form and PyTorch's own agree:", tuple(out.shape))
number("att-21", list(out.shape), [8, 1024, 768])
torch.testing.assert_close(causal_attention(turned, keys, values), mixed)

# %% [markdown]
# ## Reading a matrix
#
# A row says where a word looks. Here is the fifth of eight rows for "A man must not only consider how daily", from the
# report of the student project, which reads it as "token 5 wants to learn most from tokens 1 and 3". Sort the row
# before you believe it.

# %%
words = ["A", "man", "must", "not", "only", "consider", "how", "daily"]
row = torch.tensor([0.4824, 0.0087, 0.1582, 0.0427, 0.3080, 0, 0, 0])
number("mixa-09", row, [0.4824, 0.0087, 0.1582, 0.0427, 0.3080, 0, 0, 0])
for place in row.argsort(descending=True)[:3].tolist():
    print(f"{words[4]!r} looks at {words[place]!r} (token {place + 1}): {row[place]:.2f}")
assert (row.argsort(descending=True)[:3] + 1).tolist() == [1, 5, 3]  # itself comes second

# %% [markdown]
# To see attention that does something, train it. The texts are six letters out of eight, drawn by lot and then
# repeated, twice. What comes next is known from the seventh letter on, to whoever can look back. A bigram model, which
# knows the last letter and no other, can't do better than 2.08, the logarithm of 8: the loss of finding all eight
# letters equally likely. We train a model with one layer and two heads twice: with learned positions and with relative
# ones (lesson 4).

# %%
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT


def trained(model, steps=150):
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(steps):
        rows = torch.randint(8, (32, 6), generator=generator).repeat(1, 3)
        logits, targets = model(rows[:, :-1])[:, 5:], rows[:, 6:]
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval(), loss.item()


sizes = {"vocab_size": 8, "context_length": 18, "embed_dim": 32, "num_layers": 1, "num_heads": 2}
seeded = torch.Generator().manual_seed(1)
_, bigram_loss = trained(Bigram(BigramConfig(vocab_size=8)))
learned, learned_loss = trained(GPT(GPTConfig(**sizes, positions="learned"), seeded))
relative, relative_loss = trained(GPT(GPTConfig(**sizes, positions="relative"), seeded))
print(f"bigram {bigram_loss:.1f}, learned positions {learned_loss:.1f}, relative positions {relative_loss:.1f}")
assert bigram_loss > 1.9
assert max(learned_loss, relative_loss) < 0.1

# %%
letters = torch.tensor([[3, 7, 0, 5, 1, 6]]).repeat(1, 3)[:, :-1]
maps = [model.attention_weights(letters)[0][0] for model in (learned, relative)]
names = ["abcdefgh"[letter] for letter in letters[0].tolist()]
layer_names = ["learned positions", "relative positions"]
title = "Two models that repeat what they read"
attention_maps([m.numpy() for m in maps], names, PICTURES / "trained", title=title, layer_names=layer_names)
show(
    "trained",
    "Learned positions: all look at the first round of letters. Relative: stripes, five and eleven places back",
)

for name, m in zip(layer_names, maps, strict=True):
    print(f"{name}: place 13 takes {m[:, 12, 1].mean():.2f} from place 2 and {m[:, 12, 7].mean():.2f} from place 8")
assert maps[0][:, 12, 1].mean() > 2 * maps[0][:, 12, 7].mean()
assert maps[1][:, 12, [1, 7]].sum(dim=-1).mean() > 0.4

# %% [markdown]
# Both are right every time, and they do it differently. The one with learned positions has found a rule about places:
# "at place 13 say what follows place 2"; it copies mostly from the first round. The other can't know places, only distances,
# and looks five back, and eleven. Neither was told where to look.
#
# `hornbook show attention MODEL TEXT` draws these maps for any model and text. Read them as where a model looks, not as
# why it answers: what it takes from there is in the values, which the map doesn't show.
#
# ## What you have seen
#
# - Scores are products of queries and keys, softmax makes weights of them, and the weights mix values.
# - Minus infinity before softmax hides the future without a trace.
# - Heads look for several things at once; cut first, then turn.
# - Two forms of one calculation are compared by carrying the weights over from one to the other.
#
# The next lesson, 06_block, puts attention into the block that models are stacked from.
#
# ## Exercises
#
# **1.** Long texts are expensive, because every word looks at every earlier one. Let each see only itself and the
# `size - 1` words before it (a *sliding window*): write `window(length, size)`, the mask of what is hidden. Then predict:
# with size 3, through how many layers can the first word's news reach the tenth?
#
# **2.** Build a head by hand that always looks at the word before. The words of a text are given as rows of the identity
# matrix, so that a row says nothing but its place; set the query and key matrices of a `CausalAttention`.
#
# ## Solutions

# %% [markdown]
# **1.** Hidden is what comes later and what lies `size` or more back. News travels two places a layer; nine places need
# five layers.


# %%
def window(length, size):
    everything = torch.ones(length, length).bool()
    return everything.triu(1) | everything.tril(-size)


weights = torch.randn(10, 10, generator=generator).masked_fill(window(10, 3), float("-inf")).softmax(dim=-1)
print((weights > 0).sum(dim=-1).tolist(), "words are seen")
assert (weights > 0).sum(dim=-1).tolist() == [1, 2] + 8 * [3]

reached = [bool((torch.linalg.matrix_power(weights, layers)[9, 0] > 0).item()) for layers in range(1, 7)]
print("the first word's news arrives after", reached.index(True) + 1, "layers")
assert reached == [False, False, False, False, True, True]

# %% [markdown]
# **2.** The key of place j is j's own row, made large; the query of place i is the row of i - 1. Their product is large
# where j = i - 1 and 0 elsewhere. The first word has nothing before it and looks at itself.

# %%
head = CausalAttention(in_dim=6, out_dim=6, context_length=6)
with torch.no_grad():
    head.key.weight.copy_(30 * torch.eye(6))
    head.query.weight.copy_(torch.eye(6).roll(-1, dims=0))
    head.value.weight.copy_(torch.eye(6))
looks_at = head.weights(torch.eye(6)).argmax(dim=-1).tolist()
print("each looks at", looks_at)
assert looks_at == [0, 0, 1, 2, 3, 4]
torch.testing.assert_close(head(torch.eye(6))[1:], torch.eye(6)[:-1], atol=1e-3, rtol=0)
