"""One scene: several steps are acknowledged, a fault is done to the real servers, and everybody looks afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from coatcheck.errors import StoreUnavailable
from coatcheck.runtime import finish
from coatcheck.testing._make import Maker
from coatcheck.verbs import Created
from tests.guarantees.actor import Actor
from tests.guarantees.observing import LIMIT, People, Prepared, Seen, holds, new, now, observe, strange, vanished
from torture.killing.cells import KEPT, LOST, REPEATED, UNANSWERED, Outcome
from torture.killing.deployments import DEPLOYMENTS, Deployment, Fault
from torture.killing.steps import OK
from torture.killing.witness import opened

SERVES = 30.0


class Scene(Struct):
    """What came of it.

    Attributes:
        prepared: the sessions.
        answers: what each step was told.
        fresh: what a client saw that nobody had used, before the worker asked anything.
        worker: what the worker saw that had acknowledged the steps: after the fault, or, when the fault was its own
            death, just before that; ``None`` when it died with the server.
        after: what a new client saw after that.
        live: how many sessions somebody has who then signed in beyond the limit, at the worker if it lives and at a
            new client.
    """

    prepared: Prepared
    answers: dict[str, list[str]]
    fresh: Seen
    worker: Seen | None
    after: Seen
    live: tuple[int, ...]


@contextlib.contextmanager
def deployed(configuration: str, folder: Path) -> Generator[Deployment]:
    """Start a configuration."""
    if configuration == "memory":
        yield Deployment("memory://", {})
        return
    with DEPLOYMENTS[configuration](folder) as deployment:
        yield deployment


def played(deployment: Deployment, configuration: str, fault: str, *, forgetful: bool = False) -> Scene:
    """Play a scene on a deployment, and mend what it broke."""
    scene = f"{configuration} {fault} {time.monotonic_ns()}"
    done = _fault(deployment, fault)
    with Actor(deployment.url, scene, forgetful=forgetful) as actor:
        prepared: Prepared = actor.ask("prepare")
        _let_it_settle(deployment)
        if fault == "parted" and deployment.lag is not None:
            deployment.lag()
        answers: dict[str, list[str]] = {} if fault == "split" else actor.ask("act")
        try:
            done.strike()
            answers = answers or actor.ask("act")  # at the old primary, which is still answering
            if fault == "parted":
                deployment.catch_up()
            last: Seen | None = actor.ask("look") if fault == "worker" else None
            if dies := fault == "worker" or fault.endswith("both"):
                actor.kill()
            done.recover()
            if deployment.url == "memory://":
                prepared = replace(prepared, stale=None)  # whoever has read an epoch died with the process that kept it
            looked = _looked(deployment, prepared, answers, None if dies else actor)
            return replace(looked, worker=looked.worker or last)
        finally:
            done.mend()


def _looked(deployment: Deployment, prepared: Prepared, answers: dict[str, list[str]], actor: Actor | None) -> Scene:
    """Let a new client look, then the worker that acted if it lives, then another new client."""
    fresh = look(deployment, prepared)
    worker: Seen | None = patiently(lambda: actor.ask("look")) if actor else None
    live = (patiently(lambda: actor.ask("fill")),) if actor else ()
    after = look(deployment, prepared)
    return Scene(prepared, answers, fresh, worker, after, (*live, _filled(deployment, prepared.people)))


def _let_it_settle(deployment: Deployment) -> None:
    """Let snapshot and replicas have what was prepared; what comes after has no such moment."""
    if deployment.save is not None:
        deployment.save()
    deployment.settle()


def _fault(deployment: Deployment, fault: str) -> Fault:
    """Return a fault by the name it has in the table."""
    if fault == "worker":
        return Fault(lambda: None, lambda: None)
    name = {"both": "restart", "failover-both": "failover", "parted": "failover"}.get(fault, fault)
    return deployment.faults.get(f"{name}-first", deployment.faults[name])


def look(deployment: Deployment, prepared: Prepared) -> Seen:
    """Look with a client that nobody has used."""
    seen: Seen = _with_new_client(deployment, lambda store: finish(observe(store, prepared)))
    return seen


def _filled(deployment: Deployment, people: People) -> int:
    """Sign somebody in once more at a new client; return how many are live."""

    def fill(store: Any) -> int:
        record = new(Maker(finish(store.key()), seed=time.monotonic_ns()), people.dan)
        assert isinstance(finish(store.create(record, now=now(), limit=LIMIT)), Created)
        return len(finish(store.list_user(people.dan, now=now())))

    live: int = _with_new_client(deployment, fill)
    return live


def _with_new_client(deployment: Deployment, act: Callable[[Any], Any]) -> Any:
    def once() -> Any:
        store: Any = opened(deployment.plain_url, blocking=True)
        try:
            return act(store)
        finally:
            finish(store.close())

    return patiently(once)


def patiently(act: Callable[[], Any]) -> Any:
    """Try again while the store is not ready, for `SERVES` seconds."""
    deadline = time.monotonic() + SERVES
    while True:
        try:
            return act()
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def broken(scene: Scene, verb: str, outcome: Outcome) -> str | None:
    """Say how a cell's promise was broken; ``None`` when it was kept."""
    looks = _looks(scene)
    faults = [fault for each in looks for fault in strange(each)]
    if faults:
        return f"there is what nobody wrote: {faults}"
    if verb == "limit" and not _fill_the_limit(scene.live):
        return f"{scene.live} live sessions, as a worker and a new client see them, where {LIMIT.count} may be"
    answers = scene.answers[verb]
    if outcome == UNANSWERED:
        return f"acknowledged all the same: {answers}" if OK in answers else None
    if any(answer != OK for answer in answers):
        return f"not acknowledged: {answers}"
    if outcome == REPEATED:
        looks = looks[1:]
    if outcome in (KEPT, REPEATED) and not all(holds(verb, each, scene.prepared) for each in looks):
        return f"acknowledged and gone: {looks}"
    if outcome == LOST and holds(verb, scene.after, scene.prepared):
        return "it is there; the table promises too little"
    return None


def gone(scene: Scene) -> list[str]:
    """Name what was there long before the fault and what anybody missed since: it may go with all the rest only."""
    return sorted({name for each in _looks(scene) for name in vanished(each)})


def _looks(scene: Scene) -> list[Seen]:
    return [each for each in (scene.fresh, scene.worker, scene.after) if each is not None]


def _fill_the_limit(live: tuple[int, ...]) -> bool:
    """Whether nobody has more than the limit, and just as many where a worker signed in until it was reached."""
    return max(live) <= LIMIT.count and (len(live) == 1 or min(live) == LIMIT.count)


def outcome_of(scene: Scene, verb: str) -> str:
    """Say what became of a step, for people."""
    told = "/".join(sorted(set(scene.answers[verb])))
    first, last = holds(verb, scene.fresh, scene.prepared), holds(verb, scene.after, scene.prepared)
    then = "kept" if first and last else "lost, then repeated" if last else "lost" if not first else "kept, then lost"
    return f"{told}: {then}"
