"""``/api/v1/sources`` over HTTP: the resource, its rotations, bins, share links and figures."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from hookferry import ids
from hookferry.domain.request import CaughtRequest, Verdict
from hookferry.engine.sealing import new_master_key
from hookferry.errors import UnsealFailed
from hookferry.store.ports import Acceptance, Batch
from hookferry.wire.inbound import presets

from .kit import House
from .real import serving

GITHUB = {"name": "shop", "verify": {"preset": "github", "secret": "hidden-from-view"}}
MASK = "********"


async def make(house: House, **fields: Any) -> dict[str, Any]:
    answer = await house.client.post("/api/v1/sources", json={"name": "shop", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def bytes_in(folder: Path) -> bytes:
    """All that a data folder has."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


def at(source: dict[str, Any], below: str = "") -> str:
    return f"/api/v1/sources/{source['id']}{below}"


async def catch(house: House, source: dict[str, Any], verdict: Verdict, seconds_ago: float) -> None:
    """Put a request into the ledger as if it had been caught."""
    owner = house.services.directory.tenant("default")
    received = house.clock.wall_ms() - int(seconds_ago * 1000)
    request = CaughtRequest(
        id=ids.lowest_at(received) + int(verdict),
        tenant_id=owner.id,
        source_id=ids.decode("src", source["id"]),
        received_at_ms=received,
        verdict=verdict,
        method="POST",
        path=b"/",
        query=b"",
        headers=(),
        body=b"",
        client="203.0.113.7",
    )
    await house.store.commit(
        Batch(
            config_version=house.services.directory.version,
            accept=[Acceptance(event=None, request=request)],
        )
    )


async def test_a_source_is_made_read_changed_and_deleted(house: House) -> None:
    answer = await house.client.post("/api/v1/sources", json=GITHUB)
    made = answer.json()
    url = answer.headers["Location"]
    assert (answer.status_code, answer.headers["ETag"], url) == (201, '"1"', at(made))
    assert made["url"] == f"https://hooks.example/webhooks/{made['guid']}"
    assert (await house.client.get(url)).json() == made
    changed = await house.client.patch(url, json={"description": "Of the shop."})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json()["description"] == "Of the shop."
    listed = (await house.client.get("/api/v1/sources")).json()
    assert [source["id"] for source in listed["items"]] == [made["id"]]
    assert (await house.client.delete(url)).status_code == 204
    for gone in (await house.client.get(url), await house.client.delete(url)):
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_no_answer_shows_a_secret(house: House, tmp_path: Path) -> None:
    fields = {"verify_token": "hidden-from-view-too"}
    made = await make(house, **GITHUB | fields)
    url = at(made)
    await house.client.patch(url, json={"verify": {"secret": "hidden-from-view-2"}})
    rotated = await house.client.post(f"{url}/secret", json={"secret": "hidden-from-view-3"})
    answers = [
        rotated,
        await house.client.get(url),
        await house.client.get("/api/v1/sources"),
        await house.client.patch(url, json={"verify": {"preset": "gihtub"}}),
        await house.client.post(f"{url}/secret", json={"secret": "hidden-from-view-3"}),
        await house.client.post("/api/v1/sources", json={**GITHUB, "verify": {"secret": "hidden"}}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 422, 409, 422]
    assert "hidden" not in "".join(answer.text for answer in answers)
    shown = rotated.json()
    assert shown["verify"] == {"preset": "github"}
    assert [secret["secret"] for secret in shown["secrets"]] == [MASK, MASK]
    assert [secret["expires_at"] is None for secret in shown["secrets"]] == [True, False]
    assert shown["verify_token"] == MASK
    kept = await asyncio.to_thread(bytes_in, tmp_path)
    assert b"shop" in kept
    assert b"hidden-from-view" not in kept.replace(b"hidden-from-view-too", b"")


async def test_what_was_read_can_be_sent_back(house: House) -> None:
    made = await make(house, **GITHUB | {"methods": ["POST"], "respond": {"status": 200}})
    written = {
        name: made[name]
        for name in ("name", "guid", "methods", "verify", "respond", "handshakes", "event_type")
    }
    same = (await house.client.patch(at(made), json=written)).json()
    changing = ("version", "updated_at")
    assert {n: v for n, v in same.items() if n not in changing} == {
        n: v for n, v in made.items() if n not in changing
    }


async def test_a_mask_is_not_taken_for_a_secret(house: House) -> None:
    made = await make(house, **GITHUB | {"verify_token": "known to both"})
    for patch in ({"verify": {"secret": MASK}}, {"verify_token": MASK}):
        refused = await house.client.patch(at(made), json=patch)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_field")


async def test_of_two_editors_the_later_is_refused(house: House) -> None:
    made = await make(house)
    first = await house.client.patch(at(made), json={"draft": True}, headers={"If-Match": '"1"'})
    assert first.status_code == 200
    for late in (
        await house.client.patch(at(made), json={}, headers={"If-Match": '"1"'}),
        await house.client.delete(at(made), headers={"If-Match": '"1"'}),
    ):
        assert (late.status_code, late.json()["code"]) == (412, "version_mismatch")


async def test_the_answer_shows_what_the_preset_brings(house: House) -> None:
    made = await make(house, **GITHUB)
    assert (made["deduplicate"], made["event_type"]) == (None, None)
    assert made["in_force"] == {
        "handshakes": [],
        "deduplicate": {"header": "X-GitHub-Delivery"},
        "window": 259_200,
        "event_type": {"header": "X-GitHub-Event", "prefix": "github."},
        "max_body": 5 * 1024 * 1024,
        "refuse_status": 401,
        "deadline": 10,
        "retention_days": 7,
        "keep": None,
    }
    answer = await house.client.patch(at(made), json={"deduplicate": {}, "window": 60})
    assert answer.json()["in_force"]["deduplicate"] == {}
    assert answer.json()["in_force"]["window"] == 60


async def test_an_address_is_rotated_with_overlap(house: House) -> None:
    made = await make(house)
    answer = await house.client.post(at(made, "/rotate"))
    rotated = answer.json()
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert rotated["guid"] != made["guid"]
    [former] = rotated["former_guids"]
    ends = dt.datetime.fromisoformat(former["expires_at"])
    assert former["guid"] == made["guid"]
    assert 86_390 < (ends - dt.datetime.now(dt.UTC)).total_seconds() <= 86_400
    at_once = await house.client.post(at(made, "/rotate"), json={"overlap": 0})
    assert at_once.json()["former_guids"] == []


async def test_what_has_ended_is_not_shown(house: House) -> None:
    made = await make(house, **GITHUB)
    await house.client.post(at(made, "/rotate"), json={"overlap": 60})
    await house.client.post(at(made, "/secret"), json={"secret": "newer", "overlap": 60})
    house.clock.ahead_ms = 61_000
    for shown in (
        (await house.client.get(at(made))).json(),
        (await house.client.get("/api/v1/sources")).json()["items"][0],
    ):
        assert shown["former_guids"] == []
        assert [secret["expires_at"] for secret in shown["secrets"]] == [None]


@pytest.fixture
def own_presets() -> Iterator[dict[str, presets.Preset]]:
    """The presets, to be changed; they are put back in their order, which a page is written in."""
    with mock.patch.dict(presets.PRESETS):
        yield presets.PRESETS


async def test_a_source_whose_preset_is_gone_can_be_seen_mended_and_deleted(
    house: House, own_presets: dict[str, presets.Preset]
) -> None:
    made = await make(house, **GITHUB)
    del own_presets["github"]
    listed = (await house.client.get("/api/v1/sources")).json()["items"]
    assert [(source["name"], source["in_force"]) for source in listed] == [("shop", None)]
    assert (await house.client.patch(at(made), json={"description": "x"})).status_code == 200
    mended = await house.client.patch(at(made), json={"verify": {"preset": "bitbucket"}})
    assert mended.json()["in_force"]["window"] == 259_200
    assert (await house.client.delete(at(made))).status_code == 204


async def test_a_server_with_another_master_key_does_not_start(tmp_path: Path) -> None:
    async with serving(tmp_path, master_key=new_master_key()) as client:
        assert (await client.post("/api/v1/sources", json=GITHUB)).status_code == 201
    with pytest.raises(UnsealFailed, match="add the former key"):
        async with serving(tmp_path, master_key=new_master_key()):
            pass


async def test_a_taken_address_is_refused(house: House) -> None:
    made = await make(house)
    other = await house.client.post("/api/v1/sources", json={"name": "other", "guid": made["guid"]})
    assert (other.status_code, other.json()["code"]) == (409, "name_taken")
    same_name = await house.client.post("/api/v1/sources", json={"name": "shop"})
    assert (same_name.status_code, same_name.json()["code"]) == (409, "name_taken")


async def test_the_list_is_filtered_and_paged(house: House) -> None:
    await make(house, name="one", enabled=False)
    await make(house, name="two")
    made = (await house.client.post("/api/v1/sources", json={"bin": True})).json()
    assert made["expires_at"] is not None

    async def names(query: str) -> list[str]:
        page = (await house.client.get(f"/api/v1/sources?{query}")).json()
        return [source["name"] for source in page["items"]]

    assert await names("") == [made["name"], "two", "one"]
    assert await names("name=two") == ["two"]
    assert await names("enabled=false") == ["one"]
    assert await names("bin=true") == [made["name"]]
    assert await names("bin=false&enabled=true") == ["two"]
    first = (await house.client.get("/api/v1/sources?limit=2")).json()
    assert await names(f"limit=2&cursor={first['next']}") == ["one"]


async def test_a_filter_is_true_or_false(house: House) -> None:
    for value in ("null", "yes", "1", ""):
        refused = await house.client.get(f"/api/v1/sources?bin={value}")
        assert (refused.status_code, refused.json()["field"]) == (422, "bin"), value


async def test_figures_count_by_verdict(house: House) -> None:
    made = await make(house, silent_after=3600)
    await catch(house, made, Verdict.ACCEPTED, 60)
    await catch(house, made, Verdict.QUARANTINED, 90)
    await catch(house, made, Verdict.ACCEPTED, 2 * 86_400)
    day = (await house.client.get(at(made, "/stats"))).json()
    assert {v: n for v, n in day["requests"].items() if n} == {"accepted": 1, "quarantined": 1}
    assert set(day["requests"]) == {verdict.label for verdict in Verdict}
    week = (await house.client.get(at(made, "/stats?hours=168"))).json()
    assert week["requests"]["accepted"] == 2
    last = dt.datetime.fromisoformat(day["last_request_at"])
    assert 55 < (dt.datetime.now(dt.UTC) - last).total_seconds() < 90
    assert not day["silent"]
    house.clock.ahead_ms = 3_600_000
    assert (await house.client.get(at(made, "/stats"))).json()["silent"]


async def test_a_source_that_never_caught_anything_falls_silent_too(house: House) -> None:
    made = await make(house, silent_after=60)
    fresh = (await house.client.get(at(made, "/stats"))).json()
    assert (fresh["last_request_at"], fresh["silent"]) == (None, False)
    house.clock.ahead_ms = 61_000
    assert (await house.client.get(at(made, "/stats"))).json()["silent"]


async def test_figures_go_back_so_far_and_no_further(house: House) -> None:
    made = await make(house)
    for hours in ("0", "721", "x"):
        refused = await house.client.get(at(made, f"/stats?hours={hours}"))
        assert (refused.status_code, refused.json()["field"]) == (422, "hours"), hours


async def test_a_share_links_token_is_shown_once(house: House) -> None:
    made = await make(house)
    answer = await house.client.post(at(made, "/shares"), json={"days": 1})
    shared = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (
        201,
        at(made, f"/shares/{shared['id']}"),
    )
    assert house.services.sources.shared(shared["token"]).name == "shop"
    listed = await house.client.get(at(made, "/shares"))
    assert listed.json()["items"] == [shared | {"token": None}]
    assert shared["token"] not in (await house.client.get(at(made))).text
    assert (await house.client.delete(answer.headers["Location"])).status_code == 204
    assert (await house.client.get(at(made, "/shares"))).json()["items"] == []
    assert (await house.client.delete(answer.headers["Location"])).status_code == 404


async def test_sources_belong_to_their_tenant(house: House) -> None:
    bound = await house.key_for("acme")
    made = await make(house, **GITHUB)
    mine = await house.client.post("/api/v1/sources", json=GITHUB, headers=bound)
    assert (mine.status_code, mine.json()["tenant"]) == (201, "acme")
    client = house.client
    for answer in (
        await client.get(at(made), headers=bound),
        await client.patch(at(made), json={}, headers=bound),
        await client.delete(at(made), headers=bound),
        await client.post(at(made, "/rotate"), headers=bound),
        await client.post(at(made, "/secret"), json={"secret": "x"}, headers=bound),
        await client.get(at(made, "/stats"), headers=bound),
        await client.get(at(made, "/shares"), headers=bound),
        await client.post(at(made, "/shares"), headers=bound),
        await client.delete(at(made, "/shares/0123456789abcdef"), headers=bound),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    listed = (await client.get("/api/v1/sources", headers=bound)).json()
    assert [source["id"] for source in listed["items"]] == [mine.json()["id"]]


async def test_a_tenant_with_sources_can_not_be_deleted(house: House) -> None:
    assert (await house.client.put("/api/v1/tenants/acme", json={})).status_code == 200
    made = await house.client.post("/api/v1/sources?tenant=acme", json={"name": "shop"})
    refused = await house.client.delete("/api/v1/tenants/acme")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "sources" in refused.json()["detail"]
    url = f"{at(made.json())}?tenant=acme"
    assert (await house.client.delete(url)).status_code == 204
    assert (await house.client.delete("/api/v1/tenants/acme")).status_code == 204


async def test_an_address_without_parameters_says_that_it_takes_none(house: House) -> None:
    answer = await house.client.get("/api/v1/source_presets", params={"limit": "1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")
    assert answer.json()["detail"] == "the query has an unknown field 'limit'; it takes none"


async def test_presets_say_what_they_need_and_how_far_they_can_be_relied_on(house: House) -> None:
    presets = (await house.client.get("/api/v1/source_presets")).json()["items"]
    by_name = {preset["name"]: preset for preset in presets}
    assert list(by_name) == sorted(by_name)
    assert by_name["github"]["verified"]
    assert by_name["github"]["secret"] == "the webhook's secret"
    assert by_name["twilio"]["needs_public_url"]
    assert all(preset["verified"] is (preset["evidence"] != "M") for preset in presets)
    assert not by_name["zoom"]["verified"]


async def test_every_preset_makes_a_source(house: House) -> None:
    presets = (await house.client.get("/api/v1/source_presets")).json()["items"]
    refused = []
    for preset in presets:
        body = {"name": preset["name"], "verify": {"preset": preset["name"]}}
        answer = await house.client.post("/api/v1/sources", json=body)
        if answer.status_code != 201:
            refused.append((preset["name"], answer.json()["field"]))
    needed = [(preset["name"], f"verify.{name}") for preset in presets for name in preset["needs"]]
    assert refused == needed


async def test_a_repeat_with_an_idempotency_key_makes_one_source(house: House) -> None:
    key = {"Idempotency-Key": "once"}
    one = await house.client.post("/api/v1/sources", json={"bin": True}, headers=key)
    two = await house.client.post("/api/v1/sources", json={"bin": True}, headers=key)
    assert (one.status_code, two.json()) == (201, one.json())
    assert len((await house.client.get("/api/v1/sources")).json()["items"]) == 1


async def test_a_body_that_is_no_definition_is_refused(house: House) -> None:
    for body in (b"{", b"[]", b'"x"', b"", b"null", b"{}"):
        answer = await house.client.post("/api/v1/sources", content=body)
        assert answer.status_code in (400, 422), body
    assert (await house.client.get("/api/v1/sources")).json()["items"] == []


async def test_an_address_that_is_no_source_is_not_found(house: House) -> None:
    for path in ("nobody", "wh_0000000000000", "src_0000000000000"):
        answer = await house.client.get(f"/api/v1/sources/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
