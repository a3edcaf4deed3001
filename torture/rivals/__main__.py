"""`python -m torture.rivals`: run the contenders and write `torture/results/rivals.json`."""

from __future__ import annotations

import sys

from torture.rivals.command import main

sys.exit(main())
