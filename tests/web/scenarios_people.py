"""Scenarios about users: their devices, limits and roles, ended and changed from elsewhere."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.web.scenarios import (
    PAGE,
    PROGRAM,
    Site,
    deletes,
    ours_of,
    read,
    scenario,
    sign_in,
    token_of,
)


@scenario("guard")
async def strangers_are_refused(site: Site) -> str | None:
    """A route for signed-in users answers 401 as a problem document that says so (ruling 18, RFC 9457)."""
    async with site.browser() as client:
        answer = await client.get("/me", headers=PROGRAM)
    if answer.status_code != 401 or answer.headers.get("content-type") != "application/problem+json":
        return f"a stranger was answered {answer.status_code} {answer.headers.get('content-type')}"
    said = answer.json()
    return None if (said.get("code"), said.get("reason")) == ("sign_in_required", "none") else f"it says {said}"


@scenario()
async def users_pass(site: Site) -> str | None:
    """A route for signed-in users knows whom it serves (S-45)."""
    async with site.browser() as client:
        await sign_in(client, "ada")
        answer = await client.get("/me", headers=PROGRAM)
    return None if answer.status_code == 200 and answer.json()["id"] == "ada" else f"it was answered {answer.text}"


@scenario("sign_in_url", options={"sign_in_url": "/sign-in"})
async def pages_are_sent_to_sign_in(site: Site) -> str | None:
    """A page is sent to sign in, with the way back; forms and programs get 401 (ruling 18)."""
    async with site.browser() as client:
        page = await client.get("/me?tab=1", headers=PAGE)
        codes = [(await client.post("/me", headers=PAGE)).status_code]
        codes.append((await client.get("/me", headers=PROGRAM)).status_code)
    target = page.headers.get("location", "")
    if (page.status_code, target) != (303, "/sign-in?next=/me%3Ftab%3D1"):
        return f"the page was sent to {target} with {page.status_code}"
    return None if codes == [401, 401] else f"a form and a program were answered {codes}"


@scenario("sign_in_url", options={"sign_in_url": "/sign-in"})
async def the_way_back_is_never_elsewhere(site: Site) -> str | None:
    """Whatever stands in the address, the way back is a path on this site (10.4, ASVS 3.7.2)."""
    async with site.browser() as client:
        for query in ("next=//evil.example", "x=https://evil.example", "a=%0d%0aset-cookie:x=1", "b=%5c%5cevil"):
            page = await client.get(f"/me?{query}", headers=PAGE)
            target = urlsplit(page.headers.get("location", ""))
            if page.status_code != 303 or target.netloc or target.path != "/sign-in":
                return f"{query} was answered {page.status_code} {page.headers.get('location')}"
            back = parse_qs(target.query).get("next", ["/me?"])
            if len(back) != 1 or not back[0].startswith("/me?") or "set-cookie" in page.headers:
                return f"{query} leads back to {back}"
    return None


@scenario("sign_in_url", "revoke_user", options={"sign_in_url": "/sign-in"})
async def a_page_is_told_why(site: Site) -> str | None:
    """Whoever is sent to sign in because the session was ended elsewhere is told so (S-61, F-7)."""
    async with site.browser() as client, site.browser() as admin:
        await sign_in(client)
        await admin.post("/revoke_user?user=u1")
        page = await client.get("/me", headers=PAGE)
    target = page.headers.get("location", "")
    return None if "reason=revoked" in target else f"the page was sent to {target}"


@scenario("devices")
async def users_see_their_devices(site: Site) -> str | None:
    """The list of devices has each live session of the user, and says which one is this (7.5.2, S-70)."""
    async with site.browser() as one, site.browser() as two, site.browser() as other:
        await sign_in(one)
        await sign_in(two)
        await sign_in(other, "u2")
        listed = (await one.get("/devices")).json()
        await two.post("/logout")
        after = (await one.get("/devices")).json()
    if len(listed) != 2 or sum(each["current"] for each in listed) != 1:
        return f"the list is {listed}"
    return None if len(after) == 1 and after[0]["current"] else f"after a sign-out the list is {after}"


@scenario("devices")
async def users_end_a_device(site: Site) -> str | None:
    """Ending one device signs out that one at once and no other (7.4.3, 7.5.2, promise 2)."""
    async with site.browser() as one, site.browser() as two:
        await sign_in(one)
        await sign_in(two)
        (there,) = [each["id"] for each in (await one.get("/devices")).json() if not each["current"]]
        await one.post(f"/revoke?id={there}")
        users = (await read(one))["user"], (await read(two))["user"]
    return None if users == ("u1", None) else f"afterwards the two are {users}"


@scenario("devices")
async def users_end_no_device_of_others(site: Site) -> str | None:
    """Somebody else's session id ends nothing (8.2.2, insecure direct object reference)."""
    async with site.browser() as victim, site.browser() as attacker:
        await sign_in(victim, "ada")
        await sign_in(attacker, "eve")
        (there,) = [each["id"] for each in (await victim.get("/devices")).json()]
        await attacker.post(f"/revoke?id={there}")
        return None if (await read(victim))["user"] == "ada" else "the victim was signed out"


@scenario("devices")
async def a_listed_id_opens_nothing(site: Site) -> str | None:
    """What the list of devices calls a session is not a ticket (promise 7, CVE-2020-5224)."""
    async with site.browser() as client, site.browser() as stranger:
        await sign_in(client)
        (listed,) = (await client.get("/devices")).json()
        token = token_of(site, client)
        if token in str(listed):
            return "the list shows the ticket"
        found = await stranger.get("/read", headers={"cookie": f"{site.cookie}={listed['id']}"})
        return "a listed id opens the session" if found.json()["user"] else None


@scenario("revoke_user")
async def signing_out_everywhere_is_everywhere(site: Site) -> str | None:
    """Ending a user's sessions ends each of them, and nobody else's (7.4.3, promise 2)."""
    async with site.browser() as one, site.browser() as two, site.browser() as other:
        await sign_in(one)
        await sign_in(two)
        await sign_in(other, "u2")
        await other.post("/revoke_user?user=u1")
        users = [(await read(client))["user"] for client in (one, two, other)]
    return None if users == [None, None, "u2"] else f"afterwards the three are {users}"


@scenario("revoke_user")
async def this_device_can_be_kept(site: Site) -> str | None:
    """Ending all sessions but this one leaves this one (7.4.3: after a change of password)."""
    async with site.browser() as one, site.browser() as two:
        await sign_in(one)
        await sign_in(two)
        await one.post("/revoke_user?user=u1&keep=me")
        users = [(await read(client))["user"] for client in (one, two)]
    return None if users == ["u1", None] else f"afterwards the two are {users}"


@scenario("revoke_user")
async def whoever_was_signed_out_is_told_and_cleaned(site: Site) -> str | None:
    """The holder of a revoked ticket is told why and has the cookie deleted; others are told nothing (ruling 5)."""
    async with site.browser() as client, site.browser() as admin, site.browser() as stranger:
        await sign_in(client)
        token = token_of(site, client)
        await admin.post("/revoke_user?user=u1")
        guess = token[:-6] + ("AAAAAA" if not token.endswith("AAAAAA") else "BBBBBB")
        guessed = await stranger.get("/me", headers={**PROGRAM, "cookie": f"{site.cookie}={guess}"})
        answer = await client.get("/me", headers=PROGRAM)
    if guessed.json().get("reason") != "none" or ours_of(site, guessed):
        return f"whoever guesses is told {guessed.json().get('reason')}"
    if answer.json().get("reason") != "revoked":
        return f"the holder is told {answer.json().get('reason')}"
    sent = ours_of(site, answer)
    return None if len(sent) == 1 and deletes(sent[0]) else "the dead cookie stays"


@scenario("revoke_user")
async def signing_in_again_works_after_being_signed_out(site: Site) -> str | None:
    """After "sign out everywhere" the user can sign in again in the same browser (7.4.3)."""
    async with site.browser() as client, site.browser() as admin:
        await sign_in(client)
        await admin.post("/revoke_user?user=u1")
        site.clock.advance("1s")
        await sign_in(client)
        return None if (await read(client))["user"] == "u1" else "the new sign-in does not open"


@scenario("limit", policy={"max_sessions": 2})
async def a_limit_is_a_limit(site: Site) -> str | None:
    """A third sign-in where two are allowed ends the one that was used least recently (promise 4, 7.1.2)."""
    browsers = [site.browser() for _ in range(3)]
    async with browsers[0] as one, browsers[1] as two, browsers[2] as three:
        for client in (one, two, three):
            await sign_in(client)
            site.clock.advance("2m")
        users = [(await read(client))["user"] for client in (one, two, three)]
        answer = await one.get("/me", headers=PROGRAM)
    if users != [None, "u1", "u1"]:
        return f"afterwards the three are {users}"
    return None if answer.json().get("reason") in ("evicted", "none") else f"it is told {answer.json()}"


@scenario("limit", policy={"max_sessions": 2})
async def a_limit_holds_in_a_crowd(site: Site) -> str | None:
    """Six sign-ins at once where two are allowed leave two (promise 4)."""
    tokens = await asyncio.gather(*(_signed_in_token(site) for _ in range(6)))
    live = 0
    for token in tokens:
        async with site.browser() as client:
            live += (await client.get("/read", headers={"cookie": f"{site.cookie}={token}"})).json()["user"] is not None
    return None if live == 2 else f"{live} of six are live where two may be"


@scenario("limit", policy={"max_sessions": 1, "at_limit": "reject"})
async def a_limit_can_refuse(site: Site) -> str | None:
    """Where the policy rejects one more sign-in, it is answered 409 and the first one stays (ruling 10)."""
    async with site.browser() as one, site.browser() as two:
        await sign_in(one)
        answer = await two.post("/login?user=u1", headers=PROGRAM)
        users = [(await read(client))["user"] for client in (one, two)]
    return None if answer.status_code == 409 and users == ["u1", None] else f"{answer.status_code}, then {users}"


@scenario("roles")
async def a_sign_in_has_its_roles(site: Site) -> str | None:
    """The roles of a sign-in are there in the next request, in a fixed order (S-58)."""
    async with site.browser() as client:
        await sign_in(client, roles="writer editor")
        roles = (await read(client))["roles"]
        return None if roles == ["editor", "writer"] else f"the roles are {roles}"


@scenario("roles")
async def roles_changed_elsewhere_are_obeyed(site: Site) -> str | None:
    """Roles that somebody else changed hold in the next request, which gets a new secret (promise 5)."""
    async with site.browser() as client, site.browser() as admin:
        await sign_in(client, roles="editor")
        old = token_of(site, client)
        await admin.post("/set_roles?user=u1&roles=guest")
        answer = await client.get("/read")
        if answer.json()["roles"] != ["guest"]:
            return f"the roles are {answer.json()['roles']}"
        if token_of(site, client) == old:
            return "the secret stayed"
        return None if (await read(client))["roles"] == ["guest"] else "the new ticket does not open"


@scenario("roles")
async def roles_are_changed_in_every_session(site: Site) -> str | None:
    """A change of roles reaches every live session of the user (issue 5, section 4)."""
    async with site.browser() as one, site.browser() as two, site.browser() as other:
        for client, user in ((one, "u1"), (two, "u1"), (other, "u2")):
            await sign_in(client, user, roles="editor")
        await other.post("/set_roles?user=u1&roles=guest")
        roles = [(await read(client))["roles"] for client in (one, two, other)]
    return None if roles == [["guest"], ["guest"], ["editor"]] else f"the roles are {roles}"


async def _signed_in_token(site: Site) -> str:
    async with site.browser() as client:
        answer: httpx.Response = await sign_in(client)
        assert answer.status_code == 200
        return token_of(site, client)
