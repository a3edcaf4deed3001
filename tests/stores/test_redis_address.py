"""Redis URLs: what they mean, every fault at once, and never a password in a message."""

from __future__ import annotations

import pytest
from rich.pretty import pretty_repr

from coatcheck.errors import ConfigurationError
from coatcheck.stores import from_url
from coatcheck.stores.redis.address import read_url
from coatcheck.stores.redis.opening import make_link
from coatcheck.stores.redis.options import TABLE, Options

SECRET = "hunter2-Qx"


@pytest.mark.parametrize(
    ("url", "kind", "hosts", "db", "service", "text"),
    [
        ("redis://cache", "single", [("cache", 6379)], 0, "", "redis://cache:6379/0"),
        ("redis://", "single", [("localhost", 6379)], 0, "", "redis://localhost:6379/0"),
        ("rediss://u:p@[::1]:6380/3", "single", [("::1", 6380)], 3, "", "rediss://[::1]:6380/3"),
        ("REDIS://cache:1/", "single", [("cache", 1)], 0, "", "redis://cache:1/0"),
        (
            "redis+sentinel://:p@a,b:26380/main/2",
            "sentinel",
            [("a", 26379), ("b", 26380)],
            2,
            "main",
            "redis+sentinel://a:26379,b:26380/main/2",
        ),
        ("redis+cluster://a:1,b:2", "cluster", [("a", 1), ("b", 2)], 0, "", "redis+cluster://a:1,b:2"),
    ],
)
def test_what_a_url_means(url: str, kind: str, hosts: list[object], db: int, service: str, text: str) -> None:
    """Each kind of URL is read wholly, and shown without user and password."""
    address = read_url(url)
    assert (address.kind, list(address.hosts), address.db, address.service) == (kind, hosts, db, service)
    assert address.text == text


def test_credentials_may_hold_anything() -> None:
    """User and password are percent-encoded, as in every URL (RFC 3986)."""
    address = read_url("redis://app%3A1:p%40ss%2Fword%23@cache/0")
    assert (address.username, address.password) == ("app:1", "p@ss/word#")
    assert read_url("redis://:only@cache").password == "only"
    assert read_url("redis://:only@cache").username is None


def test_every_option_is_read() -> None:
    """Lengths of time are in milliseconds; yes and no are flags."""
    address = read_url(
        "redis://cache?prefix=app:web&timeout=2s&pool=4&confirm=1&confirm_timeout=250ms&replicas=2&browse=no"
        "&confirm_disk=yes&tls=yes"
    )
    assert address.options == Options(
        prefix="app:web",
        timeout=2000,
        pool=4,
        confirm=1,
        confirm_timeout=250,
        replicas=2,
        browse=False,
        confirm_disk=True,
        tls=True,
    )
    assert set(TABLE) == set(Options.__struct_fields__)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"redis://u:{SECRET}@cache?colour=blue", "no option 'colour'"),
        (f"redis://u:pa?{SECRET}@cache", "'?' as %3F"),
        (f"redis://u:pa?x={SECRET}@cache&timeout=1s", "'@' as %40"),
        (f"redis://cache?timeout=1s&{SECRET}", "no such option as number 2"),
        (f"redis://u:{SECRET}@cache?timeout=soon", "500ms"),
        (f"redis://u:{SECRET}@cache?timeout=1ms", "10ms to 60s"),
        (f"redis://u:{SECRET}@cache?pool=0", "1 to 1000"),
        (f"redis://u:{SECRET}@cache?pool=2&pool=3", "given twice"),
        (f"redis://u:{SECRET}@cache?prefix={{a}}", "letters, digits"),
        (f"redis://u:{SECRET}@cache?browse=perhaps", "yes or no"),
        (f"rediss://u:{SECRET}@cache?ca=/no/such/file", "file that exists"),
        (f"redis://u:{SECRET}@cache?ca={__file__}", "need TLS"),
        (f"rediss://u:{SECRET}@cache?cert={__file__}", "cert and key go together"),
        (f"rediss://u:{SECRET}@cache?tls=no", "rediss:// is encrypted"),
        (f"redis://u:{SECRET}@cache?confirm=2&replicas=1", "raise replicas"),
        (f"redis://u:{SECRET}@cache?sentinel_password=", "must not be empty"),
        (f"redis://u:{SECRET}@cache/five", "database's number"),
        (f"redis://u:{SECRET}@cache/1/2", "database's number"),
        (f"redis://u:{SECRET}@cache:port", "host 1 is not host:port"),
        (f"redis://u:{SECRET}@cache:99999", "host 1 is not host:port"),
        (f"redis://u:{SECRET}@a,b", "redis+sentinel://"),
        (f"redis://u:x#{SECRET}@cache", "%23"),
        (f"redis+sentinel://:{SECRET}@a,b", "service"),
        (f"redis+sentinel://:{SECRET}@/main", "names no host"),
        (f"redis+cluster://:{SECRET}@a/3", "database 0"),
        (f"redis://u:pa{SECRET}@ss@word/@cache", "host"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: str, said: str) -> None:
    """Each fault says how to mend it; none repeats what may be a password (S-70)."""
    with pytest.raises(ConfigurationError) as refused:
        from_url(url, blocking=True)
    assert said in str(refused.value)
    assert SECRET not in str(refused.value) + repr(refused.value)


def test_all_faults_are_found_at_once() -> None:
    """One reading names them all."""
    with pytest.raises(ConfigurationError) as refused:
        read_url("redis://a,b/x?pool=0&colour=blue#end")
    assert len(refused.value.faults) == 5


@pytest.mark.parametrize("blocking", [True, False])
def test_nothing_shows_the_password(*, blocking: bool) -> None:
    """Reprs of address, options and link hold neither user nor password (S-70)."""
    url = f"redis+sentinel://ann:{SECRET}@a/main?sentinel_password={SECRET}&sentinel_username=bob"
    address = read_url(url)
    shown = repr(address) + repr(address.options) + repr(make_link(address, blocking=blocking))
    shown += repr(from_url(url, blocking=blocking))
    shown += pretty_repr(address) + pretty_repr(address.options)
    assert SECRET not in shown
    assert "ann" not in shown
