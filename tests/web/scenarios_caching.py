"""Scenarios about caches: nobody is served another visitor's page, and what is public stays cacheable."""

from __future__ import annotations

from tests.web.scenarios import PROGRAM, Site, members_of, ours_of, read, scenario, sign_in


@scenario()
async def an_answer_with_the_cookie_is_not_stored(site: Site) -> str | None:
    """An answer that sets the session cookie is no-store, whatever the handler said (K-1, RFC 9111, 7.3)."""
    async with site.browser() as client:
        answer = await client.post("/set?a=1")
    said = members_of(answer, "cache-control")
    return None if "no-store" in said and "public" not in said else f"Cache-Control: {', '.join(sorted(said))}"


@scenario()
async def an_answer_that_deletes_is_not_stored(site: Site) -> str | None:
    """An answer that deletes the cookie is no-store too (K-1)."""
    async with site.browser() as client:
        await sign_in(client)
        answer = await client.post("/logout")
    said = members_of(answer, "cache-control")
    return None if "no-store" in said else f"Cache-Control: {', '.join(sorted(said))}"


@scenario()
async def a_look_varies_by_cookie(site: Site) -> str | None:
    """An answer for which the session was looked at has Vary: Cookie, with and without one (K-2, CVE-2023-30861)."""
    async with site.browser() as client:
        before = await client.get("/read")
        await client.post("/set?a=1")
        after = await client.get("/read")
    missing = [
        when for when, answer in (("without", before), ("with", after)) if "cookie" not in members_of(answer, "vary")
    ]
    return f"no Vary: Cookie {' and '.join(missing)} a cookie" if missing else None


@scenario()
async def a_mere_length_is_a_look(site: Site) -> str | None:
    """Asking how many keys there are is a look as well, and what the handler varies by stays (K-2, CVE-2026-27205)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        said = members_of(await client.get("/vary"), "vary")
    return None if said == {"accept-encoding", "cookie"} else f"Vary: {', '.join(sorted(said))}"


@scenario()
async def what_does_not_look_stays_public(site: Site) -> str | None:
    """A page that does not look at the session is as cacheable as its handler says (K-4, promise 6)."""
    async with site.browser() as client:
        await sign_in(client)
        answer = await client.get("/plain")
    if "cookie" in members_of(answer, "vary") or ours_of(site, answer):
        return "a page that does not look varies by cookie"
    said = members_of(answer, "cache-control")
    return None if said == {"public", "max-age=600"} else f"Cache-Control: {', '.join(sorted(said))}"


@scenario()
async def no_single_cache_is_told_otherwise(site: Site) -> str | None:
    """Headers that tell one cache to store an answer are taken from one that sets the cookie (K-6, RFC 9213)."""
    async with site.browser() as client:
        answer = await client.post("/edge")
    left = [name for name in ("surrogate-control", "cdn-cache-control", "x-accel-expires") if name in answer.headers]
    if left:
        return f"the answer still has {', '.join(left)}"
    return "the answer still has Expires" if "2099" in answer.headers.get("expires", "") else None


@scenario("guard")
async def a_refusal_is_not_stored(site: Site) -> str | None:
    """A 401 is no-store and varies by cookie, so that nobody who signs in meets it again (K-3)."""
    async with site.browser() as client:
        answer = await client.get("/me", headers=PROGRAM)
        if answer.status_code != 401:
            return f"a stranger was answered {answer.status_code}"
        if "no-store" not in members_of(answer, "cache-control") or "cookie" not in members_of(answer, "vary"):
            return f"the refusal says {dict(answer.headers)}"
        await sign_in(client)
        return None if (await client.get("/me", headers=PROGRAM)).status_code == 200 else "refused when signed in"


@scenario()
async def two_visitors_get_two_pages(site: Site) -> str | None:
    """Two visitors of one address each read their own session, one after the other and again (K-5)."""
    async with site.browser() as one, site.browser() as two:
        await one.post("/set?name=one")
        await two.post("/set?name=two")
        for _ in range(2):
            for client, name in ((one, "one"), (two, "two")):
                found = (await read(client))["data"]
                if found != {"name": name}:
                    return f"visitor {name} reads {found}"
    return None
