"""The numbers as tables of Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.scale.results import PARTS, Machine, Results, Rival, StoreResult
from bench.scale.targets import pace, targets


def page(results: Results) -> str:
    """Return everything that is generated of the page, without the plots."""
    stores = results.stores
    if not stores:
        return "Nothing has been measured yet.\n"
    sections = [
        ("What was measured", _setups(stores)),
        ("What was aimed at", table(("target", "measured", "met or missed"), targets(stores))),
        ("Bytes a session", _space(stores) + "\n" + _rivals(results.rivals)),
        ("Looking one session up", _lookups(stores)),
        ("A user with very many sessions", _users(stores)),
        ("Sweeping while 64 clients read", _sweeps(stores)),
    ]
    return "\n".join(f"## {title}\n\n{body}" for title, body in sections)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; every column but the first is set to the right."""
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _setups(stores: dict[str, StoreResult]) -> str:
    rows = [
        (
            name,
            found.engine,
            f"{found.sessions:,}",
            f"{found.load_seconds:,.0f} s",
            found.machine.date,
            _machine(found.machine),
        )
        for name, found in stores.items()
    ]
    settings = [f"- {name}: {found.settings}; {_per_user(found.per_user)}.\n" for name, found in stores.items()]
    heads = ("store", "engine", "sessions", "loaded in", "date", "machine")
    return table(heads, rows) + "\n" + "".join(settings)


def _machine(machine: Machine) -> str:
    return f"{machine.cores} cores ({machine.processor}), {machine.memory_gib:.0f} GiB, {machine.python}"


def _per_user(count: int) -> str:
    return "one session a user" if count == 1 else f"{count} sessions a user"


def _space(stores: dict[str, StoreResult]) -> str:
    heads = ("store, sessions, how it was asked", *PARTS, "total")
    rows = [
        (
            f"{name}, {space.sessions:,}, {space.method}",
            *(_bytes(space.parts.get(part)) for part in PARTS),
            f"{space.total:.0f}",
        )
        for name, found in stores.items()
        for space in found.space
    ]
    return table(heads, rows)


def _bytes(size: float | None) -> str:
    return "" if size is None else f"{size:.0f}"


def _rivals(rivals: list[Rival]) -> str:
    if not rivals:
        return ""
    return table(
        ("beside it", "bytes", "with", "source"),
        ((rival.name, f"{rival.bytes:.0f}", rival.contains, rival.source) for rival in rivals),
    )


def _lookups(stores: dict[str, StoreResult]) -> str:
    rows = [
        (
            name, f"{found.sessions:,}", str(found.in_flight), f"{found.here.p50_us:.0f}", f"{found.here.p99_us:.0f}",
            f"{found.small.p50_us:.0f}", f"{found.small.p99_us:.0f}",
            f"{found.ratio.p50_us:.2f}", f"{found.ratio.p99_us:.2f}",
        )
        for name, store in stores.items()
        for found in sorted(store.lookups, key=lambda found: (found.in_flight, found.sessions))
    ]  # fmt: skip
    small = {found.small_sessions for store in stores.values() for found in store.lookups}
    beside = " and ".join(f"{size:,}" for size in sorted(small))
    heads = (
        "store",
        "sessions",
        "in flight",
        "p50 µs",
        "p99 µs",
        f"p50 among {beside}",
        "p99",
        "ratio p50",
        "ratio p99",
    )
    return table(heads, rows)


def _users(stores: dict[str, StoreResult]) -> str:
    rows = [
        (name, f"{user.sessions:,}", f"{user.list_ms:.1f} ms", f"{user.revoke_ms:.1f} ms")
        for name, found in stores.items()
        if (user := found.one_user)
    ]
    return table(("store", "sessions of the user", "listed in", "revoked in"), rows)


def _sweeps(stores: dict[str, StoreResult]) -> str:
    rows = [
        (
            name, pace(sweep.pause_ms), f"{sweep.expired:,}", f"{sweep.expired / max(sweep.seconds, 0.001):,.0f}",
            f"{sweep.quiet.p50_us:.0f}", f"{sweep.quiet.p99_us:.0f}", f"{sweep.busy.p50_us:.0f}",
            f"{sweep.busy.p99_us:.0f}", f"{sweep.ratio.p50_us:.2f}", f"{sweep.ratio.p99_us:.2f}",
        )
        for name, found in stores.items()
        for sweep in found.sweeps
    ]  # fmt: skip
    heads = (
        "store", "readers", "swept", "a second", "p50 µs", "p99 µs", "p50 while sweeping", "p99", "ratio p50",
        "ratio p99",
    )  # fmt: skip
    return table(heads, rows)
