"""Scenarios about the door: requests that other sites make in a user's name."""

from __future__ import annotations

from tests.web.scenarios import LOCAL, PROGRAM, Site, cookies_of, members_of, read, scenario, sign_in

_EVIL = "https://evil.example"


@scenario("csrf")
async def another_sites_form_changes_nothing(site: Site) -> str | None:
    """A form that another site submits in a user's name is refused with 403 and changes nothing (G-1, CS-1)."""
    async with site.browser() as client:
        await sign_in(client)
        for headers in (
            {"sec-fetch-site": "cross-site", "origin": _EVIL},
            {"sec-fetch-site": "same-site", "origin": "http://evil.localhost:8000"},
            {"sec-fetch-site": "cross-site", "origin": "null"},
        ):
            answer = await client.post("/set?a=1", headers={**PROGRAM, **headers})
            if answer.status_code != 403:
                return f"{headers} was answered {answer.status_code}"
        data = (await read(client))["data"]
        return None if data == {} else f"afterwards there is {data}"


@scenario("csrf")
async def an_older_browser_is_judged_by_its_origin(site: Site) -> str | None:
    """Where nothing but Origin says whence a form comes, a foreign one is refused and our own passes (G-4)."""
    async with site.browser() as client:
        await sign_in(client)
        del client.headers["sec-fetch-site"]
        foreign = await client.post("/set?a=1", headers={"origin": _EVIL})
        lookalike = await client.post("/set?a=1", headers={"origin": "http://localhost:8000.evil.example"})
        own = await client.post("/set?b=2", headers={"origin": LOCAL})
        codes = [foreign.status_code, lookalike.status_code, own.status_code]
    return None if codes == [403, 403, 200] else f"foreign, lookalike and own were answered {codes}"


@scenario("csrf")
async def nobody_is_signed_in_by_another_site(site: Site) -> str | None:
    """Another site cannot sign its visitor in as somebody, or out (CS-16: login CSRF)."""
    async with site.browser() as client:
        foreign = {"sec-fetch-site": "cross-site", "origin": _EVIL}
        answer = await client.post("/login?user=eve", headers=foreign)
        if answer.status_code != 403 or cookies_of(answer):
            return f"signing in was answered {answer.status_code} with {len(cookies_of(answer))} cookies"
        await sign_in(client, "ada")
        await client.post("/logout", headers=foreign)
        return None if (await read(client))["user"] == "ada" else "the user was signed out"


@scenario("csrf")
async def links_from_other_sites_work(site: Site) -> str | None:
    """Following a link from another site is no forgery: a page is served, and looks at the session (G-2)."""
    async with site.browser() as client:
        await sign_in(client)
        del client.headers["origin"]
        answer = await client.get("/read", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})
    good = answer.status_code == 200 and answer.json()["user"] == "u1"
    return None if good else f"a link was answered {answer.status_code}"


@scenario("csrf")
async def a_refusal_is_for_this_request_alone(site: Site) -> str | None:
    """The refusal of a forgery is not stored and says what it depends on (G-18)."""
    async with site.browser() as client:
        await sign_in(client)
        answer = await client.post("/set?a=1", headers={**PROGRAM, "sec-fetch-site": "cross-site", "origin": _EVIL})
    if "no-store" not in members_of(answer, "cache-control"):
        return f"Cache-Control: {answer.headers.get('cache-control')}"
    missing = {"sec-fetch-site", "origin"} - members_of(answer, "vary")
    return f"Vary lacks {', '.join(sorted(missing))}" if missing else None


@scenario("csrf", "own_token")
async def an_emptied_origin_is_refused(site: Site) -> str | None:
    """A user's form without any word of where it comes from needs a token (G-10, overridden; issue 5, section 3)."""
    async with site.browser() as client:
        await sign_in(client)
        for name in ("origin", "sec-fetch-site"):
            del client.headers[name]
        answer = await client.post("/set?a=1", headers=PROGRAM)
        data = (await read(client))["data"]
    return None if answer.status_code == 403 and not data else f"{answer.status_code}, then {data}"
