# %% [markdown]
# # 8. Loss and gradients
#
# A model has made its guesses. How wrong were they, in one number? And which of its weights should be turned up, which
# down, so that the number falls? These two questions are all of learning.
#
# We build the answer to the first from a single probability, and the answer to the second from the slope of a curve.

# %%
import math

import numpy as np
import torch
from torch.nn import functional as F

from hornbook.pictures.drawing import BLUE, GREEN, GREY, VERMILION, picture
from hornbook.pictures.function_curves import function_curves
from lesson import PICTURES, get_tokenizer, number, show

# %% [markdown]
# ## The probability of what really came
#
# Two short texts of three tokens, and the same moved by one place. At every place the model gives a probability to each
# of GPT-2's 50,257 tokens; of all these we look at one, that of the target. The better the model, the higher it is.

# %%
gpt2 = get_tokenizer("gpt2")
inputs = torch.tensor([[16833, 3626, 6100], [40, 1107, 588]])
targets = torch.tensor([[3626, 6100, 345], [1107, 588, 11311]])
assert torch.equal(inputs[:, 1:], targets[:, :-1])
if gpt2.vocab_size == 50257:
    for row, answers in zip(inputs.tolist(), targets.tolist(), strict=True):
        print(f"{gpt2.decode(row)!r} -> {gpt2.decode(answers)!r}")
    assert gpt2.encode("every effort moves you") == [16833, 3626, 6100, 345]
    assert gpt2.encode("I really like chocolate") == [40, 1107, 588, 11311]

# %%
from hornbook.models.gpt import GPT, GPTConfig

config = GPTConfig(vocab_size=50257, context_length=4, num_layers=1, num_heads=2, embed_dim=16)
model = GPT(config, torch.Generator().manual_seed(123))  # small, and untrained
logits = model(inputs)
probabilities = logits.softmax(dim=-1)

places = [0, 1, 2]
of_targets = torch.stack([probabilities[text, places, targets[text]] for text in (0, 1)])
print("1 in", [[round(1 / p) for p in row] for row in of_targets.tolist()])
assert torch.equal(of_targets, probabilities.gather(2, targets.unsqueeze(2)).squeeze(2))

# %% [markdown]
# An untrained model hesitates among all its tokens: each target has one chance in about fifty thousand. Training is
# to bring these six probabilities up; and since the probabilities of a place add up to 1, all the others go down.
#
# ## Why the logarithm
#
# The probability of a whole text is the product of them all, and such a product leaves what a computer can write down.
# The logarithm turns the product into a sum. It is negative, so we put a minus in front, and we take the mean so that
# long and short texts can be compared: the *loss*, also called *cross-entropy*.

# %%
print("0.4 a thousand times:", np.float32(0.4) ** 1000, f"but the sum of logarithms is {1000 * math.log(0.4):.1f}")
loss = -of_targets.log().mean()
print(f"loss {loss.item():.2f}, and knowing nothing at all is {math.log(50257):.4f}")
number("loss-06", math.log(50257), 10.8249)
assert abs(loss.item() - math.log(50257)) < 0.2

# %% [markdown]
# PyTorch's function takes one row for each question, so the two texts are laid behind each other with `flatten`; it
# takes the logits rather than the probabilities, which is more exact. The package's `mean_loss` is that with both
# steps done.

# %%
from hornbook.layers.loss import mean_loss

rows, answers = logits.flatten(0, 1), targets.flatten()
print("logits", tuple(rows.shape), "targets", tuple(answers.shape))
assert rows.shape == (6, 50257)
assert answers.shape == (6,)
assert torch.isclose(F.cross_entropy(rows, answers), loss, atol=1e-4)
assert torch.isclose(mean_loss(logits, targets), loss, atol=1e-4)

# %% [markdown]
# As a formula it is the sum of y ln p over all tokens, with a minus, where y is 1 for the token that came and 0
# for every other; so only one term is left. Suppose "apple" came, and the model had found it 20% likely:

# %%
surprise = {"p02": -math.log(0.2), "p09": -math.log(0.9)}
print(f"20% likely: {surprise['p02']:.4f}; 90% likely: {surprise['p09']:.4f}")
number("loss-06", surprise, {"p02": 1.6094, "p09": 0.1054})

p = torch.tensor([0.5, 0.2, 0.3])  # pear, apple, plum
y = torch.tensor([0.0, 1.0, 0.0])
assert torch.isclose(-(y * p.log()).sum(), torch.tensor(surprise["p02"]))

# %% [markdown]
# Other tasks have other losses: the mean of the squared errors (MSE) or of the plain errors (MAE), where a number such
# as a temperature is guessed. Both could be used here, with 1 as the right probability. But look at the left of the
# picture: being wrong with full confidence costs 1 at most, and the logarithm has no such limit.

# %%
xs = np.linspace(0.005, 1, 200)
curves = {"-ln p": (xs, -np.log(xs)), "squared error": (xs, (1 - xs) ** 2), "plain error": (xs, 1 - xs)}
labels = {"xlabel": "probability p that the model gave to what came", "ylabel": "loss"}
function_curves(curves, PICTURES / "losses", title="What a guess costs", **labels)
show(
    "losses", "At p = 1 all three are 0; towards p = 0 the squared and the plain error end at 1, while -ln p shoots up"
)

# %% [markdown]
# It matters for learning. Three logits, and the model is quite sure of the wrong one. How strongly does each loss pull
# at the logit of the right answer, the first?

# %%
for name in ("-ln p", "squared error"):
    scores = torch.tensor([-3.0, 6.0, 0.0], requires_grad=True)
    p = scores.softmax(dim=0)[0]
    wrong = -p.log() if name == "-ln p" else (1 - p) ** 2
    wrong.backward()
    print(f"p = {p.item():.4f}, {name:13} pulls by {-scores.grad[0].item():.4f}")
assert -scores.grad[0] < 0.001

# %% [markdown]
# The squared error hardly pulls where the model is most wrong. Cross-entropy pulls with nearly full strength.
#
# ## Perplexity
#
# How much is a loss of 4? Undo the logarithm: e to the loss is the *perplexity*, the number of equally likely tokens
# among which the model hesitates. It is 1 for a model that is always sure and right, and the size of the vocabulary for
# one that finds all tokens equally likely. An untrained model lies a little above that: it has preferences, but by chance.

# %%
for name, guess in (("knows nothing", torch.zeros(1, 4)), ("excludes half", torch.tensor([[0.0, 0, -99, -99]]))):
    print(f"{name}: loss {mean_loss(guess, torch.tensor([1])):.4f}", end=", ")
    print(f"perplexity {mean_loss(guess, torch.tensor([1])).exp():.1f}")
print(f"our untrained GPT: perplexity {loss.exp().item():,.0f}")
assert 45000 < loss.exp() < 56000

# %% [markdown]
# ## Places where nothing is asked
#
# Lesson 3 marked filled-up places with -100. They are left out of the sum *and* of the count. The third row below
# changes the loss; marked, it is as if it weren't there.

# %%
scores = torch.tensor([[-1.0, 1.0], [-0.5, 1.5], [-0.5, 1.5]])
two = mean_loss(scores[:2], torch.tensor([0, 1]))
three = mean_loss(scores, torch.tensor([0, 1, 1]))
marked = mean_loss(scores, torch.tensor([0, 1, -100]))
print(f"two rows {two.item():.4f}, three {three.item():.4f}, the third marked {marked.item():.4f}")
number("loss-03", two.item(), 1.1269)
number("loss-03", three.item(), 0.7936)
number("loss-03", bool(two == marked), True)

# %% [markdown]
# ## Downhill
#
# Now the second question. Take a loss that depends on one weight. Its *derivative* at a place is the slope of the line
# that touches the curve there. Where the slope is positive, a larger weight means a larger loss, so we make the weight
# smaller; where it is negative, larger. One rule covers both: subtract the slope, times a small number called the
# *learning rate*.


# %%
def descend(slope, weight, learning_rate, steps):
    path = [weight]
    for _ in range(steps):
        weight = weight - learning_rate * slope(weight)
        path.append(weight)
    return np.array(path)


def valley(w):
    return (w - 1) ** 2 + 0.5


def slope_of_valley(w):
    return 2 * (w - 1)


for learning_rate in (0.1, 0.9, 1.05):
    path = descend(slope_of_valley, -2.0, learning_rate, 6)
    print(f"rate {learning_rate:4}:", " ".join(f"{w:6.2f}" for w in path))
    assert (abs(path[-1] - 1) < abs(path[0] - 1)) == (learning_rate < 1)

# %% [markdown]
# A small rate creeps down, 0.9 jumps across the valley and still gets there, and beyond 1 every jump is wider than the
# last. With two weights there are two slopes; together they are the *gradient*, an arrow that points straight uphill.

# %%
with picture(PICTURES / "descent", width=9, height=3.8) as figure:
    left, right = figure.subplots(1, 2)
    grid = np.linspace(-2.5, 4.5, 100)
    left.plot(grid, valley(grid), color=GREY)
    for rate, colour in ((0.1, BLUE), (0.9, VERMILION)):
        path = descend(slope_of_valley, -2.0, rate, 6)
        left.plot(path, valley(path), marker="o", markersize=4, color=colour)
        right.plot(
            *descend(lambda w: w * np.array([2, 0.4]), np.array([-2.0, 2.0]), rate, 25).T, color=colour, marker="."
        )
    left.set(title="One weight", xlabel="weight", ylabel="loss")
    x, y = np.meshgrid(np.linspace(-2.6, 2.6, 80), np.linspace(-0.8, 2.4, 80))
    right.contour(x, y, x**2 + 0.2 * y**2, levels=[0.05, 0.3, 0.8, 1.6, 2.8, 4.4], colors=GREY, linewidths=0.8)
    right.set(title="Two weights, seen from above", xlabel="first weight", ylabel="second weight")
    right.text(-1.45, 1.2, "rate 0.1", color=BLUE, backgroundcolor="white")
    right.text(1.2, 0.75, "rate 0.9", color=VERMILION, backgroundcolor="white")
show("descent", "A small rate goes down smoothly; a large one jumps from side to side, and is faster along the valley")

# %% [markdown]
# ## Slopes of a small net
#
# A model is many small calculations in a row, so its slopes come from the *chain rule*: if x moves y twice as much and y
# moves z three times as much, x moves z six times as much. Lesson 1's tiny model shows it. Its guess is
# the logistic function of z = x w + b, and the slope of its loss along z is, after some shortening, the guess minus the answer.

# %%
x, answer, w, b = 1.1, 1.0, 2.2, 0.0
guess = 1 / (1 + math.exp(-(x * w + b)))
along_z = guess - answer
slopes = {"loss": -math.log(guess), "grad_w": along_z * x, "grad_b": along_z * 1}
print({name: round(value, 4) for name, value in slopes.items()})
number("pt-01", slopes, {"loss": 0.0852, "grad_w": -0.0898, "grad_b": -0.0817})

# %% [markdown]
# The next larger thing is a net of *neurons*. Each adds up its inputs, every one times its weight, adds a *bias*, and
# sends the sum through a bent function; here ReLU, which makes negative sums 0 and leaves the others. Where all inputs
# are 0 the bias is all a neuron has to answer with.


# %%
def neuron(inputs, weights, bias):
    return max(0.0, sum(x * w for x, w in zip(inputs, weights, strict=True)) + bias)


print(
    neuron([1.0, -2.0], [0.5, 0.25], bias=0.1), neuron([1.0, -2.0], [0.5, 0.5], bias=0.1), neuron([0, 0], [9, 9], 0.1)
)

# %% [markdown]
# Three of them and an output make a net of 13 weights. `backward` walks back from the loss to all of them at once. To
# check it, we do the slow thing: move each weight a little up and a little down, and measure.

# %%
from torch.nn import Linear, ReLU, Sequential

torch.manual_seed(123)
net = Sequential(Linear(2, 3), ReLU(), Linear(3, 1)).double()
points = torch.tensor([[1.0, -2.0], [0.5, 1.5], [-1.0, 0.3]]).double()
heights = torch.tensor([[1.0], [0.0], [-1.0]]).double()
assert torch.isclose(
    net[1](net[0](points))[0, 0], torch.tensor(neuron(points[0], net[0].weight[0], net[0].bias[0])).double()
)


def wrongness():
    return F.mse_loss(net(points), heights)


wrongness().backward()
largest_difference, tiny = 0.0, 1e-6
for weights in net.parameters():
    for place in range(weights.numel()):
        with torch.no_grad():
            weights.view(-1)[place] += tiny
            above = wrongness()
            weights.view(-1)[place] -= 2 * tiny
            below = wrongness()
            weights.view(-1)[place] += tiny
        measured = (above - below) / (2 * tiny)
        largest_difference = max(largest_difference, abs(measured - weights.grad.view(-1)[place]).item())
print(sum(weights.numel() for weights in net.parameters()), "slopes, all as measured:", largest_difference < 1e-8)
assert largest_difference < 1e-8

# %% [markdown]
# The slow way needs two passes for every weight; `backward` costs about two passes for all of them. That difference is
# why models with billions of weights can learn.
#
# ## A promise, and how far it holds
#
# The gradient promises how the loss will change, for steps that are small enough. A step of the learning rate times
# the gradient should lower the loss by the rate times the gradient's squared length: each weight moves by the rate times
# its slope, and every such move counts with that slope once more. Let us take our GPT one step against its gradient,
# with growing learning rates, and compare.

# %%
model.zero_grad()
mean_loss(model(inputs), targets).backward()
gradients = [weights.grad for weights in model.parameters()]
squared_length = sum((gradient**2).sum() for gradient in gradients)


def loss_after(learning_rate):
    with torch.no_grad():
        for weights, gradient in zip(model.parameters(), gradients, strict=True):
            weights -= learning_rate * gradient
        after = mean_loss(model(inputs), targets).item()
        for weights, gradient in zip(model.parameters(), gradients, strict=True):
            weights += learning_rate * gradient
    return after


rates = np.linspace(0, 0.15, 16)
after = [loss_after(rate) for rate in rates]
for place in (1, 5, 15):
    promised = loss.item() - rates[place] * squared_length.item()
    print(f"rate {rates[place]:.2f}: promised {promised:.3f}, came {after[place]:.3f}")
assert after[1] < after[0]

# %%
with picture(PICTURES / "promise", width=8, height=3.4) as figure:
    axes = figure.add_subplot()
    axes.plot(rates, after, color=BLUE, marker="o", markersize=4)
    axes.plot(rates, loss.item() - rates * squared_length.item(), color=GREEN, linestyle="--")
    axes.set(xlabel="learning rate of one step", ylabel="loss after it", xlim=(-0.005, 0.172))
    axes.text(0.153, after[-1], "came", color=BLUE, va="center", fontweight="bold")
    axes.text(0.153, loss.item() - rates[-1] * squared_length.item(), "promised", color=GREEN, va="center")
show(
    "promise",
    "At first the loss falls as the slope promised (dashed); with a longer step it falls short of the promise",
)

# %% [markdown]
# ## Gradients too long, gradients too short
#
# Now and then a batch is so odd that its gradient is many times as long as usual, and one step with it can undo hours.
# *Clipping* shortens the whole gradient to a given length where it is longer; its direction stays. The
# length is the root of the sum of all squares: here 5, and the limit is 1.

# %%
weights = torch.nn.Parameter(torch.zeros(2, 2))
weights.grad = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
length = torch.nn.utils.clip_grad_norm_([weights], max_norm=1.0)
print(f"length {length.item():.1f}, clipped to 1:", weights.grad, sep="\n")
number("train-08", length.item(), 5.0)
number("train-08", weights.grad, [[0.2, 0.4], [0.4, 0.8]])

# %% [markdown]
# The opposite also happens: the chain rule multiplies one factor for every layer, and where most of them are below 1,
# hardly any gradient arrives at the first layers. It *vanishes*. The shortcuts of lesson 6 are the remedy: through a sum
# the gradient passes unchanged.
#
# ## What you have seen
#
# - The loss is the mean negative logarithm of the probability that the model gave to what really came.
# - Perplexity, e to the loss, says among how many tokens it hesitates.
# - `backward` finds the slope of the loss along every weight, and each slope can be checked by measuring.
# - A step against the gradient lowers the loss if it is small enough.
#
# The next lesson, 09_training, takes many steps.
#
# ## Exercises
#
# **1.** The slope of the cross-entropy along the logits has a very short form. Guess it from the tiny model above, write
# `slope(logits, targets)` for logits of the shape (N, V), and compare with `backward`.
#
# **2.** A model's weights are several tensors, but there is one gradient. Write `clip(gradients, limit)`, which
# shortens a list of tensors together, and returns them and the length that they had.
#
# ## Solutions

# %% [markdown]
# **1.** The probabilities, minus 1 at the target: what was guessed minus what came. The mean over N rows divides by N.


# %%
def slope(logits, targets):
    return (logits.softmax(dim=1) - F.one_hot(targets, logits.shape[1])) / len(targets)


scores = torch.randn(4, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
answers = torch.tensor([0, 3, 3, 1])
mean_loss(scores, answers).backward()
print(slope(scores, answers)[0].detach())
assert torch.allclose(slope(scores, answers), scores.grad)
assert torch.allclose(scores.grad.sum(dim=1), torch.zeros(4), atol=1e-6)  # what one token gains the others lose

# %% [markdown]
# **2.** One length for all: a tensor that is short by itself is shortened by the same factor as the others.


# %%
def clip(gradients, limit):
    length = sum((gradient**2).sum() for gradient in gradients).sqrt()
    factor = min(1.0, limit / length)
    return [gradient * factor for gradient in gradients], length


[shortened], length = clip([torch.tensor([[1.0, 2.0], [2.0, 4.0]])], limit=1.0)
number("train-08", shortened, [[0.2, 0.4], [0.4, 0.8]])

net.zero_grad()
wrongness().backward()
ours, length = clip([weights.grad for weights in net.parameters()], limit=0.1)
assert torch.isclose(torch.nn.utils.clip_grad_norm_(net.parameters(), 0.1), length)
for one, weights in zip(ours, net.parameters(), strict=True):
    assert torch.allclose(one, weights.grad, rtol=1e-4)
print(f"length {length.item():.2f}, now 0.1")
