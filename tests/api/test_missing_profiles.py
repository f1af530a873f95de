"""A webhook whose profile's plugin was uninstalled can still be seen and deleted."""

import pytest

from hookferry.wire.profiles import PROFILES, STANDARD

from .kit import House


async def test_it_is_shown_refuses_to_be_used_by_its_name_and_is_deleted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROFILES, "plugin", STANDARD)
    made = await house.webhook("odd", profile="plugin")
    monkeypatch.delitem(PROFILES, "plugin")
    where = f"/api/v1/webhooks/{made['id']}"
    assert (await house.client.get(where)).json()["profile"] == "plugin"
    assert (await house.client.get("/api/v1/webhooks")).json()["items"][0]["id"] == made["id"]
    for refused in (
        await house.client.patch(where, json={"title": "new"}),
        await house.client.post(f"{where}/test"),
    ):
        assert refused.status_code == 422
        assert refused.json()["field"] == "profile"
    assert (await house.client.delete(where)).status_code == 204
    assert (await house.client.get(where)).status_code == 404
