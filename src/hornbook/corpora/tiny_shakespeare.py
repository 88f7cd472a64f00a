"""The text on which character models have been compared since 2015."""

from hornbook.corpora.base import DownloadedCorpus


class TinyShakespeare(DownloadedCorpus):
    """40,000 lines of Shakespeare: 1,115,394 characters, 65 distinct ones."""

    name = "tiny-shakespeare"
    description = "40,000 lines from the plays of Shakespeare"
    licence = "public domain"
    file_name = "tiny-shakespeare.txt"
    address = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
    mirrors = ("https://cdn.jsdelivr.net/gh/karpathy/char-rnn@master/data/tinyshakespeare/input.txt",)
    sha256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
    size_bytes = 1_115_394
