"""What is looked at when the store is opened: may this server lose sessions, and can it do what was asked?

The judging is pure: facts in, faults (it cannot work) and warnings (it may lose something) out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from coatcheck.errors import ConfigurationError
from coatcheck.stores.redis.address import Address
from coatcheck.stores.redis.node import Node, is_fault, read_info
from coatcheck.stores.redis.wire import Command

SECTIONS: Final = ("server", "replication", "memory", "persistence", "cluster")

_QUESTIONS: Final[list[Command]] = [*(("INFO", section) for section in SECTIONS), ("CONFIG", "GET", "save")]


class Facts(Struct, frozen=True, kw_only=True):
    """What a server says about itself; ``None`` where it does not say.

    Attributes:
        name: what it is, such as ``"Redis 7.0.15"``.
        version: the release of Redis that it is compatible with.
        cluster: whether it is a node of a Cluster.
        primary: whether it takes writes.
        replicas: how many replicas are connected.
        max_bytes: its bound in memory, 0 for none.
        policy: what it does at that bound.
        append_only: whether it keeps an append-only file.
        snapshots: when it saves snapshots; empty for never.
    """

    name: str | None = None
    version: tuple[int, int] | None = None
    cluster: bool | None = None
    primary: bool | None = None
    replicas: int | None = None
    max_bytes: int | None = None
    policy: str | None = None
    append_only: bool | None = None
    snapshots: str | None = None


async def check_servers(nodes: Sequence[Node], address: Address) -> list[str]:
    """Return the warnings about *nodes*, the primaries.

    Raises:
        ConfigurationError: a server cannot serve as asked; every fault of every server.
        StoreUnavailable: one does not answer.
    """
    faults: list[str] = []
    warnings: list[str] = []
    for node in nodes:
        answers, _ = await node.ask(_QUESTIONS, plain=True)
        found = judge(read_facts(answers), address)
        faults += [f"Redis at {node.where} {fault}" for fault in found[0]]
        warnings += [f"Redis at {node.where} {warning}" for warning in found[1]]
    if faults:
        raise ConfigurationError(faults)
    return warnings


def read_facts(answers: Sequence[Any]) -> Facts:
    """Return the facts in the answers to what is asked at start; what is forbidden or missing is unknown."""
    told: dict[str, str] = {}
    for answer in answers[:-1]:
        if not is_fault(answer):
            told |= read_info(answer)
    save = answers[-1]
    version = told.get("redis_version", "").split(".")
    name = f"Valkey {told['valkey_version']}" if "valkey_version" in told else f"Redis {told.get('redis_version')}"
    return Facts(
        name=name,
        version=(int(version[0]), int(version[1])) if len(version) > 1 else None,
        cluster=_flag(told.get("cluster_enabled")),
        primary=told["role"] == "master" if "role" in told else None,
        replicas=_number(told.get("connected_slaves")),
        max_bytes=_number(told.get("maxmemory")),
        policy=told.get("maxmemory_policy"),
        append_only=_flag(told.get("aof_enabled")),
        snapshots=save[1].decode() if not is_fault(save) and len(save) == 2 else None,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def _flag(text: str | None) -> bool | None:
    return None if text is None else text == "1"


def judge(facts: Facts, address: Address) -> tuple[list[str], list[str]]:
    """Return what makes a server impossible, and what may lose sessions."""
    return _faults(facts, address), _warnings(facts, address)


def _faults(facts: Facts, address: Address) -> list[str]:
    """Return what makes a server impossible."""
    faults: list[str] = []
    options = address.options
    if facts.version is not None and facts.version < (7, 0):
        faults.append(f"is {facts.name}; sessions need Redis 7.0 or newer, or Valkey")
    if facts.cluster and address.kind != "cluster":
        faults.append("is a node of a Cluster; write redis+cluster://")
    if address.kind == "single" and _too_few(facts, options.confirm):
        faults.append(_unconfirmable(facts, options.confirm))
    if options.confirm_disk:
        if facts.version is not None and facts.version < (7, 2):
            faults.append(f"is {facts.name}; confirm_disk needs Redis 7.2 or newer, or Valkey")
        if facts.append_only is False:
            faults.append("keeps no append-only file, which confirm_disk waits for; set appendonly yes")
    return faults


def _warnings(facts: Facts, address: Address) -> list[str]:
    """Return what may lose sessions, and what could not be checked."""
    warnings: list[str] = []
    if facts.primary is False:
        warnings.append("is a replica, which is never asked; name the primary, or write redis+sentinel://")
    if facts.max_bytes and facts.policy != "noeviction":
        warnings.append(
            f"evicts keys when it is full (maxmemory-policy {facts.policy}): sessions will be lost; "
            "set maxmemory-policy noeviction"
        )
    if facts.append_only is False and facts.snapshots == "":
        warnings.append("keeps nothing on disk: a restart signs everybody out; set appendonly yes")
    elif facts.append_only is False and facts.snapshots:
        warnings.append(
            f"saves snapshots alone (save {facts.snapshots}): a crash loses what came after; set appendonly yes"
        )
    if facts.replicas is not None and facts.replicas < address.options.replicas:
        warnings.append(
            f"has {facts.replicas} replicas connected and replicas={address.options.replicas} were asked for"
        )
    if address.kind != "single" and _too_few(facts, address.options.confirm):
        warnings.append(_unconfirmable(facts, address.options.confirm))  # as after each failover: workers may start
    warnings += _unchecked(facts)
    return warnings


def _too_few(facts: Facts, confirm: int) -> bool:
    """Whether no revocation can be confirmed at the moment."""
    return facts.replicas is not None and facts.replicas < confirm


def _unconfirmable(facts: Facts, confirm: int) -> str:
    """Say why no revocation can be confirmed."""
    return (
        f"has {facts.replicas} replicas connected and confirm={confirm} asks for {confirm}; "
        "connect them, or lower confirm"
    )


def _unchecked(facts: Facts) -> list[str]:
    """Return what the server does not say: a managed service or an access list may forbid INFO and CONFIG."""
    unknown = {
        "its version": facts.version,
        "its replicas": facts.replicas,
        "its maxmemory-policy": facts.policy,
        "its persistence": facts.append_only or facts.snapshots,
    }
    names = [name for name, fact in unknown.items() if fact is None]
    return [f"does not tell {' and '.join(names)}, so that could not be checked"] if names else []
