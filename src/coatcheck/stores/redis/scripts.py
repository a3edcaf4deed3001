"""The Lua scripts, put together from the files in ``lua/``: each is a body with the chapters it builds on before it.

A script runs on one slot, may touch keys of that slot that were not named to it (finding 12 of ADR 0002; but see
`coatcheck.stores.redis.keys.Keys.touched`), and begins with ``#!lua``, so that a key of another slot is refused on
every node of a Cluster. Those that end sessions run also when the server is out of memory; those that write nothing
also on a replica. Two that only read look at several slots at once, see `coatcheck.stores.redis.browsing`.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from coatcheck.stores.redis.link import Script

_FOLDER: Final = files("coatcheck.stores.redis") / "lua"
_HEAD: Final = ("head",)
_CHANGE: Final = ("head", "data", "seen")
_ROWS: Final = ("head", "epochs", "rows")


def _script(name: str, chapters: tuple[str, ...] = (), flags: str = "") -> Script:
    """Read and join the files of a script."""
    parts = [(_FOLDER / f"{part}.lua").read_text(encoding="utf-8") for part in (*chapters, name)]
    return Script.of(name, "\n".join([f"#!lua flags={flags}" if flags else "#!lua", *parts]))


KEY: Final = _script("key")
LEASE: Final = _script("lease")
PUT_SIDE: Final = _script("put_side", _HEAD)
GET_SIDE: Final = _script("get_side", flags="no-writes")

TOUCH: Final = _script("touch", _CHANGE)
COMMIT: Final = _script("commit", _CHANGE)
ROTATE: Final = _script("rotate", _CHANGE)

CREATE: Final = _script("create", ("head", "data", "epochs", "rows"))
SETTLE: Final = _script("settle", _HEAD)
SET_ROLES: Final = _script("set_roles", ("head", "data", "epochs", "rows"), flags="allow-oom")
RAISE_ALL: Final = _script("raise_all", _ROWS, flags="allow-oom")
OUTDATE: Final = _script("outdate", _ROWS)

END: Final = _script("end", _ROWS, flags="allow-oom")
END_USER: Final = _script("end_user", _ROWS, flags="allow-oom")
END_ALL: Final = _script("end_all", _ROWS, flags="allow-oom")
SWEEP: Final = _script("sweep", _ROWS, flags="allow-oom")
FORGET: Final = _script("forget", _ROWS, flags="allow-oom")
HEAL: Final = _script("heal", _ROWS, flags="allow-oom")

COUNT: Final = _script("count", _ROWS, flags="no-writes,allow-cross-slot-keys")
NEWEST: Final = _script("newest", flags="no-writes,allow-cross-slot-keys")
STAND: Final = _script("stand", _ROWS, flags="no-writes")
OLDER: Final = _script("older", _ROWS, flags="no-writes")
OLDEST: Final = _script("oldest", _ROWS, flags="no-writes")
ENDED_OF: Final = _script("ended_of", _ROWS, flags="no-writes")

ADD_COUNTS: Final = _script("add_counts")
BLOCKS: Final = _script("blocks", flags="no-writes")
BLOCK: Final = _script("block", flags="no-writes")
