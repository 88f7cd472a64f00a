# %% [markdown]
# # 2. Tokens
#
# A model calculates, so it needs numbers. Turning text into numbers is called *encoding*, turning numbers back into
# text *decoding*; the second is how we read what a model writes. The numbers are *tokens*: each is the place of one
# piece of text in a list, and the list is the *vocabulary*.
#
# What should the pieces be? Letters are few but make long rows. Words make short rows but there is no end to them. We
# try both, see where they fail, and build what nearly all models use today: pieces that are learned from the text.

# %%
from hornbook.pictures.drawing import GREY, picture
from hornbook.pictures.token_pictures import token_boxes
from hornbook.pictures.vocabulary_pictures import compare_vocabularies, token_lengths
from lesson import PICTURES, get_text, get_tokenizer, number, show

# %% [markdown]
# ## Letters
#
# The vocabulary is every character of a text, sorted. A letter's token is its place in that list. Two small tables do
# all the work: one from letters to places, one back.

# %%
sentence = "The unlit terraces, Nora said, are unsafe."

letters = sorted(set(sentence))
place_of = {letter: place for place, letter in enumerate(letters)}
tokens = [place_of[letter] for letter in sentence]

print("".join(letters))
print(tokens)
print("".join(letters[token] for token in tokens))

# %% [markdown]
# The package's letter tokenizer keeps the same sorted list, with two special tokens after it that we will need soon.

# %%
from hornbook.tokenizers.character import Character

by_letter = Character.train([sentence])
assert by_letter.encode(sentence) == tokens
assert by_letter.decode(tokens) == sentence
print(by_letter.vocab_size, "tokens, the last two are", list(by_letter.special_tokens))
token_boxes(list(sentence), PICTURES / "letters", ids=tokens, title="Letters")
show("letters", "The sentence as 42 letters, the token of each below it; colours only tell neighbours apart")

# %% [markdown]
# ## Words
#
# Where does a word end? Cutting at spaces is not enough, because the comma sticks to the word before it. Python's
# `re.split` keeps what it cuts at when the pattern stands in round brackets, so spaces and marks become pieces too.

# %%
import re

example = "Hello, world. This, is a test."
at_spaces = re.split(r"(\s)", example)
at_marks = re.split(r"([,.]|\s)", example)
pieces = [piece for piece in at_marks if piece.strip()]
print(at_spaces, at_marks, pieces, sep="\n")
number("tok-02", at_spaces, ["Hello,", " ", "world.", " ", "This,", " ", "is", " ", "a", " ", "test."])
expected = "Hello|,|| |world|.|| |This|,|| |is| |a| |test|.|"
number("tok-03", "|".join(at_marks).split("|"), expected.split("|"))
number("tok-04", pieces, ["Hello", ",", "world", ".", "This", ",", "is", "a", "test", "."])

# %% [markdown]
# The last step dropped the spaces. Whether to keep them is a choice: without them rows are shorter, with them nothing
# is lost. For a program in Python, where the spaces at the beginning of a line mean something, they would have to stay.
#
# With a few more marks the pattern is good enough for a whole story.


# %%
def split_words(text):
    pieces = re.split(r"([,.:;?_!\"()']|--|\s)", text)
    return [piece for piece in pieces if piece.strip()]


question = split_words("Hello, world. Is this-- a test?")
print(question)
number("tok-05", question, ["Hello", ",", "world", ".", "Is", "this", "--", "a", "test", "?"])

verdict = get_text("verdict")
words = split_words(verdict)
print(f"{len(words):,} words, beginning with", words[:10])
beginning = """I HAD always thought Jack Gisburn rather a cheap genius -- though a good fellow enough -- so it was no
great surprise to me to hear that , in"""
number("tok-06", words[:30], beginning.split(), needs="verdict")
number("tok-07", len(words), 4690, needs="verdict")

# %% [markdown]
# Each different word once, sorted, is the vocabulary. A tokenizer is then three lines of code and two tables; decoding
# joins the words with spaces and takes out those that stand before a mark.


# %%
class WordTable:
    def __init__(self, vocabulary):
        self.words = vocabulary
        self.tokens = {word: token for token, word in enumerate(vocabulary)}

    def encode(self, text):
        return [self.tokens[word] for word in split_words(text)]

    def decode(self, tokens):
        text = " ".join(self.words[token] for token in tokens)
        return re.sub(r"\s+([,.?!\"()'])", r"\1", text)


vocabulary = sorted(set(words))
table = WordTable(vocabulary)
print(f"{len(vocabulary):,} different words; the last five are", vocabulary[-5:])
number("tok-07", len(vocabulary), 1130, needs="verdict")

# %% [markdown]
# Does it come back as it was? Nearly: the spaces after the quotation mark and the apostrophe were not there before, and
# the line end is gone. A word tokenizer loses some spacing.

# %%
line = '"It\'s the last he painted, you know," \n           Mrs. Gisburn said with pardonable pride.'
if set(split_words(line)) <= set(vocabulary):  # The Verdict has all these words
    tokens = table.encode(line)
    print(tokens)
    print(table.decode(tokens))
    expected = [1, 56, 2, 850, 988, 602, 533, 746, 5, 1126, 596, 5, 1, 67, 7, 38, 851, 1108, 754, 793, 7]
    number("tok-09", tokens, expected)
    expected = '" It\' s the last he painted, you know," Mrs. Gisburn said with pardonable pride.'
    number("tok-09", table.decode(tokens), expected)

# %% [markdown]
# ## Words that nobody has seen
#
# The story never says "Hello", so it has no token.

# %%
try:
    table.encode("Hello, do you like tea. Is this-- a test?")
except KeyError as error:
    print(f"KeyError: {error}")
    number("tok-10", f"KeyError: {error}", "KeyError: 'Hello'", needs="verdict")

# %% [markdown]
# No text is large enough to hold every name and every slip of the pen. One way out is a *special token*, `<|unk|>`, that
# stands for every unknown word. Special tokens are not pieces of text; they are signals that we put between the pieces,
# so they get the places after the last word. Another one, `<|endoftext|>`, says that here a text ends and something
# unrelated begins.

# %%
longer = [*vocabulary, "<|endoftext|>", "<|unk|>"]
last = [[word, token] for token, word in enumerate(longer)][-5:]
print(f"{len(longer):,} tokens, the last are", last)
number("tok-11", len(longer), 1132, needs="verdict")
expected = [["younger", 1127], ["your", 1128], ["yourself", 1129], ["<|endoftext|>", 1130], ["<|unk|>", 1131]]
number("tok-11", last, expected, needs="verdict")

# %% [markdown]
# The package's word tokenizer does exactly this. What it can't say it replaces, and tells you what that was: look at
# that list before you train. (`allow_special` says that the mark in the text is meant as the signal.)

# %%
from hornbook.tokenizers.word import Word

by_word = Word.train([verdict])
two_texts = "Hello, do you like tea? <|endoftext|> In the sunlit terraces of the palace."
tokens = by_word.encode(two_texts, allow_special=True)
print(tokens)
print(by_word.decode(tokens))
print(by_word.count_unknown(tokens), "unknown, among them", list(by_word.unknown_parts("the terraces of the palace.")))
expected = [1131, 5, 355, 1126, 628, 975, 10, 1130, 55, 988, 956, 984, 722, 988, 1131, 7]
number("tok-12", tokens, expected, needs="verdict")

# %% [markdown]
# You will meet four such signals under many names. They do different jobs, and mixing them up is a famous source of
# models that never stop:
#
# - the *beginning* of a text, often `[BOS]`;
# - its *end*, `[EOS]` or `<|endoftext|>`, which a model must learn to write in order to stop;
# - *padding*, `[PAD]`, which fills up short rows and is never learned from (lesson 3);
# - the *unknown*, `<|unk|>`, of vocabularies that have gaps.
#
# ## Pieces that are learned
#
# *Byte pair encoding*, or BPE, was a way to compress files before it was used for language. Begin with single
# characters. Count which two neighbours stand together most often, and give that pair a token of its own. Do it again,
# and again; the pairs of the next round may hold the tokens of the last. (We number the new tokens from 256; you will
# see why.)

# %%
from collections import Counter
from itertools import pairwise


def merge(row, pair):
    """Join the pair wherever it stands, left to right."""
    merged = []
    for piece in row:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


row = list("the cat in the hat")
rows = [row]
for token in (256, 257, 258):
    pair, count = Counter(pairwise(row)).most_common(1)[0]
    row = merge(row, pair)
    rows.append(row)
    print(f"token {token}: {pair} stands there {count} times, {len(row)} pieces are left")

number("bpe-16", rows[1][0], "th")
assert rows[3][0] == "the "
number("bpe-16", "".join("<258>" if piece == "the " else piece for piece in row), "<258>cat in <258>hat")
number("bpe-16", "".join(row), "the cat in the hat")

# %% [markdown]
# Three rounds, and "the" with its space is one piece.

# %%
with picture(PICTURES / "merging", width=8, height=2.4) as figure:
    axes = figure.add_subplot()
    axes.set(xlim=(-3.4, 18), ylim=(3.6, -0.6))
    axes.axis("off")
    for height, (row, name) in enumerate(zip(rows, ["characters", "t + h", "th + e", "the + space"], strict=True)):
        axes.text(-0.4, height, name, ha="right", va="center", color=GREY)
        start = 0
        for piece in row:
            box = {"facecolor": "#CFE5F3" if len(piece) == 1 else "#F2B98C", "edgecolor": "white", "linewidth": 2}
            axes.barh(height, len(piece), left=start, height=0.8, **box)
            axes.text(start + len(piece) / 2, height, piece.replace(" ", "·"), ha="center", va="center")
            start += len(piece)
show("merging", "The same text in four rows: 18 characters, then three merges, each making one piece longer")

# %% [markdown]
# Three details make it a tokenizer. It begins with the 256 *bytes* in which every text is stored, so no text is ever
# unknown. It first cuts the text into words (with the space before them), and merges stay inside a word. And it needs
# a rule for ties: "th" and "at", for example, both stand there twice. We took the first that came; the package takes
# the smaller tokens, so that the result never depends on the order in which a text is read.

# %%
from hornbook.tokenizers._merges import learn_merges

[(left, right)] = learn_merges({b"the cat in the hat": 1}, num_merges=1)
print(f"the package joins {chr(left)!r} ({left}) and {chr(right)!r} ({right}) first")
assert (chr(left), chr(right)) == ("a", "t")

# %% [markdown]
# Now the whole story, until there are 1,000 tokens. The first merges are beginnings and ends of common words; among
# the longest are words that this story likes.

# %%
from hornbook.tokenizers.bpe import BPE

by_piece = BPE.train([verdict], vocab_size=1000)
learned = [by_piece.token_text(token) for token in range(256, by_piece.vocab_size - 1)]
print("first:  ", learned[:12])
print("longest:", sorted(learned, key=len)[-6:])
token_lengths(learned, PICTURES / "lengths", title="What 743 merges have made")
show("lengths", "Most learned tokens have two to five characters; the longest have nine")

# %% [markdown]
# To encode, the merges are applied in the order in which they were learned. Common words become one token, rare ones
# several, and what was never seen falls apart into bytes but is not lost. Decoding gives back *every* text exactly;
# such a tokenizer is called lossless.

# %%
for text in (sentence, "Привет, 世界! 🙂", "\ttabs,  two spaces\r\n", ""):
    tokens = by_piece.encode(text)
    assert by_piece.decode(tokens) == text
    print(f"{len(text):2} characters, {len(text.encode()):2} bytes, {len(tokens):2} tokens: {text!r}")

# %% [markdown]
# ## A public vocabulary: GPT-2
#
# GPT-2's vocabulary was learned from 40 gigabytes of web pages: 256 bytes, 50,000 merges and one special token, which
# has the last place. (Its first 256 tokens are the bytes, in an order of its own: the printable ones come first.)

# %%
gpt2 = get_tokenizer("gpt2")
print(f"{gpt2.vocab_size:,} tokens, {len(gpt2.parts.merges):,} merges, {gpt2.special_tokens}")
print({token: gpt2.token_text(token) for token in (0, 1, 256, 257, 298, 318, 617)})
signs = {"newline": gpt2.encode("\n")[0], "carriage_return": gpt2.encode("\r")[0], "space": gpt2.encode(" ")[0]}
print(signs)
number("bpe-01", gpt2.vocab_size, 50257, needs="gpt2")
number("bpe-01", len(gpt2.parts.merges), 50000, needs="gpt2")
number("bpe-01", signs, {"newline": 198, "carriage_return": 201, "space": 220}, needs="gpt2")
number("bpe-13", gpt2.token_text(256), " t", needs="gpt2")
number("bpe-13", gpt2.token_text(617), " some", needs="gpt2")

# %% [markdown]
# Four words of English are four tokens, where they were seventeen bytes.

# %%
text = "This is some text"
tokens = gpt2.encode(text)
print(list(text.encode()))
print(tokens, [gpt2.token_text(token) for token in tokens])
number("bpe-06", list(text.encode()), [84, 104, 105, 115, 32, 105, 115, 32, 115, 111, 109, 101, 32, 116, 101, 120, 116])
number("bpe-06", tokens, [1212, 318, 617, 2420], needs="gpt2")

# %% [markdown]
# Words that don't exist are no trouble: "someunknownPlace" becomes three pieces that do, and "Akwirw ier" becomes small
# ones. A special token is only read as one where we allow it, since otherwise everybody who types those characters could
# end a text.

# %%
text = "Hello, do you like tea? <|endoftext|> In the sunlit terracesof someunknownPlace."
tokens = gpt2.encode(text, allow_special=True)
print(tokens)
print(len(gpt2.encode(text)), "tokens where the signal is ordinary text, and", len(tokens), "where it is one")
first_text = [15496, 11, 466, 345, 588, 8887, 30, 220]
second_text = [554, 262, 4252, 18250, 8812, 2114, 1659, 617, 34680, 27271, 13]
number("bpe-02", tokens, [*first_text, 50256, *second_text], needs="gpt2")
assert gpt2.decode(tokens) == text

tokens = gpt2.encode("Akwirw ier")
print([gpt2.token_text(token) for token in tokens])
number("bpe-03", tokens, [33901, 86, 343, 86, 220, 959], needs="gpt2")
tokens = gpt2.encode("Akwirw <|endoftext|> ier.", allow_special=True)
number("bpe-04", tokens, [33901, 86, 343, 86, 220, 50256, 220, 959, 13], needs="gpt2")

# %% [markdown]
# Here is our sentence again, in words and in GPT-2's pieces. Most pieces begin with the space before the word, drawn
# as a dot.

# %%
pieces = split_words(sentence)
token_boxes(pieces, PICTURES / "words", title="Words")
show("words", "The sentence as 10 words and marks")

tokens = gpt2.encode(sentence)
token_boxes([gpt2.token_text(token) for token in tokens], PICTURES / "pieces", ids=tokens, title="GPT-2's pieces")
show("pieces", "The sentence as 12 pieces with their tokens: unlit and terraces are two pieces each")

# %% [markdown]
# ## Which vocabulary?
#
# A small vocabulary makes long rows, and a model can look at only so many tokens at once, its *context length*. So the
# choice also decides how much text it sees. Compare on *Meditations*, cleaned to thirty letters and signs, as words
# without digits, in our pieces of *The Verdict*, and with two public vocabularies. (`cl100k_base`, twice as large as
# GPT-2's, is that of GPT-4, gpt-3.5-turbo and text-embedding-ada-002: large models use pieces of words.)

# %%
from hornbook.text.rules import DIPLOMA_ALPHABET

meditations = get_text("meditations")
whole_words = meditations.lower().split()
without_digits = sorted({word for word in whole_words if not any(sign.isdigit() for sign in word)})
print(len(DIPLOMA_ALPHABET), "characters:", DIPLOMA_ALPHABET)
rare = sum(count <= 2 for count in Counter(whole_words).values()) / len(set(whole_words))
print(f"{len(without_digits):,} different words; {rare:.0%} of all stand there once or twice")
number("mixa-01", len(DIPLOMA_ALPHABET), 30)
number("mixa-01", len(without_digits) + 1, 9959, needs="meditations")  # that count has an invisible mark as a word

# %%
cl100k = get_tokenizer("cl100k_base")
characters = len(meditations)
sizes = {
    "30 letters": (30, 1.0),
    "words": (len(without_digits), characters / len(whole_words)),
    "ours, of The Verdict": (by_piece.vocab_size, characters / len(by_piece.encode(meditations))),
    "GPT-2": (gpt2.vocab_size, characters / len(gpt2.encode(meditations))),
    "cl100k_base": (cl100k.vocab_size, characters / len(cl100k.encode(meditations))),
}
for name, (size, per_token) in sizes.items():
    print(f"{name:20} {size:7,} tokens of {per_token:.2f} characters; 256 are {256 * per_token:5,.0f} characters")
compare_vocabularies(sizes, PICTURES / "sizes", title="Vocabularies on Meditations")
show("sizes", "Vocabulary sizes from 30 to 100,277, and characters per token from 1 for letters to 5.5 for words")
assert sizes["30 letters"][1] < sizes["ours, of The Verdict"][1] < sizes["words"][1]

# %% [markdown]
# 256 letters are four lines of a book. 256 words are most of a page, but there are ten thousand to choose from, most
# of them hardly ever seen, and the next book brings new ones. Pieces lie between, and you choose where. A large
# vocabulary also costs weights: the model keeps a row of numbers for every token (lesson 4).
#
# ## What you have seen
#
# - Encoding is looking up pieces in a list; the list is the vocabulary.
# - Words have gaps and lose spacing; byte pair encoding has no gaps and loses nothing.
# - Special tokens are signals, never read out of ordinary text unless asked for.
# - The size of the vocabulary decides how much text fits into a model's view.
#
# The next lesson, 03_batches, cuts the row of tokens into questions and answers.
#
# ## Exercises
#
# **1.** The loop above fails on an empty row, or on one with a single piece: there is no pair to find. Write
# `learn(text, rounds)`, which returns the pieces it has made in order and stops where no pair is left. What does it
# learn from "", "H" and "He"?
#
# **2.** GPT-2's rule keeps the space with the word that follows it. So "some" and " some" are different tokens. Find out
# how many tokens of GPT-2's vocabulary exist in both forms, with and without the space. Why might that be a waste?
#
# ## Solutions

# %% [markdown]
# **1.** The row has a pair as long as it has two pieces.


# %%
def learn(text, rounds):
    row, made = list(text), []
    while len(row) > 1 and len(made) < rounds:
        pair, _ = Counter(pairwise(row)).most_common(1)[0]
        row = merge(row, pair)
        made.append("".join(pair))
    return made


assert [learn(text, 14) for text in ("", "H", "He")] == [[], [], ["He"]]
assert learn("the cat in the hat", 3) == ["th", "the", "the "]
sizes = [BPE.train([text], vocab_size=270).vocab_size for text in ("", "H", "He")]
print(sizes, "tokens: 256 bytes, the end of text, and what was learned")
number("bpe-17", "Edge-case checks passed." if sizes == [257, 257, 258] else "wrong", "Edge-case checks passed.")
print("pieces of 'He':", learn("He", 14))

# %% [markdown]
# **2.** A third of the vocabulary or so is there twice. The model has to learn for each pair anew that it is the same
# word; in exchange it never spends a token on a space.

# %%
texts = {gpt2.token_text(token) for token in range(gpt2.vocab_size)}
both = [text for text in texts if not text.startswith(" ") and f" {text}" in texts]
print(f"{len(both):,} pieces have a twin with a space: {2 * len(both) / len(texts):.0%} of the vocabulary")
assert "he" in both
