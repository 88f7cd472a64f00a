# %% [markdown]
# # 6. The block
#
# Attention gathers: every token now holds something of those before it. What is missing is thinking about what was
# gathered, and a way to do both again and again, dozens of times, without the numbers growing out of hand or the
# training losing its grip. The *block* of this lesson has four small parts that take care of this: a norm, a
# feed-forward network, shortcuts, and the attention we know.
#
# A GPT is a stack of such blocks. At the end we count the weights of GPT-2 in its four sizes, to the last one.

# %%
import torch
from torch import nn

from hornbook.pictures.drawing import BLUE, GREEN, GREY, ORANGE, VERMILION, picture
from hornbook.pictures.function_curves import function_curves
from hornbook.pictures.gradient_bars import gradient_bars
from lesson import PICTURES, number, show

# %% [markdown]
# ## A neuron by hand
#
# A *neuron* multiplies each input by a weight, adds everything up, adds a *bias*, and passes the sum through a bent
# function, its *activation*. The weights and the bias are learned. The simplest activation is *ReLU*: what is negative
# becomes 0, the rest stays. Without a bend, a hundred layers would be no more than one, because sums of sums are sums.

# %%
inputs, weights, bias = [2.0, -1.0], [0.5, 3.0], 2.5
total = sum(x * w for x, w in zip(inputs, weights, strict=True))
print(f"sum {total}, with bias {total + bias}, out {max(0.0, total + bias)}")
print(f"without its bias the neuron is silent: {max(0.0, total)}")
assert max(0.0, total + bias) == 0.5

layer = nn.Linear(2, 1)  # one neuron without activation
with torch.no_grad():
    layer.weight.copy_(torch.tensor([weights]))
    layer.bias.fill_(bias)
assert torch.relu(layer(torch.tensor(inputs))).item() == 0.5

# %% [markdown]
# ReLU has a corner, and is dead flat on one side: a neuron that lands there for every input learns nothing any more,
# since its slope is 0. *GELU*, which GPT-2 has, is its smooth sister: x times the chance that a normally distributed
# number is below x. GPT-2 was trained with an approximation by tanh, so its weights want exactly that one; the two
# differ in the fourth decimal.

# %%
import math

from hornbook.layers.feed_forward import ACTIVATIONS


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


x = torch.tensor([-3, -2, -1, -0.75, -0.5, 0, 0.5, 1, 2, 3])
torch.testing.assert_close(ACTIVATIONS["gelu_tanh"](x), gelu_tanh(x))
print("tanh ", gelu_tanh(x))
print("exact", ACTIVATIONS["gelu"](x))
expected = [-0.003637, -0.045402, -0.158808, -0.170039, -0.154286, 0.0, 0.345714, 0.841192, 1.954598, 2.996363]
number("gelu-01", gelu_tanh(x), expected, tolerance=1e-6)
expected = [-0.00405, -0.0455, -0.158655, -0.169971, -0.154269, 0.0, 0.345731, 0.841345, 1.9545, 2.99595]
number("gelu-01", ACTIVATIONS["gelu"](x), expected, tolerance=1e-6)

# %%
xs = torch.linspace(-3, 3, 301)
curves = {
    name: (xs.tolist(), function(xs).tolist()) for name, function in {"ReLU": torch.relu, "GELU": gelu_tanh}.items()
}
function_curves(curves, PICTURES / "activations", title="Two bends", xlabel="sum", ylabel="what the neuron passes on")
show(
    "activations",
    "ReLU is a straight line with a corner at 0; GELU follows it, but dips to -0.17 near -0.75 and has no corner",
)

# %% [markdown]
# ## The feed-forward network
#
# Two layers of neurons: up to four times the width, an activation, and back down. It works on every token alone, with
# the same weights for all: after attention has brought together what belongs together, this is where it is worked on.
# Wider means more neurons that can each notice something.

# %%
from hornbook.layers.feed_forward import FeedForward

feed_forward = FeedForward(embed_dim=8, hidden_dim=32, activation="relu")
up, down = feed_forward.up, feed_forward.down
x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))
result = torch.relu(x @ up.weight.T + up.bias) @ down.weight.T + down.bias
torch.testing.assert_close(feed_forward(x), result)
for name, block in (("in", x), ("up", up(x)), ("out", result)):
    print(f"{name:3} {tuple(block.shape)}")

other = x.clone()
other[:, 3] += 1  # change one token
changed = (feed_forward(other) - feed_forward(x)).abs().amax(dim=(0, 2)) > 1e-6
print("tokens whose result changed:", changed.nonzero().flatten().tolist())
assert changed.tolist() == [False, False, False, True, False]

# %% [markdown]
# After it comes dropout (lesson 5), which in training sets some of the results to 0 by lot, against learning by heart:
# a text can't be memorised by neurons that may be missing the next time. It is worth having where a small text is read
# many times (0.2 in the student project), and not where every text is read once.
#
# ## One scale for all
#
# Let a layer of six neurons read two rows. The results have some mean and some spread, and after fifty layers they may
# have a mean of 400 or a spread of 0.0001. *LayerNorm* puts every row back on one scale: take away the mean, divide by
# the root of the variance. Then the mean is 0 and the variance 1. (Nearly: computers round, and where the sum should be 0
# they often find something like 0.00000003.)

# %%
torch.manual_seed(123)
rows = torch.randn(2, 5)
out = nn.Sequential(nn.Linear(5, 6), nn.ReLU())(rows).detach()
mean, variance = out.mean(dim=-1, keepdim=True), out.var(dim=-1, keepdim=True)
normalised = (out - mean) / variance.sqrt()
print(out, normalised, sep="\n")
number("ln-01", out[0], [0.2260, 0.3470, 0.0, 0.2216, 0.0, 0.0])
number("ln-01", mean.flatten(), [0.1324, 0.2170])
number("ln-01", variance.flatten(), [0.0231, 0.0398])
number("ln-01", normalised[0], [0.6159, 1.4126, -0.8719, 0.5872, -0.8719, -0.8719])
assert normalised.mean(dim=-1).abs().max() < 1e-6

# %% [markdown]
# Three details make it the norm that models use. The variance divides by n, not by n - 1 (with 768 numbers a row nobody
# would notice; with six it shows). A tiny `eps` under the root keeps a row of equal numbers from being divided by 0. And
# two learned rows, a weight and a bias, let the model choose another scale where it wants one.

# %%
from hornbook.layers.norms import LayerNorm, RMSNorm


def layer_norm(x, weight, bias, eps=1e-5):
    mean, variance = x.mean(dim=-1, keepdim=True), x.var(dim=-1, keepdim=True, correction=0)
    return (x - mean) / (variance + eps).sqrt() * weight + bias


norm = LayerNorm(6)
torch.testing.assert_close(layer_norm(out, norm.weight, norm.bias), norm(out))
for size in (6, 768):
    print(f"{size:3} numbers: dividing by n - 1 makes a row {math.sqrt((size - 1) / size):.4f} times as long")

equal = torch.full((1, 6), 7.0)
print("a row of sevens:", norm(equal).detach()[0].tolist())
assert not norm(equal).isnan().any()
assert torch.equal(norm(out)[:1], norm(out[:1]))  # each row for itself, whatever else is in the batch

# %% [markdown]
# (*Batch norm*, its elder relative in picture models, takes its means over the batch instead, and then a text's result
# would depend on its neighbours.) Newer models leave the mean where it is and only divide by the root of the mean
# square: *RMSNorm* is cheaper, and about as good.

# %%
rms = RMSNorm(6)
torch.testing.assert_close(rms(out), out / (out.pow(2).mean(dim=-1, keepdim=True) + 1e-6).sqrt())
print(rms(out).detach())

# %% [markdown]
# ## Shortcuts
#
# Stack thirty layers and train: the first ones hardly learn. The gradient comes from the end and is multiplied at
# every layer by weights and slopes, most of them smaller than one. What is left for the first layer is almost nothing;
# it *vanishes*. (With large weights it explodes instead.)
#
# The remedy came from picture recognition, the ResNets of 2015. Let each layer *add* to what came in: x + layer(x)
# instead of layer(x). The plus is a straight road on which the gradient walks back unchanged. (In the output 2.1e-08
# is how computers write 0.000000021. With shortcuts all gradients are larger, because twelve sums make a large output;
# what counts is that the first layer's is nearly as large as the last one's.)

# %%
from hornbook.layers.shortcuts import DeepNetwork, gradient_norms

x = torch.randn(16, 32, generator=torch.Generator().manual_seed(1))
targets = torch.zeros(16, 32)
norms = {}
for name, shortcuts in (("without shortcuts", False), ("with shortcuts", True)):
    network = DeepNetwork(num_layers=12, dim=32, shortcuts=shortcuts, generator=torch.Generator().manual_seed(123))
    norms[name] = gradient_norms(network, x, targets)
    print(f"{name:17}: first layer {norms[name][0]:.1e}, last layer {norms[name][-1]:.1e}")
assert norms["without shortcuts"][0] < 1e-3 * norms["without shortcuts"][-1]
assert norms["with shortcuts"][0] > 0.1 * norms["with shortcuts"][-1]

gradient_bars(norms, PICTURES / "shortcuts", title="The same twelve layers, with and without shortcuts")
show(
    "shortcuts",
    "Without shortcuts the gradient shrinks layer by layer towards the input; with them all layers get about the same",
)

# %% [markdown]
# ## The block
#
# Now put it together: norm, attention, add; norm, feed-forward, add. Dropout sits before each plus. Read it from the
# road's side: x runs straight through the block, and attention and feed-forward each look at a tidied copy of it and
# add their remark.

# %%
from hornbook.models.gpt import GPT, Block, GPTConfig, Places

sizes = {"vocab_size": 100, "context_length": 16, "embed_dim": 24, "num_heads": 4}
block = Block(GPTConfig(**sizes)).eval()


def by_hand(x):
    x = x + block.attention(block.attention_norm(x), Places(), 0, None)
    return x + block.feed_forward(block.feed_forward_norm(x))


x = torch.randn(2, 16, 24, generator=torch.Generator().manual_seed(1))
torch.testing.assert_close(block(x, Places(), 0, None), by_hand(x))
print("in and out alike:", tuple(by_hand(x).shape))

# %%
with picture(PICTURES / "block", width=9, height=2.1) as figure:
    axes = figure.add_subplot()
    axes.set(xlim=(-0.3, 10.3), ylim=(-1.1, 1.2))
    axes.axis("off")
    axes.annotate("", (10.2, 0.8), (-0.2, 0.8), arrowprops={"arrowstyle": "->", "color": GREEN, "linewidth": 3})
    axes.text(0.5, 0.98, "x, the straight road", color=GREEN, fontweight="bold")
    for left, part, colour in ((0.6, "attention", ORANGE), (5.6, "feed-forward", BLUE)):
        axes.annotate("", (left, -0.6), (left, 0.8), arrowprops={"arrowstyle": "-", "color": GREY})
        for place, words in ((left + 0.7, "norm"), (left + 2.3, part)):
            edge = GREY if words == "norm" else colour
            box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": edge, "linewidth": 1.5}
            axes.text(place, -0.6, words, ha="center", va="center", bbox=box, zorder=3)
        axes.plot([left, left + 4], [-0.6, -0.6], color=GREY, linewidth=1, zorder=1)
        axes.annotate("", (left + 4, 0.72), (left + 4, -0.6), arrowprops={"arrowstyle": "->", "color": GREY})
        plus = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": VERMILION}
        axes.text(left + 4, 0.8, "+", ha="center", va="center", color=VERMILION, fontweight="bold", bbox=plus, zorder=4)
show("block", "x runs straight through; attention and feed-forward each read a normed copy and add to it")

# %% [markdown]
# The first transformer put the norm *after* the plus: norm(x + part(x)). Then the straight road runs through a norm at
# every step, and deep models of that kind train only with care. GPT-2 moved the norm in front, and needs one more at the
# very end. The student project built it the old way, in the order of the old drawings; `GPTConfig.norm` has both.

# %%
x = 2 * x  # twice as wide a spread
old = Block(GPTConfig(**sizes, norm="after")).eval()
y = old.attention_norm(x + old.attention(x, Places(), 0, None))
y = old.feed_forward_norm(y + old.feed_forward(y))
torch.testing.assert_close(old(x, Places(), 0, None), y)
before = by_hand(x).var()
print(f"variance {x.var():.1f} goes in; norm after: {y.var():.1f} comes out, norm before: {before:.1f}")

# %% [markdown]
# ## A stack of blocks
#
# What comes out of a block has the shape of what went in, so blocks can be stacked as high as one likes. `nn.Sequential`
# would run through such a stack by itself; the package keeps a `ModuleList` and walks through it in a loop, because each
# block must also be handed its positions and its place. After the last one, a linear layer gives a score for every
# token of the vocabulary, and softmax makes probabilities of the scores.

# %%
model = GPT(GPTConfig(**sizes, num_layers=3), torch.Generator().manual_seed(1)).eval()
tokens = torch.tensor([[11, 22, 33, 44]])
with torch.no_grad():
    x = model.token_embedding(tokens) + model.position_embedding(torch.arange(4))
    for layer, block in enumerate(model.blocks):
        x = block(x, Places(), layer, None)
    logits = model.logits(model.final_norm(x))
    torch.testing.assert_close(model(tokens), logits)
probabilities = logits.softmax(dim=-1)
print(
    f"{len(model.blocks)} blocks, probabilities {tuple(probabilities.shape)}, their sums {probabilities.sum(dim=-1)[0]}"
)
torch.testing.assert_close(probabilities.sum(dim=-1), torch.ones(1, 4))

# %% [markdown]
# Such a stack is the *decoder* of the first transformer, without its encoder: that one read a sentence in one stack of
# six and wrote its translation with another. A GPT only writes; each token it chooses is read again as the next input,
# which is called *autoregressive*.
#
# ## Four sizes of GPT-2
#
# Width, blocks, heads: three numbers make a GPT small or large. On the "meta" device a model has all its shapes and none
# of its numbers, so we can build even the largest.

# %%
SIZES = {"small": (768, 12, 12), "medium": (1024, 24, 16), "large": (1280, 36, 20), "xl": (1600, 48, 25)}
shape = {"vocab_size": 50257, "context_length": 1024, "biases": "all_but_qkv"}
counts = {}
for name, (width, layers, heads) in SIZES.items():
    with torch.device("meta"):
        model = GPT(GPTConfig(**shape, embed_dim=width, num_layers=layers, num_heads=heads))
    tied = model.num_parameters()
    total = tied + 50257 * width  # with an output layer of its own
    counts[name] = [total, tied, round(total * 4 / 1024**2, 2)]
    print(f"{name:6} {layers} blocks of width {width:4}: {tied:13,} weights, {total:13,} with an output of its own")
number("gpt-04", counts["small"][0], 163009536)
number("gpt-04", counts["small"][1], 124412160)
number("gpt-05", counts["small"], [163009536, 124412160, 621.83])
number("gpt-05", counts["medium"], [406212608, 354749440, 1549.58])
number("gpt-05", counts["large"], [838220800, 773891840, 3197.56])
number("gpt-05", counts["xl"], [1637792000, 1557380800, 6247.68])

# %% [markdown]
# GPT-2 has no output layer of its own: the embedding table is used a second time, the other way round (*tied*). For
# the small one that saves a quarter. Each weight is four bytes, 622 megabytes of 1,024 x 1,024 bytes for the small
# model untied. (The counts leave out the biases of queries, keys and values, as some rebuilt GPTs do. The published
# weights have them: 12 x 3 x 768 more for the small one, 124,439,808.) Where do the weights go?

# %%
from hornbook.pictures.model_parts import parameter_bars

with torch.device("meta"):
    model = GPT(GPTConfig(**shape, embed_dim=768, num_layers=12, num_heads=12))


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


parts = {
    "token embedding": size(model.token_embedding),
    "position embedding": size(model.position_embedding),
    "attention, 12 x": sum(size(block.attention) for block in model.blocks),
    "feed-forward, 12 x": sum(size(block.feed_forward) for block in model.blocks),
    "norms": sum(size(block.attention_norm) + size(block.feed_forward_norm) for block in model.blocks)
    + size(model.final_norm),
}
assert sum(parts.values()) == counts["small"][1]
parameter_bars(parts, PICTURES / "parameters", title="GPT-2 small")
show("parameters", "Two thirds are in the blocks, and there twice as many in the feed-forward networks as in attention")

# %% [markdown]
# Larger models aren't only better at the same things. Some tasks that small ones fail at altogether, large ones manage,
# though nobody trained them for it; this is called *emergent behaviour* (and partly depends on how one measures).
#
# ## What newer models changed
#
# Not much. Llama keeps the stack, the shortcuts and the norms in front. It has RMSNorm instead of LayerNorm, rotary
# positions instead of a table, several query heads to one key and value head in its larger and later models, no biases,
# and a feed-forward network with a gate (*SwiGLU*): one product decides how much of another is let through.

# %%
from hornbook.layers.feed_forward import SwiGLU
from hornbook.models.llama import Llama, LlamaConfig

gated = SwiGLU(embed_dim=8, hidden_dim=24)
x = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
gate = gated.gate(x)
torch.testing.assert_close(gated(x), gated.down(gate * torch.sigmoid(gate) * gated.up(x)))

with torch.device("meta"):
    sizes = {"vocab_size": 32000, "context_length": 4096, "embed_dim": 4096, "num_heads": 32, "num_layers": 32}
    llama = Llama(LlamaConfig(**sizes, hidden_dim=11008, qk_norm=False, tied_output=False))
print(f"Llama 2 7B: {llama.num_parameters():,} weights")
number("llama-01", llama.num_parameters(), 6738415616)

# %% [markdown]
# `hornbook show model RECIPE` prints this list for any model of the package, with shapes, weights and memory.
#
# ## What you have seen
#
# - A norm brings each token's row to one scale; the feed-forward network works on each token alone.
# - Shortcuts are the straight road on which gradients come back.
# - A block is norm, attention, plus, norm, feed-forward, plus; a GPT is a stack of blocks.
# - Width, blocks and heads decide how many weights there are, and they can be counted exactly.
#
# The next lesson, 07_bigram_and_gpt, builds the smallest language model there is, and then the whole of a GPT.
#
# ## Exercises
#
# **1.** Write `count(vocab_size, context_length, width, layers)` as a formula, for a tied GPT with all biases. Check it
# against a small model, then use it: GPT-3 has 50,257 tokens, a context of 2,048, width 12,288 and 96 blocks.
#
# **2.** In some models attention and feed-forward read the same normed copy side by side: x + attention(norm(x)) +
# feed_forward(norm(x)). Write such a block as an `nn.Module` with one norm. Before you run it: does the gradient still
# reach x if both parts return zeros?
#
# ## Solutions

# %% [markdown]
# **1.** Attention has four matrices of width x width with biases, the feed-forward network two of width x 4 width.


# %%
def count(vocab_size, context_length, width, layers):
    attention = 4 * (width * width + width)
    feed_forward = 2 * 4 * width * width + 4 * width + width
    norms = 2 * 2 * width
    return (vocab_size + context_length) * width + layers * (attention + feed_forward + norms) + 2 * width


small = GPT(GPTConfig(vocab_size=100, context_length=16, embed_dim=24, num_heads=4, num_layers=3))
assert count(100, 16, 24, 3) == small.num_parameters()
print(f"GPT-3: {count(50257, 2048, 12288, 96):,} weights")
assert round(count(50257, 2048, 12288, 96) / 1e9) == 175

# %% [markdown]
# **2.** It does: the plus passes it on whole, whatever the parts do. With both silent the block hands x through.


# %%
class ParallelBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        full = Block(config)
        self.norm, self.attention, self.feed_forward = full.attention_norm, full.attention, full.feed_forward

    def forward(self, x):
        seen = self.norm(x)
        return x + self.attention(seen, Places(), 0, None) + self.feed_forward(seen)


parallel = ParallelBlock(GPTConfig(vocab_size=100, context_length=16, embed_dim=24, num_heads=4))
with torch.no_grad():
    for layer in (parallel.attention.output, parallel.feed_forward.down):
        layer.weight.zero_()
        layer.bias.zero_()
x = torch.randn(1, 5, 24, requires_grad=True)
parallel(x).sum().backward()
print("every slope is", x.grad.unique().tolist())
assert torch.equal(x.grad, torch.ones_like(x))
assert torch.equal(parallel(x), x)
