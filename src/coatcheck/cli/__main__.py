"""``python -m coatcheck.cli``."""

from coatcheck.cli import main

main()
