"""What the demo's shop has."""

from __future__ import annotations

from typing import Final

GOODS: Final = {"notebook": "Notebook", "pen": "Fountain pen", "lamp": "Desk lamp", "beans": "Coffee beans"}
"""What can be put into the cart, by the word that forms use."""
