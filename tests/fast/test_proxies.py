"""Where a request came from, and who may say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.web.origins import Refused, judge_origin
from coatcheck.web.proxies import (
    Place,
    TrustedProxies,
    clean_host,
    host_in,
    is_local,
    normalise,
    parse_hosts,
    parse_trusted,
)

Headers = list[tuple[bytes, bytes]]

PROXY = "10.0.0.1"
CLIENT = "203.0.113.7"
DIRECT = Place("http", "app.internal", PROXY)


def trusting(value: Sequence[str] | int) -> TrustedProxies:
    """Make proxies from a faultless option."""
    proxies, faults = parse_trusted(value)
    assert faults == []
    return proxies


NETWORKS = trusting(["10.0.0.0/8", "2001:db8:aaaa::/48"])


def said(*, to: str = "", proto: str = "", host: str = "", forwarded: str = "") -> Headers:
    """Make the headers of a request; what is empty is not sent."""
    pairs = (
        (b"x-forwarded-for", to),
        (b"x-forwarded-proto", proto),
        (b"x-forwarded-host", host),
        (b"forwarded", forwarded),
    )
    return [(name, value.encode("latin-1")) for name, value in pairs if value]


def resolve(proxies: TrustedProxies, headers: Headers, *, peer: str | None = PROXY) -> Place:
    """Resolve a request that reached the application over plain http."""
    return proxies.resolve(peer, "http", b"app.internal", headers)


CLAIMS = [
    said(to=CLIENT, proto="https", host="shop.example"),
    said(forwarded=f"for={CLIENT};proto=https;host=shop.example"),
]


@pytest.mark.parametrize("headers", CLAIMS)
def test_trusted_proxy_is_believed(headers: Headers) -> None:
    """ASVS 4.1.3: a named proxy tells address, scheme and host, in either family of headers."""
    assert resolve(NETWORKS, headers) == Place("https", "shop.example", CLIENT)


@pytest.mark.parametrize("headers", CLAIMS)
@pytest.mark.parametrize("peer", ["198.51.100.1", "::ffff:198.51.100.1", "2001:db8:bbbb::1", "testclient", None, ""])
def test_nobody_else_is_believed(headers: Headers, peer: str | None) -> None:
    """ASVS 4.1.3, CVE-2025-59152: what a stranger sends changes neither address, scheme nor host."""
    place = resolve(NETWORKS, headers, peer=peer)
    assert (place.scheme, place.host) == ("http", "app.internal")
    assert place == resolve(NETWORKS, [], peer=peer)


@pytest.mark.parametrize("headers", CLAIMS)
def test_without_trusted_proxies_the_connection_counts(headers: Headers) -> None:
    """N-5: no proxy is trusted by default."""
    assert resolve(TrustedProxies(), headers) == DIRECT
    assert resolve(trusting([]), headers) == DIRECT
    assert resolve(trusting(0), headers) == DIRECT


def test_spoofed_host_does_not_become_our_own_origin() -> None:
    """G-16: X-Forwarded-Host from an untrusted peer does not help a forged Origin."""
    place = resolve(NETWORKS, said(host="evil.example", proto="https"), peer="198.51.100.1")
    assert judge_origin("POST", [(b"origin", b"https://evil.example")], place.origin) == Refused("other_origin")


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (CLIENT, CLIENT),
        (f"6.6.6.6, {CLIENT}", CLIENT),
        (f"6.6.6.6,{CLIENT},10.0.0.9,10.0.0.8", CLIENT),
        (f"10.0.0.7, {CLIENT}, 10.0.0.9", CLIENT),
        (f"garbage, {CLIENT}", CLIENT),
        (f"{CLIENT}, ::ffff:10.0.0.9", CLIENT),
        (f"{CLIENT}, [2001:db8:aaaa::1]:443", CLIENT),
        ("10.0.0.5", "10.0.0.5"),
        ("10.0.0.5, 10.0.0.6", "10.0.0.5"),
        (f"{CLIENT}:51234", CLIENT),
        (f" \t{CLIENT}\t ", CLIENT),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"::FFFF:{CLIENT}", CLIENT),
        ("[2001:DB8:0::1]:51234", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        (f"{CLIENT}, garbage", PROXY),
        (f"{CLIENT}, garbage, 10.0.0.9", PROXY),
        (f"{CLIENT},", PROXY),
        (f"{CLIENT}, 10.0.0.09", PROXY),
        ("unknown", PROXY),
        ("", PROXY),
    ],
)
def test_chain_is_read_from_the_right(chain: str, address: str) -> None:
    """CVE-2025-59152, CVE-2026-45364: the first address from the right that is no proxy's, in one spelling."""
    assert resolve(NETWORKS, said(to=chain)).address == address


def test_chain_over_several_lines_is_one_chain() -> None:
    """RFC 9110, 5.3: a proxy may add a line instead of extending the one that the client sent."""
    headers = [*said(to="6.6.6.6"), *said(to=CLIENT), (b"cookie", b"a=1"), (b"X-Forwarded-For", b"10.0.0.9")]
    assert resolve(NETWORKS, headers).address == CLIENT


@pytest.mark.parametrize(
    ("hops", "chain", "address"),
    [
        (1, CLIENT, CLIENT),
        (1, f"6.6.6.6, {CLIENT}", CLIENT),
        (2, f"6.6.6.6, {CLIENT}, 198.51.100.9", CLIENT),
        (2, f"{CLIENT}, garbage", CLIENT),
        (2, CLIENT, PROXY),
        (1, "garbage", PROXY),
        (3, f"{CLIENT}, 198.51.100.9", PROXY),
    ],
)
def test_number_of_hops_counts_from_the_right(hops: int, chain: str, address: str) -> None:
    """CVE-2025-59152: only the n-th entry counts; a shorter chain came round the outermost proxy."""
    assert resolve(trusting(hops), said(to=chain)).address == address


@pytest.mark.parametrize("headers", [said(proto="https", host="evil.example"), said(forwarded="proto=https")])
def test_short_chain_is_not_believed_in_anything(headers: Headers) -> None:
    """N-5: with a number of hops, a request that did not pass them all does not become https."""
    assert resolve(trusting(2), headers) == DIRECT


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("wss", "https"),
        ("ws", "http"),
        ("https, http", "https"),
        ("http, https, http", "https"),
        ("ftp", "http"),
        ("https;q=1", "http"),
        ("", "http"),
    ],
)
def test_scheme_is_what_the_outermost_proxy_saw(proto: str, scheme: str) -> None:
    """N-5, S-76: a value that the client put in front of the list does not count, nor one that is no scheme."""
    assert resolve(NETWORKS, said(to=f"{CLIENT}, 10.0.0.9", proto=proto)).scheme == scheme


def test_list_too_short_for_its_proxies_is_ambiguous() -> None:
    """ASVS 4.1.3: of two values behind three proxies nobody can say who wrote the first."""
    place = resolve(NETWORKS, said(to=f"{CLIENT}, 10.0.0.9, 10.0.0.8", proto="https, http", host="evil.example, b"))
    assert place == replace(DIRECT, address=CLIENT)


@pytest.mark.parametrize("host", ["a b", "evil@app.example", "a/b", "app.example:0", "bücher.example", "["])
def test_unreadable_host_is_ignored(host: str) -> None:
    """ASVS 4.1.3: what is not a host leaves the connection's own."""
    assert resolve(NETWORKS, said(to=CLIENT, host=host)).host == "app.internal"


@pytest.mark.parametrize(
    ("forwarded", "place"),
    [
        (f"for={CLIENT}", replace(DIRECT, address=CLIENT)),
        (f'For="{CLIENT}:4711"', replace(DIRECT, address=CLIENT)),
        ('for="[2001:db8:cafe::17]:4711"', replace(DIRECT, address="2001:db8:cafe::17")),
        (f"for=6.6.6.6;proto=http;host=evil.example, for={CLIENT};proto=https", Place("https", DIRECT.host, CLIENT)),
        (f"for={CLIENT};proto=https;host=a.example, for=10.0.0.9;proto=http", Place("https", "a.example", CLIENT)),
        ('proto=https;host="a.example:8443"', Place("https", "a.example:8443", PROXY)),
        (f"for={CLIENT};proto=https, for=unknown;proto=http", DIRECT),
        ("for=_hidden;proto=https", replace(DIRECT, scheme="https")),
        (r'for="203.0.113\.7";by="a\"b"', replace(DIRECT, address=CLIENT)),
        (f"for={CLIENT} ; proto=https ,for=10.0.0.9", Place("https", DIRECT.host, CLIENT)),
    ],
)
def test_forwarded_is_understood(forwarded: str, place: Place) -> None:
    """ASVS 4.1.3: RFC 7239, with the scheme and the host of the element that names the client."""
    assert resolve(NETWORKS, said(forwarded=forwarded)) == place


@pytest.mark.parametrize(
    "forwarded",
    [
        f"for={CLIENT};for=6.6.6.6",
        f"for={CLIENT};",
        f"for={CLIENT},",
        f"for={CLIENT},,for=10.0.0.9",
        f"{CLIENT}",
        f"for = {CLIENT}",
        f'for="{CLIENT}',
        f'for="{CLIENT}"x',
        "for=[2001:db8::1]",
        f"for={CLIENT}; proto=https; x",
        "=",
        ",",
    ],
)
def test_broken_forwarded_is_ignored_whole(forwarded: str) -> None:
    """ASVS 4.1.3: a header that breaks the grammar anywhere says nothing."""
    assert resolve(NETWORKS, said(forwarded=forwarded)) == DIRECT


def test_both_families_count_only_if_they_agree() -> None:
    """ASVS 4.1.3: one of two that disagree is the client's own, and nobody knows which, so neither is believed."""
    x_headers, forwarded = CLAIMS
    assert resolve(NETWORKS, [*x_headers, *forwarded]) == Place("https", "shop.example", CLIENT)
    assert resolve(NETWORKS, [*x_headers, *said(forwarded="for=6.6.6.6;proto=https;host=shop.example")]) == DIRECT
    assert resolve(NETWORKS, [*forwarded, *said(to=CLIENT)]) == DIRECT
    assert resolve(NETWORKS, [*x_headers, *said(forwarded="broken")]) == DIRECT


@pytest.mark.parametrize("peer", [None, "", "unix:/run/app.sock"])
def test_unix_socket_is_a_proxy_only_if_named(peer: str | None) -> None:
    """ASVS 4.1.3: a peer without an address is believed after ``"unix"`` and not before."""
    believed = Place("https", "shop.example", CLIENT)
    assert resolve(trusting(["unix"]), CLAIMS[0], peer=peer) == believed
    assert resolve(NETWORKS, CLAIMS[0], peer=peer) == replace(DIRECT, address=None)
    assert resolve(trusting(["unix"]), CLAIMS[0], peer="testclient") == replace(DIRECT, address=None)


@pytest.mark.parametrize(("scheme", "seen"), [("http", "http"), ("https", "https"), ("ws", "http"), ("wss", "https")])
def test_web_socket_has_the_scheme_of_its_page(scheme: str, seen: str) -> None:
    """G-14: the origin of a socket is compared with that of the page that opened it."""
    place = TrustedProxies().resolve("::ffff:203.0.113.7", scheme, "App.Example:8000", [])
    assert place == Place(seen, "app.example:8000", CLIENT)
    assert place.origin == f"{seen}://app.example:8000"


def test_mapped_networks_and_peers_are_ipv4() -> None:
    """CVE-2026-45364: a dual-stack socket reports IPv4 peers as IPv6, and both spellings mean one proxy."""
    for option in ("10.0.0.0/8", "::ffff:10.0.0.0/104"):
        for peer in ("10.0.0.1", "::ffff:10.0.0.1", "::ffff:a00:1"):
            assert resolve(trusting([option]), CLAIMS[0], peer=peer).address == CLIENT


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("10.0.0.1", "is a list"),
        (["*"], "'*' is not an address"),
        (["10.0.0.1/8"], "host bits"),
        (["proxy.internal"], "is not an address"),
        ([""], "is not an address"),
        (["0.0.0.0/0"], "trusts everybody"),
        (["::/0"], "trusts everybody"),
        (["::ffff:0:0/96"], "trusts everybody"),
        (-1, "no number of proxies"),
        (True, "no number of proxies"),
    ],
)
def test_wrong_option_is_named(value: Sequence[str] | int, says: str) -> None:
    """ASVS 4.1.3: what would trust nobody or everybody by mistake is refused at start, and trusts nobody."""
    proxies, faults = parse_trusted(value)
    assert len(faults) == 1
    assert says in faults[0]
    assert resolve(proxies, CLAIMS[0]) == DIRECT


def test_all_wrong_entries_are_named_at_once() -> None:
    """ASVS 4.1.3: the sound entries beside them are kept, so that a report shows what would hold."""
    proxies, faults = parse_trusted(["*", PROXY, "x", "unix"])
    assert len(faults) == 2
    assert (len(proxies.networks), proxies.unix) == (1, True)


@pytest.mark.parametrize(
    "text",
    ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4%eth0", "1.2.3.4:", "[1.2.3.4", "1.2.3.4]", "2001:db8::1]:80", "::g",
     "\uff11.2.3.4", "1.2.3.4\n", "1.2.3.4\xa0", "1.2.3.4:80:90", "[::1]x", "_obfuscated", "0x7f.1", "1" * 5000],
)  # fmt: skip
def test_what_is_no_address_is_none(text: str) -> None:
    """CVE-2026-45364: no loose spelling reaches a device list or a limit."""
    assert normalise(text) is None


@given(address=st.ip_addresses(), port=st.integers(0, 65535))
def test_every_spelling_of_an_address_is_one(address: object, port: int) -> None:
    """CVE-2026-45364: brackets, ports, case, zeros and mapping make no second client."""
    parsed = ip_address(str(address))
    plain = normalise(str(parsed))
    if parsed.version == 4:
        spellings = [f"{parsed}:{port}", f"::ffff:{parsed}", f"[::FFFF:{parsed}]:{port}"]
    else:
        spellings = [parsed.exploded, parsed.exploded.upper(), f"[{parsed}]", f"[{parsed}]:{port}", f"{parsed}%1"]
    assert {normalise(spelling) for spelling in spellings} == {plain}


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LocalHost", "localhost.", "localhost.:8000", "app.localhost", "a.b.localhost:1",
     "app.localhost.", "127.0.0.1", "127.0.0.1:8000", "127.0.0.1.", "[::1]", "[::1]:65535"],
)  # fmt: skip
def test_local_hosts_are_known(host: str) -> None:
    """Ruling 6: the hosts whose plain http never leaves the machine."""
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    ["", "localhost.evil.example", "127.0.0.1.evil", "127.0.0.1.evil.example", "localhost@evil.example",
     "evil.example@localhost", "user:pass@localhost", "evil.example#.localhost", "evil.example/.localhost",
     "evil.example\\.localhost", "evil.example?.localhost", " localhost", "localhost ", "localhost\n", "\tlocalhost",
     "localhost\x00", "local host", "xlocalhost", "evil-localhost", ".localhost", "a..localhost", "localhost..",
     "-.localhost", "localhost:", "localhost:0", "localhost:080", "localhost:65536", "localhost:80:80", "localhost:x",
     "127.0.0.2", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "::1", "[::1", "::1]", "[::1].",
     "0.0.0.0",  # noqa: S104 - a host to refuse, not to bind
     "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::1%lo]", "\uff4cocalhost", "localho\u017ft",
     "localhost,evil.example", "localhost;", "http://localhost", "*.localhost", "a" * 300 + ".localhost"],
)  # fmt: skip
def test_nothing_else_passes_for_local(host: str) -> None:
    """Ruling 6: neither a longer name, user info, white space nor another spelling of the address is local."""
    assert not is_local(host)


def test_only_a_valid_host_comes_through() -> None:
    """G-16: a Host header is a host with or without a port, in lower case, or nothing."""
    assert clean_host(b"Shop.Example:8443") == "shop.example:8443"
    assert clean_host("my_app:8000") == "my_app:8000"
    assert clean_host(b"[2001:DB8::1]:443") == "[2001:db8::1]:443"
    for host in (
        None,
        b"",
        b"a b",
        b"a@b",
        b"a/b",
        b"[::1]]",
        b"[:::::]",
        b"[1.2.3.4.5]",
        b"a\xe9",
        "\u212aey.example",
        b"a:b",
        b".",
    ):
        assert clean_host(host) == ""


def test_allowed_http_hosts_match_exactly() -> None:
    """Ruling 6: ``allow_http_hosts`` opens the hosts it names, on the port it names, and none below them."""
    hosts, faults = parse_hosts(["TestServer", "box.internal:8080", "[fd00::1]"])
    assert faults == []
    for host in ("testserver", "testserver:1", "TESTSERVER.", "box.internal:8080", "[fd00::1]:80"):
        assert host_in(host, hosts)
    for host in ("", "a.testserver", "testserver.evil.example", "box.internal", "box.internal:80", "testserver@evil"):
        assert not host_in(host, hosts)


def test_wrong_http_hosts_are_named_at_once() -> None:
    """Ruling 6: an entry that could never match is a fault at start, not a puzzle at sign-in."""
    hosts, faults = parse_hosts(["http://testserver", "*.internal", "ok", ""])
    assert hosts == {"ok"}
    assert len(faults) == 3
    assert "is a list" in parse_hosts("testserver")[1][0]


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from([b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"]),
            st.binary(max_size=40) | st.text('for=";,:[].0123 \\', max_size=40).map(str.encode),
        ),
        max_size=5,
    ),
    proxies=st.sampled_from([NETWORKS, trusting(1), trusting(2), trusting(["unix"])]),
    peer=st.sampled_from([PROXY, CLIENT, None, "::1"]),
)
def test_any_headers_give_a_place(headers: Headers, proxies: TrustedProxies, peer: str | None) -> None:
    """ASVS 4.1.3: nothing raises; the scheme is one of two, and the address is canonical or absent."""
    place = resolve(proxies, headers, peer=peer)
    assert place.scheme in {"http", "https"}
    assert place.host == clean_host(place.host) != ""
    assert place.address is None or place.address == str(normalise(place.address))
