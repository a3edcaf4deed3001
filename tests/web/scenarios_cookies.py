"""Scenarios about the cookie: its attributes, its deletion, and the transport it travels on."""

from __future__ import annotations

from tests.web.scenarios import (
    PLAIN,
    PUBLIC,
    Site,
    attributes_of,
    cookies_of,
    deletes,
    ours_of,
    read,
    scenario,
    sign_in,
    token_of,
)


@scenario()
async def scripts_cannot_read_the_cookie(site: Site) -> str | None:
    """The session cookie is HttpOnly (3.3.4, SM-12)."""
    async with site.browser() as client:
        attributes = attributes_of(ours_of(site, await client.post("/set?a=1"))[0])
        return None if "httponly" in attributes else f"the cookie has {sorted(attributes)}"


@scenario()
async def other_sites_do_not_send_the_cookie(site: Site) -> str | None:
    """The session cookie is SameSite=Lax or stricter, said in so many words (3.3.2, SM-13)."""
    async with site.browser() as client:
        attributes = attributes_of(ours_of(site, await client.post("/set?a=1"))[0])
        said = attributes.get("samesite", "nothing")
        return None if said.lower() in ("lax", "strict") else f"SameSite says {said}"


@scenario()
async def the_cookie_belongs_to_one_host(site: Site) -> str | None:
    """The session cookie is for the whole site and has no Domain, so that no sibling reads it (C-1, SM-14)."""
    async with site.browser() as client:
        attributes = attributes_of(ours_of(site, await client.post("/set?a=1"))[0])
    if "domain" in attributes:
        return f"Domain={attributes['domain']}"
    return None if attributes.get("path") == "/" else f"Path={attributes.get('path')}"


@scenario()
async def https_has_the_prefix(site: Site) -> str | None:
    """On https the cookie is Secure and called __Host-..., so that no other host can plant one (3.3.1, 3.3.3)."""
    async with site.browser(PUBLIC) as client:
        sent = ours_of(site, await client.post("/set?a=1"))
    if not sent:
        return "no cookie on https"
    if "secure" not in attributes_of(sent[0]):
        return "the cookie is not Secure"
    return None if sent[0].startswith("__Host-") else f"the cookie is called {sent[0].partition('=')[0]}"


@scenario("prefix")
async def https_ignores_the_name_without_prefix(site: Site) -> str | None:
    """On https a cookie without the prefix, which a plain-http attacker can plant, opens nothing (ruling 6, C-2)."""
    async with site.browser(PUBLIC) as client:
        await sign_in(client)
        token = token_of(site, client)
    async with site.browser(PUBLIC) as stranger:
        bare = site.public_cookie.removeprefix("__Host-")
        found = (await stranger.get("/read", headers={"cookie": f"{bare}={token}"})).json()
    return "the name without prefix opens a session" if found["user"] else None


@scenario("refuses_plain_http")
async def plain_http_gets_no_cookie(site: Site) -> str | None:
    """On plain http to a host that is not local nothing is stored, loudly, and no cookie is sent (ruling 6, SM-15)."""
    async with site.browser(PLAIN) as client:
        written, signed = await client.post("/set?a=1"), await client.post("/login?user=u1")
        looked = await client.get("/read")
    if cookies_of(written) or cookies_of(signed):
        return "a session cookie over plain http"
    if (written.status_code, signed.status_code) != (500, 500):
        return f"writing over plain http was answered {written.status_code}, signing in {signed.status_code}"
    return None if looked.status_code == 200 else f"reading over plain http was answered {looked.status_code}"


@scenario()
async def signing_out_deletes_the_cookie(site: Site) -> str | None:
    """The deletion has the attributes that the cookie was set with, so that browsers obey it (C-4, 7.4.1)."""
    for base in ("http://localhost:8000", PUBLIC):
        async with site.browser(base) as client:
            made = attributes_of(ours_of(site, await sign_in(client))[0])
            sent = ours_of(site, await client.post("/logout"))
            if len(sent) != 1 or not deletes(sent[0]):
                return f"signing out sent {len(sent)} cookies that delete"
            if token_of(site, client):
                return "the browser still has the cookie"
        deletion = attributes_of(sent[0])
        lost = [name for name in ("path", "domain", "secure", "samesite") if made.get(name) != deletion.get(name)]
        if lost:
            return f"the deletion on {base} differs in {', '.join(lost)}"
    return None


@scenario()
async def one_answer_has_one_session_cookie(site: Site) -> str | None:
    """An answer to a request that wrote, signed in and rotated sets the session cookie once (C-3, RFC 6265, 4.1.1)."""
    async with site.browser() as client:
        await client.post("/set?z=0")
        answer = await client.post("/everything?user=u1")
        if len(ours_of(site, answer)) != 1:
            return f"{len(ours_of(site, answer))} cookies of one name"
        seen = await read(client)
    good = seen["user"] == "u1" and {"a", "b", "z"} <= seen["data"].keys()
    return None if good else f"afterwards there is {seen}"


@scenario()
async def the_applications_cookies_are_left_alone(site: Site) -> str | None:
    """A cookie of the application's own goes out beside the session's (C-3)."""
    async with site.browser() as client:
        answer = await client.post("/own_cookie")
        names = sorted(header.partition("=")[0] for header in cookies_of(answer))
        return None if names == sorted(["theme", site.cookie]) else f"the answer sets {names}"


@scenario()
async def a_redirect_carries_the_cookie(site: Site) -> str | None:
    """A session that begins in a handler that redirects is there on the next page (C-3)."""
    async with site.browser() as client:
        answer = await client.post("/go")
        if answer.status_code not in (302, 303) or not ours_of(site, answer):
            return f"the redirect was {answer.status_code} with {len(ours_of(site, answer))} cookies"
        return None if (await read(client))["data"] == {"went": "yes"} else "what was written is not there"


@scenario("server_side")
async def the_cookie_holds_no_data(site: Site) -> str | None:
    """The cookie's size does not depend on the data, and nothing of the data is in it (SM-5, 14.2.3)."""
    sizes = []
    for value in ("1", "confidential" * 40):
        async with site.browser() as client:
            await client.post(f"/set?a={value}")
            sizes.append(len(token_of(site, client)))
    return None if sizes[0] == sizes[1] else f"the cookie grows with the data: {sizes} characters"


@scenario("remember")
async def remembering_is_the_users_choice(site: Site) -> str | None:
    """A remembered sign-in outlives the browser, and one that is not remembered does not (ruling 2, N-7)."""
    async with site.browser() as client:
        remembered = attributes_of(ours_of(site, await sign_in(client, remember="yes"))[0])
        fleeting = attributes_of(ours_of(site, await sign_in(client, remember="no"))[0])
    if not {"max-age", "expires"} & remembered.keys():
        return "a remembered sign-in ends with the browser"
    return "a fleeting sign-in outlives the browser" if {"max-age", "expires"} & fleeting.keys() else None


@scenario()
async def head_is_get_without_a_body(site: Site) -> str | None:
    """HEAD is answered with GET's headers and no body, also when nobody is signed in (RFC 9110, 9.3.2)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        head, get = await client.head("/read"), await client.get("/read")
    if head.status_code != get.status_code or head.content:
        return f"HEAD was answered {head.status_code} with {len(head.content)} bytes"
    kinds = [answer.headers.get("vary") for answer in (head, get)]
    return None if kinds[0] == kinds[1] else f"HEAD and GET vary by {kinds}"
