"""How like an answer is to the right one: exact match, the F1 of their words, and ROUGE-L.

Exact match and F1 compare what SQuAD's normalisation leaves (Rajpurkar et al. 2016): lower case, without punctuation
(ASCII), without the words a, an and the, blanks as one space.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
WORDS = re.compile(r"[^\W_]+")  # letters and digits of every script

Likeness = Callable[[str, str], float]  # (answer, right answer) -> 0 to 1


def normalised(text: str) -> str:
    """What SQuAD compares: 'The Kite, in a  tree.' -> 'kite in tree'."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(NO_PUNCTUATION)).split())


def exact_match(answer: str, right: str) -> float:
    """1 where both are the same after normalisation, else 0."""
    return float(normalised(answer) == normalised(right))


def word_f1(answer: str, right: str) -> float:
    """The harmonic mean of precision and recall of the words after normalisation, each as often as it stands.

    'in the mill', 'at the old mill' -> 1 of 2 words and 1 of 3: 0.4. Where one is empty: 1 if both are, else 0.
    """
    found, wanted = normalised(answer).split(), normalised(right).split()
    if not found or not wanted:
        return float(found == wanted)
    return f1(sum((Counter(found) & Counter(wanted)).values()), len(found), len(wanted))


def rouge_l(answer: str, right: str) -> float:
    """The F1 of the longest common subsequence of words, lower case, letters and digits only: order counts.

    Source: Lin 2004, "ROUGE", with precision and recall of one weight. On texts in ASCII it is that of the package
    rouge-score without stemming, which takes the letters of other scripts for blanks.
    """
    found, wanted = WORDS.findall(answer.lower()), WORDS.findall(right.lower())
    return f1(longest_common(found, wanted), len(found), len(wanted))


def longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """How many words both have in the same order, gaps allowed: 'a b c d', 'b x d' -> 2."""
    row = [0] * (len(second) + 1)  # row[n]: the most that the words of `first` so far share with second[:n]
    for word in first:
        before = row
        row = [0]
        for place, other in enumerate(second):
            row.append(before[place] + 1 if word == other else max(before[place + 1], row[place]))
    return row[-1]


def f1(shared: int, found: int, wanted: int) -> float:
    """The harmonic mean of shared / found and shared / wanted, 0 where nothing is shared."""
    return 2 * shared / (found + wanted) if shared else 0.0


def best(likeness: Likeness, answer: str, rights: Sequence[str]) -> float:
    """The likeness to the right answer that it is nearest to."""
    return max(likeness(answer, right) for right in rights)
