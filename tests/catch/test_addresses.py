"""Where a source's addresses lead once they were edited, rotated away, or taken over."""

from __future__ import annotations

import httpx

from api.kit import House

from .kit import Caller, source

GUID = "3f0c9a6be27d4158a1b2c3d4e5f60718293a4b5c"
OTHER = "b7d2e8f1a0c34956d8e7f6051423a9bcde4f8071"


async def named(house: House, name: str, guid: str) -> Caller:
    """A source that answers with its name."""
    return await source(house, name, guid=guid, respond={"status": 200, "body": name})


async def rotate(house: House, caller: Caller, overlap: float) -> str:
    """Give a source another address; return it."""
    sources = house.services.sources
    made = await sources.rotate(caller.source.tenant_id, caller.source.id, overlap=overlap)
    return made.guid


async def led(house: House, *guids: str) -> list[str]:
    """Where addresses lead: the name of a source, or a status."""
    url = f"http://127.0.0.1:{house.port}/webhooks"
    async with httpx.AsyncClient(trust_env=False, timeout=20) as stranger:
        answers = [await stranger.post(f"{url}/{guid}") for guid in guids]
    return [a.text if a.status_code == 200 else str(a.status_code) for a in answers]


async def test_an_address_that_is_edited_ends_at_once(house: House) -> None:
    shop = await named(house, "shop", GUID)
    await shop.change(guid=OTHER)
    assert await led(house, GUID, OTHER) == ["404", "shop"]


async def test_an_overlap_of_nothing_ends_an_address_and_those_before_it(house: House) -> None:
    shop = await named(house, "shop", GUID)
    second = await rotate(house, shop, 60)
    third = await rotate(house, shop, 0)
    assert await led(house, GUID, second, third) == ["404", "404", "shop"]


async def test_an_address_that_is_rotated_back_leads_here_as_before(house: House) -> None:
    shop = await named(house, "shop", GUID)
    second = await rotate(house, shop, 60)
    await house.services.sources.rotate(shop.source.tenant_id, shop.source.id, guid=GUID)
    assert await led(house, GUID, second) == ["shop", "shop"]


async def test_an_address_that_another_source_took_over_stays_there(house: House) -> None:
    before = await named(house, "before", GUID)
    await rotate(house, before, 60)
    house.clock.ahead_ms = 61_000
    await named(house, "after", GUID)
    assert await led(house, GUID) == ["after"]
    await before.change(description="changed since")
    assert await led(house, GUID) == ["after"]
