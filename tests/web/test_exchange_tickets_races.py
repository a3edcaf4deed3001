"""Exchange tickets, opened and clicked by many browsers at once: one of them is signed in."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import yielding
from tests.web._entering import HERE, PAGE, Site, arrive, click, hidden
from tests.web._site import World

MANY = 20


async def enter(browser: httpx.AsyncClient, token: str) -> int:
    """Open the address, read the page and click; return the last status."""
    await browser.get(f"/enter?sid={token}")
    page = await browser.get("/enter")
    if page.status_code != 200:
        return page.status_code
    form = {"csrf_token": hidden(page), "choice": "enter"}
    return (await browser.post("/enter", data=form, headers=HERE)).status_code


@pytest.mark.parametrize("seed", range(8))
def test_of_many_browsers_one_is_signed_in(seed: int) -> None:
    """10.2, S-12: twenty browsers with one ticket, interleaved in every verb of the store, make one session."""
    world = World(store=yielding(MemoryStore(), seed=seed), entering=PAGE)

    async def story() -> Counter[int]:
        token = (await world.sessions.issue_exchange("ada")).token

        async def one() -> int:
            async with world.browser() as browser:
                return await enter(browser, token)

        ended = Counter(await asyncio.gather(*(one() for _ in range(MANY))))
        assert len(await world.sessions.list("ada")) == 1
        return ended

    assert asyncio.run(story()) == {303: 1, 400: MANY - 1}


def test_of_many_clicks_in_one_browser_one_counts() -> None:
    """10.2: twenty clicks on one page, as of an impatient hand, sign in once; the others say that the link is used."""
    world = World(store=yielding(MemoryStore(), seed=1), entering=PAGE)

    async def story() -> None:
        async with world.browser() as browser:
            token = (await world.sessions.issue_exchange("ada")).token
            await browser.get(f"/enter?sid={token}")
            form = {"csrf_token": hidden(await browser.get("/enter")), "choice": "enter"}
            headers = HERE | {"cookie": f"enter={token}"}
            clicks = await asyncio.gather(
                *(browser.post("/enter", data=form, headers=headers) for _ in range(MANY)), return_exceptions=False
            )
            assert Counter(click.status_code for click in clicks) == {303: 1, 400: MANY - 1}
        assert len(await world.sessions.list("ada")) == 1

    asyncio.run(story())


def test_of_many_threads_one_is_signed_in(tmp_path: Path) -> None:
    """10.2: the same for a blocking application on SQLite, twenty threads with a browser each."""
    site = Site("wsgi", store=f"sqlite:///{tmp_path}/s.db")
    token = site.ticket().token
    pages = [(browser := site.browser(), arrive(browser, token)) for _ in range(MANY)]
    with ThreadPoolExecutor(MANY) as pool:
        answers = [each.result().status_code for each in [pool.submit(click, *pair) for pair in pages]]
    assert Counter(answers) == {303: 1, 400: MANY - 1}
    assert len(site.sessions.list("ada")) == 1
    site.sessions.close()
