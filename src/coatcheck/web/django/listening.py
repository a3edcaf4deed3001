"""Listening to Django's signals: each receiver once, however often its module is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def listen(signal: Any, receiver: Callable[..., None]) -> None:
    """Call *receiver* whenever *signal* is sent."""
    signal.connect(receiver, dispatch_uid=f"coatcheck.{receiver.__name__}")
