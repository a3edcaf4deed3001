"""The numbers as plots. matplotlib draws them: axes, scales and legends are a library's work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.scale.results import PARTS, Results

_COLOURS: Final = ("#2b6cb0", "#63b3ed", "#2f855a", "#d69e2e", "#805ad5", "#a0aec0")
_STORES: Final = {"redis": "#c53030", "postgresql": "#2b6cb0", "sqlite": "#2f855a"}
_ALIKE: Final[Any] = {"svg.hashsalt": "coatcheck", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10}


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw what there are numbers for into *folder*, and return the files; the same numbers give the same bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    drawn: list[Path] = []
    folder.mkdir(parents=True, exist_ok=True)
    plots: dict[str, tuple[bool, Callable[[Results, Any], None]]] = {
        "scale-bytes.svg": (any(store.space for store in results.stores.values()), _bytes),
        "scale-lookups.svg": (any(store.lookups for store in results.stores.values()), _lookups),
        "scale-sweep.svg": (any(store.sweeps for store in results.stores.values()), _sweeps),
    }
    with plt.rc_context(_ALIKE):
        for name, (known, plot) in plots.items():
            if known:
                figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
                plot(results, axes)
                axes.spines[["top", "right"]].set_visible(False)
                figure.savefig(folder / name, format="svg", metadata={"Date": None})
                plt.close(figure)
                drawn.append(folder / name)
    return drawn


def _bytes(results: Results, axes: Any) -> None:
    """Draw a bar for each store, in parts, and one for each rival."""
    names = [*results.stores, *(rival.name for rival in results.rivals)]
    left = [0.0] * len(results.stores)
    for part, colour in zip(PARTS, _COLOURS, strict=True):
        sizes = [store.space[0].parts.get(part, 0.0) for store in results.stores.values()]
        if any(sizes):
            axes.barh(range(len(sizes)), sizes, left=left, color=colour, label=part)
        left = [begun + size for begun, size in zip(left, sizes, strict=True)]
    whole = [*left, *(rival.bytes for rival in results.rivals)]
    axes.barh(range(len(left), len(whole)), whole[len(left) :], color="#4a5568")
    for place, size in enumerate(whole):
        axes.text(size, place, f" {size:.0f}", va="center")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("bytes a session")
    _legend(axes)


def _lookups(results: Results, axes: Any) -> None:
    """Draw p50 and p99 of one look-up at a time over the number of sessions."""
    for name, store in results.stores.items():
        found = sorted((one for one in store.lookups if one.in_flight == 1), key=lambda one: one.sessions)
        sizes, colour = [one.sessions for one in found], _STORES.get(name)
        axes.plot(sizes, [one.here.p50_us for one in found], "o-", color=colour, label=f"{name} p50")
        axes.plot(sizes, [one.here.p99_us for one in found], "o--", color=colour, label=f"{name} p99")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(lambda size, _place: f"{size:,.0f}")
    axes.yaxis.set_major_formatter(lambda micros, _place: f"{micros:,.0f}")
    axes.set_xlabel("sessions in the store")
    axes.set_ylabel("µs for one look-up")
    _legend(axes)


def _sweeps(results: Results, axes: Any) -> None:
    """Draw how many times longer the readers' p99 is beside the sweeper, and the aim of twice."""
    shown = [(name, sweep) for name, store in results.stores.items() for sweep in store.sweeps]
    ratios = [sweep.ratio.p99_us for _, sweep in shown]
    axes.bar(range(len(shown)), ratios, 0.6, color=[_STORES.get(name, "#4a5568") for name, _ in shown])
    for place, (_, sweep) in enumerate(shown):
        text = f"{sweep.ratio.p99_us:.2f}\n{sweep.quiet.p99_us / 1000:.2g} to {sweep.busy.p99_us / 1000:.2g} ms"
        axes.text(place, sweep.ratio.p99_us, text, ha="center", va="bottom", fontsize=8, zorder=3)
    axes.axhline(2, color="#4a5568", linestyle="--", label="aim: under 2")
    axes.set_xticks(range(len(shown)), [f"{name}\n{_pace(sweep.pause_ms)}" for name, sweep in shown])
    axes.set_ylim(0, max(2.0, *ratios) * 1.25)
    axes.set_ylabel("readers' p99 beside a sweep,\nin multiples of without")
    _legend(axes)


def _pace(pause_ms: float) -> str:
    return f"pausing {pause_ms:.0f} ms" if pause_ms else "no pause"


def _legend(axes: Any) -> None:
    """Put the legend above the plot, where it hides nothing."""
    axes.legend(frameon=False, ncols=6, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
