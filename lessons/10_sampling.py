# %% [markdown]
# # 10. Sampling
#
# A trained model reads a text and answers with a score for every token that could come next. It doesn't say which one
# to take. Somebody has to choose, add the token to the text, and ask again. How to choose is the subject of this lesson,
# and it changes what a model writes more than most people expect: the same weights write dull circles, lively stories
# or confetti.
#
# We begin with nine words and all the ways to choose among them. Then we let a small model write, stop it in the right
# place, and find out how to spare it most of the reading.

# %%
import inspect
from collections import Counter
from itertools import pairwise

import torch

from hornbook.pictures.distributions import next_token_bars
from hornbook.pictures.drawing import BLUE, GREY, PALE, picture
from lesson import PICTURES, number, show

# %% [markdown]
# ## The likeliest token
#
# "Every effort moves you ..." Here are the *logits*, the scores that a model gave to nine possible next words. The
# softmax makes probabilities of them: all are positive, and together they are 1. The plainest choice is *greedy*: always
# take the likeliest.

# %%
words = ["closer", "every", "effort", "forward", "inches", "moves", "pizza", "toward", "you"]
logits = torch.tensor([4.51, 0.89, -1.90, 6.75, 1.63, -1.62, -1.89, 6.28, 1.79])

shares = logits.softmax(dim=-1)
for word, share in zip(words, shares.tolist(), strict=True):
    print(f"{word:8} {share:7.2%}")
expected = [0.0609, 0.0016, 0.0001, 0.5721, 0.0034, 0.0001, 0.0001, 0.3576, 0.004]
number("samp-02", shares, expected)
likeliest = words[shares.argmax()]
print("greedy:", likeliest)
number("samp-01", likeliest, "forward")

# %% [markdown]
# The softmax never changes the order: a higher score is a higher probability. So the likeliest token can be read from the
# logits directly, and the softmax is only there for our understanding. The package's `choose` with temperature 0 is
# greedy, and you will see below why that is a good name for it.

# %%
from hornbook.generation.sampling import Sampling, choose

assert logits.argmax() == logits.softmax(dim=-1).argmax()
assert words[choose(logits, Sampling(temperature=0))] == likeliest

# %% [markdown]
# ## Drawing by lot
#
# Greedy gives the same text every time, and "toward", with its 36 percent, never gets a turn. The other way is to draw:
# put 57 tickets with "forward" into a hat, 36 with "toward", and so on. `torch.multinomial` is this hat. Draw once, then
# a thousand times.


# %%
def draw_1000(temperature):
    torch.manual_seed(123)
    return [torch.multinomial((logits / temperature).softmax(dim=-1), 1).item() for _ in range(1000)]


drawn = draw_1000(1)
print("first:", words[drawn[0]])
number("samp-01", words[drawn[0]], "forward")

counts = [drawn.count(place) for place in range(len(words))]
print({word: count for word, count in zip(words, counts, strict=True) if count})
number("samp-02", counts, [73, 0, 0, 582, 2, 0, 0, 343, 0])

# %% [markdown]
# "forward" came 582 times of 1,000 where 572 were to be expected, the usual luck of a lottery. Now and then it is
# "closer", twice it was "inches".
#
# ## Temperature
#
# How bold should the draw be? Divide the logits by a number before the softmax, and the differences between them become
# larger or smaller. This number is the *temperature*. At 1 nothing changes. Below 1 the favourite takes nearly
# everything; far above 1 all tokens come close to each other, nonsense among them.

# %%
for temperature, expected in [
    (0.1, [0, 0, 0, 985, 0, 0, 0, 15, 0]),
    (1, [73, 0, 0, 582, 2, 0, 0, 343, 0]),
    (5, [165, 75, 42, 239, 71, 46, 32, 227, 103]),
]:
    drawn = draw_1000(temperature)
    counts = [drawn.count(place) for place in range(len(words))]
    print(f"temperature {temperature:3}: {counts}")
    number("samp-02", counts, expected)

# %%
from hornbook.generation.sampling import probabilities

bars = {}
for temperature in (0.1, 1, 5):
    tempered = probabilities(logits, Sampling(temperature=temperature, top_k=None))
    torch.testing.assert_close(tempered, (logits / temperature).softmax(dim=-1))  # the package does the same
    bars[f"temperature {temperature}"] = dict(zip(words, tempered.tolist(), strict=True))
next_token_bars(bars, PICTURES / "temperature", title="Every effort moves you ...")
show("temperature", "Three panels of bars: at 0.1 nearly all is forward, at 1 it has 57 %, at 5 even pizza has 4.3 %")

pizza = bars["temperature 5"]["pizza"]
number("samp-02", bars["temperature 0.1"]["forward"], 0.991)
number("samp-04", round(pizza, 4), 0.043)
print(f"pizza at temperature 5: {pizza:.1%} of the tickets, and {counts[6]} of our 1,000 draws")

# %% [markdown]
# As the temperature goes to 0 the draw becomes greedy, so we call greedy "temperature 0", although nobody can divide by
# it. A negative temperature would turn the order round; the package refuses it, like every setting that makes no sense.

# %%
from hornbook.errors import UserError

try:
    Sampling(temperature=-1)
except UserError as error:
    print(f"UserError: {error}")

# %% [markdown]
# ## Leaving out the tail
#
# A vocabulary has fifty thousand tokens and not nine. Most of them are nonsense in any one place, each very unlikely; but
# together they are not, and sooner or later one of them is drawn. Three rules cut this tail off. *Top-k* keeps the k
# likeliest: it puts the others at minus infinity, of which the softmax makes exactly 0.

# %%
from hornbook.generation.sampling import keep_top_k

third = logits.topk(3).values[-1]
kept = logits.masked_fill(logits < third, -torch.inf)
print([round(logit, 2) for logit in kept.tolist()])
assert torch.equal(kept, keep_top_k(logits, 3))
for temperature in (1, 5):
    tempered = probabilities(logits, Sampling(temperature=temperature, top_k=3))
    print(f"top-k 3, temperature {temperature}:", [round(share, 3) for share in tempered.tolist()])
    torch.testing.assert_close(tempered, (kept / temperature).softmax(dim=-1))  # first cut, then divide

# %% [markdown]
# But why three? Where a model is sure, the third may already be nonsense; where it isn't, thirty may be fine. The two
# other rules look at the probabilities. *Top-p* keeps the fewest of the likeliest that together reach the share p.
# *Min-p* keeps all that are at least p times as likely as the likeliest.

# %%
rules = {"top-k 3": {"top_k": 3}, "top-p 0.9": {"top_p": 0.9}, "min-p 0.2": {"min_p": 0.2}}
bars = {"temperature 5": bars["temperature 5"]}
for name, rule in rules.items():
    kept = {}
    for temperature in (1, 5):
        sampling = Sampling(**({"temperature": temperature, "top_k": None} | rule))
        kept[temperature] = probabilities(logits, sampling)
    bars[name] = dict(zip(words, kept[5].tolist(), strict=True))
    sure, unsure = ((shares > 0).sum().item() for shares in kept.values())
    print(f"{name:9} keeps {sure} words where the model is sure (temperature 1), {unsure} where it isn't (5)")
next_token_bars(bars, PICTURES / "tails", title="Temperature 5, and what three rules leave of it")
show(
    "tails",
    "Four panels: all nine words, the three of top-k, the seven of top-p, the six of min-p, each adding up to 100 %",
)

# %% [markdown]
# Top-k keeps three in both cases; the other two let the model's doubt decide. For top-k alone it makes no difference
# whether one cuts before the temperature or after, because dividing keeps the order. For the other two it does, so a
# program has to say which it does: ours cuts to k, divides, and then measures p.
#
# ## A model that writes
#
# Choosing is done; now the loop around it. It is *autoregressive*: what came out goes in again. We need a model, and the
# bigram model of lesson 7 is enough. It looks at one word only, so instead of training it we can count: which word
# follows which in 200 stories of the village?

# %%
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.tokenizers.word import Word
from hornbook.village.stories import stories

texts = [story.text for story in stories(seed=1, count=200)]
tokenizer = Word.train(texts)
end = tokenizer.end_of_text  # <|endoftext|>: here a story ends
counts = torch.zeros(tokenizer.vocab_size, tokenizer.vocab_size)
for text in texts:
    for token, following in pairwise([end, *tokenizer.encode(text), end]):
        counts[token, following] += 1

model = Bigram(BigramConfig(vocab_size=tokenizer.vocab_size, context_length=64))
model.token_embedding.weight.data = (counts + 1e-6).log()  # its softmax is the counts' share again
after_the = probabilities(model(torch.tensor([tokenizer.encode("the")]))[0, -1], Sampling(temperature=1, top_k=5))
print({tokenizer.token_text(token): round(after_the[token].item(), 2) for token in after_the.topk(5).indices.tolist()})

# %% [markdown]
# Here is lesson 7's loop again, now with a choice and an end (`eos_id`, for *end of sequence*, is the end token). Step
# 1 is a *crop*: a model can look at `context_length` tokens at most, so of a longer text it gets the last ones. Step 2
# switches off the notes that PyTorch takes for gradients; nothing is learned here. Of all the guesses, step 3 takes the
# last: the earlier ones are about tokens that we already have.


# %%
def write(model, tokens, max_new_tokens, temperature=0.0, top_k=None, eos_id=None):
    for _ in range(max_new_tokens):
        recent = tokens[:, -model.config.context_length :]  # 1. the last tokens that fit
        with torch.no_grad():  # 2. no gradients
            logits = model(recent)[:, -1]  # 3. the guess at the last place
        if top_k is not None:
            logits = keep_top_k(logits, top_k)
        token = logits.argmax(dim=-1, keepdim=True)  # 4. choose
        if temperature > 0:
            token = (logits / temperature).softmax(dim=-1).multinomial(1)
        if token.item() == eos_id:  # 5. the model says that the text is over
            break
        tokens = torch.cat([tokens, token], dim=1)  # 6. add it, and go on from there
    return tokens


defaults = ", ".join(str(parameter) for parameter in list(inspect.signature(write).parameters.values())[3:])
number("samp-06", f"defaults: {defaults}", "defaults: temperature=0.0, top_k=None, eos_id=None")
beginning = torch.tensor([tokenizer.encode("The sun")])
torch.manual_seed(123)
for temperature in (0, 0.7, 5):
    tokens = write(model, beginning, 30, temperature)
    assert tokens.shape[1] == beginning.shape[1] + 30
    assert not tokens.requires_grad
    print(f"temperature {temperature}: {tokenizer.decode(tokens[0].tolist())}\n")

# %% [markdown]
# Greedy runs in a circle, because after the same word it always takes the same road. At 0.7 the sentences begin to look
# like the village, as far as one can get by looking at one word. At 5 the words are confetti.
#
# A *repetition penalty* helps against circles. Tokens that the text already has get a lower logit: a positive one is
# divided by the penalty, a negative one multiplied, so both go down. It is a crude tool, since it also punishes "the".

# %%
from hornbook.generation.sampling import penalise_repetition

print(penalise_repetition(torch.tensor([3.0, -2.0, 1.0]), [0, 1], 2.0).tolist())
assert penalise_repetition(torch.tensor([3.0, -2.0, 1.0]), [0, 1, 0], 2.0).tolist() == [1.5, -4.0, 1.0]

from hornbook.generation.generate import LanguageModel

writer = LanguageModel(model, tokenizer)  # a model with its tokenizer: text in, text out
for penalty in (1.0, 1.5):
    text = writer.generate("The sun", max_new_tokens=30, temperature=0, repetition_penalty=penalty)
    print(f"penalty {penalty}: {len(set(text.split()))} different words:{text}")
assert tokenizer.decode(write(model, beginning, 30)[0].tolist()) == "The sun" + writer.generate(
    "The sun", max_new_tokens=30, temperature=0
)

# %% [markdown]
# ## The same seed, and the end
#
# Drawing by lot needn't mean that nobody can repeat it. The package draws each token from the seed and the token's place,
# so the same arguments give the same text. And a text ends for one of three reasons: the model writes
# `<|endoftext|>`, a string comes that we asked to stop at, or it is long enough.

# %%
settings = {"temperature": 0.7, "top_k": None}
first = writer.generate("The sun", max_new_tokens=12, seed=1, **settings)
assert first == writer.generate("The sun", max_new_tokens=12, seed=1, **settings)
assert first != writer.generate("The sun", max_new_tokens=12, seed=2, **settings)
print("seed 1:", first)

torch.manual_seed(1)
assert write(model, beginning, 1000, 0.7, eos_id=end).shape[1] < 1000  # our own loop stops at the end token, too
for options in ({"max_new_tokens": 1000}, {"max_new_tokens": 1000, "stop": ["."]}, {"max_new_tokens": 3}):
    running = writer.stream("The sun", seed=1, **options, **settings)
    text = "".join(running)
    print(f"{len(running.tokens):3} tokens, stopped by: {running.stopped_by}")
    assert "<|endoftext|>" not in text

# %% [markdown]
# `stream` gives the text piece by piece, while it is being written. Two things must not happen there. A piece of a stop
# string must not be shown before we know that it isn't one. And a token of bytes may end in the middle of a character:
# shown at once, it would be rubbish. So its bytes wait for the rest.

# %%
from hornbook.generation.text_stream import TextStream
from hornbook.tokenizers.bpe import BPE

by_byte = BPE.train([""], vocab_size=257)  # nothing learned: every byte is a token
stream = TextStream(by_byte)
tokens = by_byte.encode("5 € 🙂")
alone = [by_byte.decode([token]) for token in tokens]
pieces = [stream.push(token) for token in tokens]
print("one by one:", alone)
print("as a stream:", pieces)
assert "".join(pieces) == "5 € 🙂"
assert "\N{REPLACEMENT CHARACTER}" in "".join(alone)

# %% [markdown]
# ## Remembering what was read
#
# Our loop is wasteful. For every new token it reads the whole text again, though nothing in it has changed. What would
# be the same? In a GPT a token looks back and never forward (lesson 5), so the keys and values of the old tokens don't
# depend on the new one. Keep them, and the model has to read the new token only. This memory is the *KV cache*.
#
# The bigram model has nothing to remember, so take a small GPT. It isn't trained; its weights are drawn, which is enough
# to compare.

# %%
from hornbook.models.gpt import GPT, GPTConfig

torch.manual_seed(123)
sizes = {"context_length": 64, "num_layers": 2, "num_heads": 2, "embed_dim": 32}
gpt = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, tied_output=False, **sizes)).eval()
for parameter in gpt.parameters():
    if parameter.dim() == 2:  # large weights, so that its choices are clear
        torch.nn.init.normal_(parameter, std=0.5)

cache = gpt.new_cache(batch_size=1)
with_cache, column, read = beginning, beginning, 0
for _ in range(30):
    with torch.no_grad():
        logits = gpt(column, cache)[:, -1]
    read += column.shape[1]
    column = logits.argmax(dim=-1, keepdim=True)  # next time, only this one is read
    with_cache = torch.cat([with_cache, column], dim=1)

without = sum(beginning.shape[1] + place for place in range(30))
print(f"tokens read: {without} without the cache, {read} with it")
assert torch.equal(with_cache, write(gpt, beginning, 30))  # the same 30 tokens

# %%
with picture(PICTURES / "cache", width=8, height=3.2) as figure:
    panels = figure.subplots(1, 2, sharey=True)
    for axes, name in zip(panels, ("without a cache", "with a cache"), strict=True):
        for step in range(1, 13):
            read_now = step + 1 if name.startswith("without") or step == 1 else 1
            axes.barh(step, step + 1 - read_now, height=0.8, color=PALE)
            axes.barh(step, read_now, left=step + 1 - read_now, height=0.8, color=BLUE)
        axes.set(title=name, xlabel="place in the text", xlim=(0, 13.5))
        axes.grid(visible=False)
    panels[0].set(ylabel="new token", yticks=[1, 4, 8, 12])
    panels[0].invert_yaxis()
    panels[1].text(13.2, 1.6, "blue: read for this token\ngrey: remembered", ha="right", va="center", color=GREY)
show(
    "cache", "Without a cache the tokens read for each new one form a triangle; with it, a diagonal line one token wide"
)

# %% [markdown]
# The triangle grows with the square of the text's length, the line with its length. The package's `generate_tokens` always
# uses a cache. Here is what it does with texts that are too long. Of ten tokens, a model with a context of five would
# get the last five; of a hundred and twenty, ours gets the last sixty-four.

# %%
from hornbook.generation.generate import generate_tokens


def greedy_tokens(prompt, count):
    return list(generate_tokens(gpt, prompt, Sampling(temperature=0), max_new_tokens=count, seed=0))


assert greedy_tokens(beginning[0].tolist(), 30) == with_cache[0, 2:].tolist()  # as our loops
print("the last five of ten:", list(range(10))[-5:])
long = tokenizer.encode(texts[0])[:60] * 2
print(f"after {len(long)} tokens {greedy_tokens(long, 6)}; after the last 64 of them {greedy_tokens(long[-64:], 6)}")
assert greedy_tokens(long, 6) == greedy_tokens(long[-64:], 6)
print(len(greedy_tokens(long, 200)), "new tokens with a context of 64")

# %% [markdown]
# Two hundred new tokens don't fit into the context either. When it is full, the package keeps the newer half, reads that
# again, and goes on: what slid out is forgotten. And it can continue several prompts side by side, each as if it were
# alone.

# %%
gpt_writer = LanguageModel(gpt, tokenizer)
rows = [tokenizer.encode(text) for text in ("The sun", "the", "Nora went to the")]
together = gpt_writer.generate_many(rows, max_new_tokens=8, temperature=0)
alone = [gpt_writer.generate_many([row], max_new_tokens=8, temperature=0)[0] for row in rows]
assert together == alone

# %% [markdown]
# The price is memory: two vectors (key and value) for every token, in every layer and head. For a model of the size of
# Llama 2 7B (lesson 6) with a context of 32,768 tokens and two bytes to a number, that is more than the 13.5 GB of its
# weights. Newer models therefore let several query heads share one key and value, which is called *grouped-query
# attention*: with four queries to each, the cache is a quarter.


# %%
def cache_bytes(num_tokens, num_layers, num_kv_heads, head_dim, bytes_each):
    return 2 * num_tokens * num_layers * num_kv_heads * head_dim * bytes_each  # for one text


assert cache.num_bytes == cache_bytes(64, num_layers=2, num_kv_heads=2, head_dim=16, bytes_each=4)
every_head, shared = (cache_bytes(32768, 32, heads, head_dim=128, bytes_each=2) / 1e9 for heads in (32, 8))
print(f"32 heads with keys of their own: {every_head:.2f} GB; 8 shared by four each: {shared:.2f} GB")
number("gqa-01", {"mha_gb": round(every_head, 2), "gqa_gb": round(shared, 2)}, {"mha_gb": 17.18, "gqa_gb": 4.29})
number("gqa-01", every_head / shared, 4.0)
number("gqa-01", 100 * (1 - shared / every_head), 75.0)

# %% [markdown]
# ## What you have seen
#
# - Greedy takes the likeliest token, and tends to run in circles; drawing by lot gives every token its share.
# - The temperature makes the draw timid or bold; top-k, top-p and min-p leave the nonsense out of it.
# - What was written is read again; with a KV cache only the new token is read, and the text stays the same.
# - The same seed gives the same text, and a text ends by its end token, by a stop string, or by its length.
#
# The next lesson, 11_saving, puts a model on disk, and goes on training where it stopped.
#
# ## Exercises
#
# **1.** Draw by lot without `multinomial`: write `draw(shares, generator)`, which uses one random number between 0 and 1
# (`torch.rand`) and `cumsum`, the running sum. Check it with ten thousand draws of our nine words.
#
# **2.** A stricter medicine against circles: forbid every word that would write the same three words in a row a second
# time. Write `forbidden(tokens)`, which gives the tokens that may not come next, and a greedy loop that obeys it. How
# many rows of three words come twice, with and without the rule?
#
# ## Solutions

# %% [markdown]
# **1.** Lay the shares side by side on a line from 0 to 1; the random number is a place on it, and we take the share that
# it falls into.


# %%
def draw(shares, generator):
    place = torch.rand(1, generator=generator)
    return int((shares.cumsum(dim=-1) < place).sum().clamp(max=len(shares) - 1))  # the sum may round to less than 1


generator = torch.Generator().manual_seed(1)
shares = torch.tensor(list(bars["temperature 5"].values()))
found = Counter(draw(shares, generator) for _ in range(10_000))
for place, word in enumerate(words):
    print(f"{word:8} {shares[place]:6.1%} of the line, {found[place] / 10_000:6.1%} of the draws")
    assert abs(found[place] / 10_000 - shares[place]) < 0.015

# %% [markdown]
# **2.** The last two words are the beginning of a row of three. Wherever the same two stood before, the word that followed
# them is forbidden.


# %%
def forbidden(tokens):
    last = tokens[-2:]
    return [tokens[place + 2] for place in range(len(tokens) - 2) if tokens[place : place + 2] == last]


def repeated(tokens):
    rows = Counter(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return sum(count > 1 for count in rows.values())


tokens = tokenizer.encode("The sun")
for _ in range(60):
    logits = model(torch.tensor([tokens[-64:]]))[0, -1].detach().clone()
    logits[forbidden(tokens)] = -torch.inf
    tokens.append(int(logits.argmax()))
plain = write(model, beginning, 60)[0].tolist()
print("with the rule:", tokenizer.decode(tokens[:40]))
print(f"repeated rows of three: {repeated(plain)} without the rule, {repeated(tokens)} with it")
assert repeated(tokens) == 0 < repeated(plain)
