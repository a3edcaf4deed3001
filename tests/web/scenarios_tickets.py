"""Scenarios about tickets: which ones open a session, where they may stand, and when they die."""

from __future__ import annotations

from tests.web.scenarios import (
    Site,
    cookies_of,
    deletes,
    opens,
    ours_of,
    path,
    read,
    scenario,
    seen_with,
    sign_in,
    token_of,
    with_ticket,
)

_GARBAGE = ("x", "a" * 5000, "%00", "..%2f..", "'; DROP TABLE sessions; --", "{}", "*", ".", "a.b.c", "=", '"')


@scenario()
async def planted_id_is_never_adopted(site: Site) -> str | None:
    """A ticket that somebody made up never becomes a session (promise 1, SM-10, CVE-2024-38513)."""
    planted = site.planted()
    async with site.browser() as victim:
        await victim.post("/set?secret=yes", headers=with_ticket(site, planted))
    return await opens(site, planted)


@scenario()
async def planted_id_is_not_adopted_at_sign_in(site: Site) -> str | None:
    """A sign-in with a made-up ticket gets another one (promise 1, CVE-2018-1000519)."""
    planted = site.planted()
    async with site.browser() as victim:
        await victim.post("/login?user=u1", headers=with_ticket(site, planted))
        if token_of(site, victim) == planted:
            return "the made-up ticket was handed out"
    return await opens(site, planted)


@scenario()
async def an_unknown_ticket_is_a_stranger(site: Site) -> str | None:
    """A well-formed ticket that nobody knows is an anonymous visitor, for whom nothing is made (promise 6)."""
    async with site.browser() as client:
        answer = await client.get("/read", headers=with_ticket(site, site.planted()))
    if answer.status_code != 200 or answer.json()["user"]:
        return f"an unknown ticket was answered {answer.status_code}"
    made = [header for header in cookies_of(answer) if not deletes(header)]
    return "an unknown ticket was answered with a new one" if made else None


@scenario("late_answers")
async def an_unknown_ticket_gets_no_deletion(site: Site) -> str | None:
    """A ticket that nobody knows is answered without a deletion, which might wipe another one (ruling 5)."""
    async with site.browser() as client:
        answer = await client.get("/read", headers=with_ticket(site, site.planted()))
    return "an unknown ticket was answered with a deletion" if cookies_of(answer) else None


@scenario()
async def looking_at_nothing_makes_nothing(site: Site) -> str | None:
    """A visitor who stores nothing gets no cookie (promise 6, S-03)."""
    async with site.browser() as client:
        answer = await client.get("/read")
        return "an anonymous read sent a cookie" if cookies_of(answer) else None


@scenario()
async def reading_writes_no_cookie(site: Site) -> str | None:
    """A request that only reads is answered without Set-Cookie (promise 6)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        again = await client.get("/read")
        return f"reading sent {len(cookies_of(again))} cookies" if cookies_of(again) else None


@scenario()
async def a_refused_sign_out_page_makes_nothing(site: Site) -> str | None:
    """Signing out a visitor who has nothing makes no session (CVE-2015-5963)."""
    async with site.browser() as client:
        answer = await client.post("/logout")
        made = [header for header in ours_of(site, answer) if not deletes(header)]
        return f"signing out nobody made {len(made)} sessions" if made else None


@scenario()
async def the_old_id_dies_at_sign_in(site: Site) -> str | None:
    """The ticket from before signing in opens nothing afterwards (promise 5, S-46, 7.2.4)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        before = token_of(site, client)
        await sign_in(client)
        if token_of(site, client) == before:
            return "signing in kept the ticket"
    return await opens(site, before)


@scenario()
async def an_attackers_own_ticket_gains_nothing(site: Site) -> str | None:
    """A real ticket that an attacker planted in the victim's browser stays without access (fixation, 7.2.4, SM-9)."""
    async with site.browser() as attacker:
        await attacker.post("/set?cart=bait")
        bait = token_of(site, attacker)
        async with site.browser() as victim:
            await victim.post("/login?user=victim", headers=with_ticket(site, bait))
        return "the attacker is signed in as the victim" if (await read(attacker))["user"] else None


@scenario()
async def the_old_id_dies_at_regeneration(site: Site) -> str | None:
    """The ticket from before a rotation by privilege is dead at once (promise 5)."""
    async with site.browser() as client:
        await sign_in(client)
        before = token_of(site, client)
        await client.post("/rotate")
        if token_of(site, client) == before:
            return "rotating kept the ticket"
        if (await read(client))["user"] != "u1":
            return "rotating signed the browser out"
    return await opens(site, before)


@scenario()
async def every_sign_in_has_a_new_ticket(site: Site) -> str | None:
    """Signing in again as the same user changes the ticket and ends the old one (promise 5)."""
    async with site.browser() as client:
        await sign_in(client)
        first = token_of(site, client)
        await sign_in(client)
        if token_of(site, client) == first:
            return "the second sign-in kept the ticket"
    return await opens(site, first)


@scenario()
async def another_users_data_is_not_carried(site: Site) -> str | None:
    """Signing in as somebody else carries nothing over and ends the first one's session (ruling 1, CS-16)."""
    async with site.browser() as client:
        await sign_in(client, "ada")
        await client.post("/set?letter=private")
        before = token_of(site, client)
        await sign_in(client, "eve")
        if "letter" in (await read(client))["data"]:
            return "the second user reads the first one's data"
    return await opens(site, before)


@scenario("server_side")
async def tickets_are_long_and_unlike(site: Site) -> str | None:
    """Tickets have at least 128 random bits, as far as their length and difference show (SM-1, 7.2.3)."""
    tokens = []
    for _ in range(4):
        async with site.browser() as client:
            await client.post("/set?a=1")
            tokens.append(token_of(site, client))
    if len(set(tokens)) < 4:
        return "two visitors have one ticket"
    short = min(tokens, key=len)
    return f"a ticket has {len(short)} characters" if len(short) < 22 else None


@scenario()
async def an_altered_ticket_opens_nothing(site: Site) -> str | None:
    """A ticket of which one character was changed, or the end cut off, opens nothing (SM-2)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
    middle = len(token) * 3 // 4
    other = "A" if token[middle] != "A" else "B"
    for altered in (token[:middle] + other + token[middle + 1 :], token[:-4], token.partition(".")[0][:-1]):
        if found := await opens(site, altered):
            return found
    return None


@scenario()
async def garbage_is_a_stranger(site: Site) -> str | None:
    """A cookie of garbage is an anonymous visitor on a public page, never an error (S-52)."""
    for garbage in _GARBAGE:
        async with site.browser() as client:
            answer = await client.get("/read", headers=with_ticket(site, garbage))
            if answer.status_code != 200 or answer.json()["data"]:
                return f"garbage was answered with {answer.status_code}"
    return None


@scenario()
async def garbage_can_still_write(site: Site) -> str | None:
    """A visitor with a cookie of garbage can begin a session like anybody (S-52)."""
    async with site.browser() as client:
        answer = await client.post("/set?a=1", headers=with_ticket(site, "garbage"))
        if answer.status_code != 200:
            return f"writing with garbage was answered {answer.status_code}"
        return None if (await read(client))["data"] == {"a": "1"} else "what was written is not there"


@scenario()
async def two_cookies_of_one_name_open_nothing_wrong(site: Site) -> str | None:
    """With two different session cookies in one request nobody is signed in by the planted one (C-5)."""
    async with site.browser() as attacker:
        await sign_in(attacker, "eve")
        planted = token_of(site, attacker)
    async with site.browser() as victim:
        await sign_in(victim, "ada")
        own = token_of(site, victim)
    for first, second in ((planted, own), (own, planted)):
        async with site.browser() as client:
            header = {"cookie": f"{site.cookie}={first}; {site.cookie}={second}"}
            answer = await client.get("/read", headers=header)
            if answer.status_code >= 500:
                return f"two cookies were answered {answer.status_code}"
            if answer.json().get("user") == "eve":
                return "the planted one of two cookies signs in"
    return None


@scenario()
async def a_ticket_in_the_address_is_ignored(site: Site) -> str | None:
    """A ticket in the query or the path's parameters opens nothing (SM-18, 14.2.1)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
    names = (site.cookie, site.public_cookie, "session_id", "sessionid", "PHPSESSID", "sid", "token")
    async with site.browser() as stranger:
        found = (await stranger.get(path("read", **dict.fromkeys(names, token)))).json()
    return f"a ticket in the query opens {found}" if found["user"] else None


@scenario()
async def a_ticket_in_a_body_is_ignored(site: Site) -> str | None:
    """A ticket in a form opens nothing (SM-18)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
    async with site.browser() as stranger:
        form = dict.fromkeys((site.cookie, "session_id", "sessionid", "token"), token)
        answer = await stranger.post("/me", data=form, headers={"accept": "application/json"})
    return None if answer.status_code in (401, 501) else f"a ticket in a form was answered {answer.status_code}"


@scenario()
async def a_ticket_in_another_header_is_ignored(site: Site) -> str | None:
    """A cookie's ticket in Authorization or a header of one's own opens nothing (carriers are walled in)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
    for name, value in (("authorization", f"Bearer {token}"), ("x-session-id", token), ("x-session", token)):
        async with site.browser() as stranger:
            found = await stranger.get("/read", headers={name: value})
            if found.status_code == 200 and found.json()["user"]:
                return f"a ticket in {name} opens a session"
    return None


@scenario()
async def a_ticket_under_another_name_is_ignored(site: Site) -> str | None:
    """A ticket in a cookie of another name, or of the name in other letters, opens nothing (C-2)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
    for name in (site.cookie.upper(), f"x{site.cookie}", f"{site.cookie}x", "id"):
        async with site.browser() as stranger:
            found = (await stranger.get("/read", headers={"cookie": f"{name}={token}"})).json()
            if found["user"]:
                return f"the cookie {name} opens a session"
    return None


@scenario()
async def the_ticket_stands_among_other_cookies(site: Site) -> str | None:
    """The session cookie is found among cookies of other names, whatever those hold."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
    async with site.browser() as same:
        header = {"cookie": f"theme=dark; a=b=c; {site.cookie}={token}; empty=; utm=%7B%22x%22"}
        found = (await same.get("/read", headers=header)).json()
    return None if found["user"] == "u1" else "the ticket was not found among other cookies"


@scenario()
async def signing_out_is_idempotent(site: Site) -> str | None:
    """Signing out twice, with the dead ticket again, and without a cookie, succeeds (S-47)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
        codes = [(await client.post("/logout")).status_code for _ in range(2)]
    async with site.browser() as again:
        codes.append((await again.post("/logout", headers=with_ticket(site, token))).status_code)
    async with site.browser() as stranger:
        codes.append((await stranger.post("/logout")).status_code)
    return None if codes == [200] * 4 else f"signing out answered {codes}"


@scenario()
async def signing_out_ends_the_session_itself(site: Site) -> str | None:
    """After a sign-out a copy of the ticket opens nothing (promise 2, 7.4.1)."""
    async with site.browser() as client:
        await sign_in(client)
        await client.post("/set?a=1")
        token = token_of(site, client)
        await client.post("/logout")
    return await opens(site, token)


@scenario()
async def signing_out_leaves_other_browsers_alone(site: Site) -> str | None:
    """Signing out in one browser does not sign out another one of the same user (S-47)."""
    async with site.browser() as one, site.browser() as two:
        await sign_in(one)
        await sign_in(two)
        await one.post("/logout")
        return None if (await read(two))["user"] == "u1" else "the other browser was signed out"


@scenario()
async def a_new_session_follows_a_sign_out(site: Site) -> str | None:
    """After a sign-out the browser begins anew, with another ticket and none of the data (promise 5)."""
    async with site.browser() as client:
        await sign_in(client)
        await client.post("/set?a=1")
        before = token_of(site, client)
        await client.post("/logout")
        await client.post("/set?b=2")
        if token_of(site, client) == before:
            return "the signed-out ticket was handed out again"
        seen = await seen_with(site, token_of(site, client))
        return None if seen["data"] == {"b": "2"} and not seen["user"] else f"the new session reads {seen}"
