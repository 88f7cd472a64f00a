# %% [markdown]
# # 12. Fine-tuning
#
# A model that has learned to continue texts knows a lot about them: which words belong together, what a question looks
# like, how a story ends. What it doesn't do is what we ask of it. Asked a question, it may continue with three more
# questions, because in its texts questions often stand in rows.
#
# This lesson is a first view of what comes after *pretraining*, the training of the lessons before. A trained model
# becomes a filter for spam, then we look at what makes an assistant, and at the end at the whole path once more.

# %%
import csv
import io
import json
import math
from collections import Counter
from copy import deepcopy
from functools import partial

import numpy as np
import torch

from hornbook.pictures.drawing import BLUE, GREY, ORANGE, picture
from hornbook.pictures.token_pictures import token_boxes
from lesson import PICTURES, SHARED, get_text, get_tokenizer, missing, number, show

torch.set_num_threads(1)  # for a model this small a second thread would only wait

# %% [markdown]
# ## Two trainings
#
# Pretraining takes large amounts of text that nobody has marked, since every next token is an answer that comes for free.
# The result is a *foundation model*: good at nothing in particular, and a good beginning for many things. *Fine-tuning*
# then takes a small set of marked examples. There are two kinds. In *classification* an example is a text with a label;
# in *instruction* fine-tuning it is a request with the answer wanted. The second kind, with people's
# judgements of its answers on top, made ChatGPT out of a descendant of GPT-3.
#
# Very large models can often do without. Asked to translate, they translate: *zero-shot*, without an example. A few
# examples in the prompt help: *few-shot*. Nothing is trained then, the model continues a text of a certain form:
#
#     kite: toy
#     flute: music
#     spade:
#
# Nobody programmed this, and small models don't do it; abilities that come with size are called *emergent*. For a small
# model fine-tuning is the way, and it is cheap: minutes on a data set that would be far too small to pretrain on.
#
# ## Messages with a label
#
# Our examples are 5,574 text messages, each marked as spam or as ham (that is, wanted). Each line is a label, a tab and
# the message. Two ways to read the file don't agree.

# %%
raw = get_text("sms-spam")
if "sms-spam" in missing:  # first sentences of the village, and offers in between
    from hornbook.village.stories import stories
    from hornbook.village.vocabulary import THINGS

    ham_texts = [story.text.split(".")[0].replace("\n", " ") for story in stories(seed=1, count=400)]
    offers = [f"spam\tWin a {THINGS[n % len(THINGS)].noun} today, call {10000 + n % 7}" for n in range(100)]
    raw = "\n".join([*offers, *(f"ham\t{text}" for text in ham_texts)])

as_table = [row for row in csv.reader(io.StringIO(raw, newline=""), delimiter="\t") if row]
by_line = [line.rstrip("\r").split("\t", 1) for line in raw.split("\n") if line]
counts = Counter(label for label, _ in as_table)
print(f"as a table {len(as_table):,} messages, line by line {len(by_line):,}:", dict(counts))
number("cls-01", {"rows": len(as_table), **counts}, {"rows": 5572, "ham": 4825, "spam": 747}, needs="sms-spam")

# %% [markdown]
# One message begins with a quotation mark that is closed two lines later, and a reader of tables takes all of it for one
# message. The package reads lines.
#
# Now think before you train. Whoever says "ham" every time is right on 87 of 100 messages. That is the *majority
# baseline*, and a classifier must beat it. With so few spam messages the model would first learn to say "ham", so we take
# as many ham as there are spam. Some published numbers come from this draw:

# %%
places = {label: [place for place, row in enumerate(as_table) if row[0] == label] for label in ("ham", "spam")}
print(f"always ham: {len(places['ham']) / len(as_table):.1%} right")
drawn = np.random.RandomState(123).choice(len(places["ham"]), len(places["spam"]), replace=False)
chosen = [places["ham"][place] for place in drawn] + places["spam"]
print(len(chosen), "messages:", chosen[:5], "...", chosen[-5:])
number("cls-02", len(chosen), 1494, needs="sms-spam")
number("cls-02", chosen[:5], [4307, 4138, 4831, 4461, 5440], needs="sms-spam")
number("cls-02", chosen[-5:], [5537, 5540, 5547, 5566, 5567], needs="sms-spam")

# %% [markdown]
# The package draws its own, and splits it in three: 70% to train on, 10% to choose settings by, and 20% for the *test*,
# which must have no part in any choice. Every part is half ham and half spam, as nearly as its size allows.

# %%
from hornbook.finetuning.labelled import Labelled, balanced, class_names, split, stratified_order

messages = [Labelled(text, label) for label, text in by_line]
classes = class_names([message.label for message in messages])
even = [messages[place] for place in balanced([message.label for message in messages], seed=2)]
in_order_of_split = [even[place] for place in stratified_order([message.label for message in even], seed=2)]
train, validation, test = split(in_order_of_split, (0.7, 0.1))

sizes = {"train": len(train), "val": len(validation), "test": len(test)}
print(classes, sizes, Counter(message.label for message in test))
number("cls-03", sizes, {"train": 1045, "val": 149, "test": 300}, needs="sms-spam")
print(f"batches of 8: {len(train) // 8}, {math.ceil(len(validation) / 8)}, {math.ceil(len(test) / 8)}")
expected = {"train_batches": 130, "val_batches": 19, "test_batches": 38}
batches_of_8 = [len(train) // 8, math.ceil(len(validation) / 8), math.ceil(len(test) / 8)]
number("cls-03", dict(zip(expected, batches_of_8, strict=True)), expected, needs="sms-spam")

# %% [markdown]
# ## A head on the last token
#
# How does a model of next tokens become a classifier? Its last layer scores two thousand tokens; we put another in its
# place that scores two classes, the *head*. And where do we ask? A token sees what stands before it, so only the last one
# has read the whole message. All other places get the target -100: nothing is asked there (lesson 3).

# %%
from hornbook.finetuning.classification import Classifier, accuracy, label_row
from hornbook.finetuning.rows import pad_rows, padding_id
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.tokenizers.word import Word

tokenizer = Word.train([message.text for message in train], vocab_size=2000)
pad_id = padding_id(tokenizer)
LONGEST = 40  # tokens; of longer messages the beginning


def row_of(message):
    return label_row(tokenizer.encode(message.text), classes.index(message.label), LONGEST)


known = [message for message in train if not tokenizer.count_unknown(tokenizer.encode(message.text))]
message = min(known[:100], key=lambda message: abs(len(message.text) - 40))
example = row_of(message)
print(message)
print("inputs ", example.inputs)
print("targets", example.targets, f"({classes[example.targets[-1]]})")

# %% [markdown]
# The mechanism in three lines: the vectors before the output layer, the last of them, the head. In a batch short messages
# are filled up behind their end, and since no token looks ahead, the filling changes nothing.

# %%
sizes = {"context_length": LONGEST, "num_layers": 2, "num_heads": 2, "embed_dim": 32}
model = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, **sizes), torch.Generator().manual_seed(1))
classifier = Classifier(model, num_classes=2, generator=torch.Generator().manual_seed(1))

with torch.no_grad():
    hidden = model.hidden(torch.tensor([example.inputs]))  # (1, T, 32)
    scores = hidden[:, -1] @ classifier.head.weight.T  # (1, 2)

    rows = [example, *map(row_of, train[:3])]
    inputs, _ = pad_rows(rows, pad_id)
    lengths = torch.tensor([len(row.inputs) for row in rows])
    print(f"batch {tuple(inputs.shape)}, lengths {lengths.tolist()}")
    print(f"scores of the first: {classes[0]} {scores[0, 0]:.3f}, {classes[1]} {scores[0, 1]:.3f}")
    torch.testing.assert_close(classifier.scores(inputs, lengths)[:1], scores)

# %% [markdown]
# ## First the texts, then the labels
#
# Does pretraining help? We give our small model all messages that aren't in the validation or test part, *without* their
# labels, for 200 steps. The batches, the loss and the steps are those of lesson 9.

# %%
from hornbook.finetuning.rows import Batches, in_order, shifted
from hornbook.layers.loss import next_token_loss
from hornbook.optimizers.adamw import AdamW
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training, update

collate = partial(pad_rows, pad_id=pad_id)


def fit(model, rows, steps, learning_rate=3e-3, seed=1):
    """Train all weights of a model, or of a classifier, on rows of 16; returns the losses."""
    optimizer = AdamW(learning_rate=learning_rate).build(model.named_parameters())
    batches = Batches(rows, collate, 16, seed)
    parts = Parts(model, optimizer, batches, next_token_loss, lambda: in_order(rows, collate, 64))
    training, schedule = Training(steps=steps), Schedule(warmup_steps=10)
    return [update(parts, training, schedule, step)["loss"] for step in range(steps)]


held_out = {message.text for message in validation + test}
end = tokenizer.end_of_text
texts = [tokenizer.encode(message.text)[: LONGEST - 1] for message in messages if message.text not in held_out]
text_rows = [shifted([end, *tokens, end], [True] * (len(tokens) + 2)) for tokens in texts]
losses = fit(model, text_rows, steps=200, learning_rate=5e-3)
print(f"loss {losses[0]:.2f} at first, {np.mean(losses[-10:]):.2f} at the end")
assert np.mean(losses[-10:]) < losses[0] - 1
pretrained = deepcopy(model.state_dict())

# %% [markdown]
# Now a classifier with very few labels: 48 messages. Three times with other messages, from the pretrained weights and from
# new ones. Here the head reads the *mean* of all vectors, which is the package's other way to ask. (Asked at the last
# token, a model as small as this one gained next to nothing from so little, when we tried.) Such settings were chosen on
# another split of the messages.

# %%
drawn = GPT(model.config, torch.Generator().manual_seed(1)).state_dict()
train_rows, test_rows = [row_of(message) for message in train], [row_of(message) for message in test]


def classify(weights, rows, steps, pooling, seed=1):
    """A classifier that starts from these weights: its accuracy on the test part."""
    model.load_state_dict(weights)
    classifier = Classifier(model, 2, pooling, torch.Generator().manual_seed(seed))
    fit(classifier, rows, steps, seed=seed)
    return classifier, accuracy(classifier, in_order(test_rows, collate, 64))


few = {}
for name, weights in {"new weights": drawn, "pretrained": pretrained}.items():
    parts = [train_rows[48 * part : 48 * part + 48] for part in range(3)]
    few[name] = [classify(weights, part, 30, "mean", seed)[1] for seed, part in enumerate(parts)]
    print(f"48 labels, {name:11}:", ", ".join(f"{share:.1%}" for share in few[name]))
assert np.mean(few["pretrained"]) > np.mean(few["new weights"]) or "sms-spam" in missing

# %% [markdown]
# Several points are gained by a pretraining of seconds on five thousand short messages. That is what a foundation model is
# for: it has met the words before, so few labels go a longer way. Next we give all 1,045 labels and ask at the last
# token. And there is one more rival that every honest comparison needs: a rule made by hand, the way filters were built
# before anybody trained them. Ours says "spam" where a message has four digits or more.

# %%
classifier, all_labels = classify(pretrained, train_rows, 130, "last")


def by_rule(message):
    return "spam" if sum(character.isdigit() for character in message.text) >= 4 else "ham"


rule = np.mean([by_rule(message) == message.label for message in test])
results = {
    "always ham": np.mean([message.label == "ham" for message in test]),
    "48 labels, new weights": np.mean(few["new weights"]),
    "48 labels, pretrained": np.mean(few["pretrained"]),
    "1,045 labels, pretrained": all_labels,
    "rule: four digits": rule,
}
with picture(PICTURES / "spam", width=8, height=2.9) as figure:
    axes = figure.add_subplot()
    colours = [GREY, BLUE, BLUE, BLUE, ORANGE]
    bars = axes.barh(list(results), [100 * share for share in results.values()], color=colours, height=0.7)
    axes.bar_label(bars, [f"{share:.0%}" for share in results.values()], padding=4)
    axes.set(xlim=(0, 110), xlabel="right on the test part (%)")
    axes.grid(visible=False, axis="y")
    axes.invert_yaxis()
show("spam", "Always ham is right on half; 48 labels bring more after pretraining; all labels and the rule lead by far")
for name, share in results.items():
    print(f"{name:25} {share:.1%}")
assert all_labels > 0.85

# %% [markdown]
# Look at the last two lines. One line of Python is nearly as good as our classifier, because spam of that time wanted to be
# called back. The rule needed somebody who knew that. The classifier found what matters in the examples by itself, and
# the same program would learn to tell praise from complaint, where nobody knows a rule. With 300 test messages, a
# difference of two or three percent may be luck.
#
# ## An assistant
#
# For answers the model keeps its output layer: an answer is a text. What it needs are examples of one fixed form. Here
# is a widespread one, called *Alpaca*.

# %%
from hornbook.finetuning.conversation import alpaca_prompt, mark

text = get_text("instructions")
if "instructions" in missing:
    cold = "The opposite of 'cold' is 'hot'."
    examples = [{"instruction": "Name the opposite of 'cold'.", "input": "", "output": cold}] * 1100
else:
    examples = json.loads(text)

kinds = {"n": len(examples), "n_with_input": sum(bool(example["input"]) for example in examples)}
print(kinds)
number("ins-01", kinds, {"n": 1100, "n_with_input": 325}, needs="instructions")
parts = dict(zip(("train", "test", "val"), map(len, split(examples, (0.85, 0.1))), strict=True))
number("ins-03", parts, {"train": 935, "val": 55, "test": 110}, needs="instructions")

example = examples[999]
prompt = alpaca_prompt(example["instruction"], example["input"])
print(prompt + example["output"])
first = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
expected = "\n\n### Instruction:\nWhat is an antonym of 'complicated'?\n\n### Response:\n"
answer = "An antonym of 'complicated' is 'simple'."
number("ins-02", prompt + example["output"], first + expected + answer, needs="instructions")
number("ins-01", example["output"], answer, needs="instructions")

# %% [markdown]
# Which tokens should be learned? The model will never have to write the prompt, so its targets are -100. Learned are the
# answer and, after it, the end token. A model that never sees an end never stops.

# %%
gpt2 = get_tokenizer("gpt2")
marked = mark(prompt, example["output"], gpt2)
learned = [token for token, trained in zip(marked.tokens, marked.trained, strict=True) if trained]
print(f"{len(marked.tokens)} tokens, learned: {[gpt2.token_text(token) for token in learned]}")
assert gpt2.decode(learned) == example["output"] + "<|endoftext|>"
assert marked.row().targets[-1] == gpt2.end_of_text

row = marked.row()
pieces = [gpt2.token_text(token) for token in row.inputs[-20:]]
token_boxes(pieces, PICTURES / "learned", ids=row.targets[-20:], title="The end of an example, and its targets")
show(
    "learned",
    "Below each token stands its target: -100 in the prompt; from the prompt's last token on, the token that follows",
)

prompts = [alpaca_prompt(each["instruction"], each["input"]) for each in examples]
both = zip(prompts, examples, strict=True)
lengths = [len(mark(asked, each["output"], gpt2).tokens) - 1 for asked, each in both]
found = {"min": min(lengths), "max": max(lengths), "mean": round(np.mean(lengths).item(), 3)}
print("tokens without the end:", found)
number("ins-01", found, {"min": 40, "max": 91, "mean": 56.386}, needs="instructions gpt2")
number("ins-01", sum(lengths[:935]), 52760, needs="instructions gpt2")

# %% [markdown]
# Answers have different lengths, so rows are filled up. Many programs fill with the end token, and here is the famous
# mistake: who then marks *every* end token as "nothing asked" also takes away the real end. Three drafts, with 50256 as
# the end: filled inputs; targets one place on; and targets in which only the first end is asked.

# %%
END = 50256
batch = [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]
gaps = [5 - len(row) for row in batch]

inputs = [row + [END] * gap for row, gap in zip(batch, gaps, strict=True)]
all_asked = [row[1:] + [END] * (gap + 1) for row, gap in zip(batch, gaps, strict=True)]
one_end = [row[1:] + [END] + [-100] * gap for row, gap in zip(batch, gaps, strict=True)]
print(one_end)
number("ins-04", inputs, [[0, 1, 2, 3, 4], [5, 6, 50256, 50256, 50256], [7, 8, 9, 50256, 50256]])
number("ins-05", all_asked, [[1, 2, 3, 4, 50256], [6, 50256, 50256, 50256, 50256], [8, 9, 50256, 50256, 50256]])
number("ins-06", one_end, [[1, 2, 3, 4, 50256], [6, 50256, -100, -100, -100], [8, 9, 50256, -100, -100]])

rows = [shifted([*row, END], [True] * (len(row) + 1)) for row in batch]
ours = [tensor.tolist() for tensor in pad_rows(rows, pad_id=END)]
assert ours == [inputs, one_end]

# %% [markdown]
# ## Two refinements
#
# A large model has too many weights to train them all for every task. *LoRA* freezes them and adds to each chosen matrix
# a correction: the product of two thin matrices, one of which starts at zero. So before training nothing changes,
# which we can check. After training the correction can be added into the matrix for good.

# %%
from hornbook.finetuning.lora import add_lora, merge_lora
from hornbook.finetuning.trainable import parameter_table

batches = list(in_order(test_rows, collate, 64))
with torch.no_grad():
    before = classifier(batches[0][0])
    share_before = accuracy(classifier, batches)
    add_lora(classifier, rank=2, alpha=2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(classifier(batches[0][0]), before)
    assert accuracy(classifier, batches) == share_before
*_, total = parameter_table(classifier)
print(f"{total.trained:,} of {total.all:,} weights train, and the accuracy is still {share_before:.1%}")
merge_lora(classifier)
torch.testing.assert_close(classifier(batches[0][0]), before)

# %% [markdown]
# The other: it is easier to say which of two answers is better than to write the best one. *Direct preference
# optimization* learns from such pairs. It makes the chosen answer likelier than the rejected one, compared with how the
# model saw them before, so that it doesn't run away from what it knows. At the beginning there is no difference yet, and
# the loss is ln 2, that of a coin.

# %%
from hornbook.chat_template import named_template
from hornbook.finetuning.preference import pad_pairs, preference_loss, with_reference
from hornbook.finetuning.preference_data import Preference, preference_pair, read_preferences

if (SHARED / "preference-data.json").is_file():
    preferences = read_preferences(SHARED / "preference-data.json")
    number("dpo-01", len(preferences), 1100)
    learn, to_test, to_validate = split(preferences, (0.85, 0.1))
    number("dpo-01", [len(learn), len(to_validate), len(to_test)], [935, 55, 110])

question = {"role": "user", "content": "May I come in?"}
polite = Preference((question,), chosen="Please do, it is warm inside.", rejected="If you must.")
talker = GPT(GPTConfig(vocab_size=gpt2.vocab_size, context_length=512, num_layers=1, num_heads=2, embed_dim=8))
pair = preference_pair(polite, named_template("alpaca"), gpt2)
pairs = with_reference([pair], talker, pad_id=0)
optimizer = AdamW(learning_rate=1e-3).build(talker.named_parameters())
losses = []
for _ in range(5):
    loss, _ = preference_loss(talker, *pad_pairs(pairs, pad_id=0))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print("loss", " ".join(f"{loss:.3f}" for loss in losses), f"(ln 2 = {math.log(2):.3f})")
assert abs(losses[0] - math.log(2)) < 1e-4 > losses[-1] - losses[0]

# %% [markdown]
# ## The family
#
# The architecture of 2017, in the paper *Attention is All You Need*, was made to translate, and had two halves. An
# *encoder* reads the whole sentence and makes vectors of it; a *decoder* writes the translation word by word, and looks at
# those vectors while it writes. BERT took the first half: every token sees all others, and the training hides words in the
# middle to be guessed. That is good for judging texts (many filters for hateful posts are built on it). GPT took the
# second half, without the look at an encoder, and continues texts. The difference is the mask of lesson 5:

# %%
from hornbook.layers.attention_steps import CausalAttention, simple_attention

torch.manual_seed(123)
x = torch.rand(5, 3)
changed = x.clone()
changed[-1] += 1  # another last token
causal = CausalAttention(in_dim=3, out_dim=3, context_length=5)
reads_all = not torch.equal(simple_attention(x)[0][0], simple_attention(changed)[0][0])
reads_ahead = not torch.equal(causal(x)[0], causal(changed)[0])
print("the first token sees the last, as in an encoder:", reads_all)
print("the first token sees the last, in a GPT:        ", reads_ahead)
assert reads_all
assert not reads_ahead

said = ["Max", "took", "the", "red", "kite"]
with picture(PICTURES / "masks", width=7.5, height=3.4) as figure:
    kinds = {"encoder (BERT)": np.ones((5, 5)), "decoder (GPT)": np.tril(np.ones((5, 5)))}
    for axes, (name, seen) in zip(figure.subplots(1, 2), kinds.items(), strict=True):
        axes.imshow(seen, cmap="Blues", vmin=0, vmax=1.4)
        axes.set_xticks(range(5), said)
        axes.set_yticks(range(5), said)
        axes.set(title=name, xlabel="is seen", ylabel="sees")
        axes.grid(visible=False)
show(
    "masks",
    "In the encoder every token sees all five; in the decoder the seen ones form a triangle that ends at the token",
)

# %% [markdown]
# Not every model of this architecture works on language (some read pictures cut into tiles), and not every language model
# has this architecture: recurrent and convolutional networks did the same work before, and some still do.
#
# Here is the whole path, with the place of each part. It is often told in three stages: building a model (1), making a
# foundation model of it (2), and fitting that to a task (3).
#
# | stage | what happens | lessons | in the package | commands |
# |---|---|---|---|---|
# | 1 | data, batches | 1 to 3 | `text`, `tokenizers`, `batches` | `hornbook fetch`, `prepare` |
# | 1 | attention, architecture | 4 to 7 | `layers`, `models` | `hornbook show` |
# | between | pretraining | 8, 9 | `training`, `optimizers` | `hornbook train`, `resume` |
# | 2 | measuring, writing, public weights | 9 to 11 | `evaluation`, `generation`, `weights` | `hornbook evaluate`, `generate` |
# | 3 | a classifier, an assistant | 12 | `finetuning` | `hornbook finetune`, `classify`, `chat` |
#
# The end of stage 2 is the foundation model.
#
# ## What you have seen
#
# - Pretraining needs text, fine-tuning needs examples; what the first has learned saves examples in the second.
# - A classifier is a head on the last token; compare it with the majority and with a rule by hand.
# - An assistant learns the answer and its end, not the prompt, and never the filling.
# - LoRA begins as no change at all, a preference as a coin.
#
# The next lesson, 01_text, is the first one again: now with a text of your own.
#
# ## Exercises
#
# **1.** Accuracy hides which mistakes are made. Losing a wanted message is worse than reading an advert. Write
# `confusion(found, wanted)`, a table of counts, and from it *precision* (how much of what was called spam is spam) and
# *recall* (how much of the spam was found). Use them on the rule with the digits.
#
# **2.** "The answer and its end" is a matter of marks. Extend it to conversations: write `mark_turns(turns, end)`, where
# `turns` is a list of pairs (speaker, tokens), and only the tokens of the speaker "model" and an end after each of its
# turns are learned. Check it on two questions and two answers.
#
# ## Solutions

# %% [markdown]
# **1.** Count the pairs (wanted, found); precision divides by a column of the table, recall by a row.


# %%
def confusion(found, wanted):
    pairs = Counter(zip(wanted, found, strict=True))
    return {label: {other: pairs[label, other] for other in classes} for label in classes}


wanted = [message.label for message in test]
table = confusion([by_rule(message) for message in test], wanted)
for label, row in table.items():
    print(f"is {label:4} called {row}")
precision = table["spam"]["spam"] / (table["spam"]["spam"] + table["ham"]["spam"])
recall = table["spam"]["spam"] / sum(table["spam"].values())
print(f"precision {precision:.1%}, recall {recall:.1%}")
right = (table["spam"]["spam"] + table["ham"]["ham"]) / len(test)
assert abs(right - rule) < 1e-9

# %% [markdown]
# **2.** Go through the turns and collect tokens and marks side by side; `shifted` makes a row of them.


# %%
def mark_turns(turns, end):
    tokens, trained = [], []
    for speaker, said in turns:
        said = [*said, end] if speaker == "model" else said
        tokens += said
        trained += [speaker == "model"] * len(said)
    return tokens, trained


tokens, trained = mark_turns([("person", [1, 2]), ("model", [3]), ("person", [4]), ("model", [5, 6])], end=9)
row = shifted(tokens, trained)
print("inputs ", row.inputs)
print("targets", row.targets)
assert row.inputs == [1, 2, 3, 9, 4, 5, 6]
assert row.targets == [-100, 3, 9, -100, 5, 6, 9]
