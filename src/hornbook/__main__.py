"""`python -m hornbook` is `hornbook`."""

from hornbook.cli import main

main()
