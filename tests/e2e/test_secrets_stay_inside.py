"""What a server process writes and counts while it is configured, used and provoked at log level
debug: no secret and no payload.
"""

from __future__ import annotations

import base64
from pathlib import Path

import trustme

from .kit import API_KEY, serving

PAYLOAD = "payload-that-is-nobodys-business"
SIGNING = "whsec_" + base64.b64encode(b"signing-secret-of-thirty-two-byt").decode()
AUTHORIZATION = "custom-authorization-of-a-receiver"
PROXY_PASSWORD = "password-of-the-proxy"
WEBHOOK_KEY = "webhook-key-of-the-tenant"
REFUSED = "1"


async def test_logs_and_metrics_hold_no_secret_and_no_payload(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("client.test")
    client_key = issued.private_key_pem.bytes().decode()
    chain = issued.cert_chain_pems[0].bytes().decode()
    async with serving(tmp_path / "data", HOOKFERRY_LOG_LEVEL="debug") as (process, calls):
        client = calls.client
        base = {
            "events": ["*"],
            "secret": SIGNING,
            "headers": {"Authorization": f"Bearer {AUTHORIZATION}"},
            "retry": {"schedule": [], "jitter": 0},
        }
        answers = [
            await client.post("/api/v1/webhooks", json={"name": name, **base, **fields})
            for name, fields in {
                "dead": {"target_url": f"http://127.0.0.1:{REFUSED}/hook"},
                "proxied": {
                    "target_url": f"http://127.0.0.1:{REFUSED}/hook",
                    "proxy": f"http://user:{PROXY_PASSWORD}@127.0.0.1:{REFUSED}",
                },
                "certified": {
                    "target_url": f"http://127.0.0.1:{REFUSED}/hook",
                    "client_certificate": {"certificate": chain, "private_key": client_key},
                },
            }.items()
        ]
        assert [a.status_code for a in answers] == [201, 201, 201], [a.text for a in answers]
        made = await client.post("/api/v1/keys", json={"name": "another"})
        other_key = made.json()["key"]
        await client.put("/api/v1/tenants/default", json={"webhook_key": WEBHOOK_KEY})
        for answer in answers:
            url = f"/api/v1/webhooks/{answer.json()['id']}"
            await client.post(f"{url}/test", json={})
            await client.patch(url, json={"headers": {"Authorization": f"{AUTHORIZATION}\n"}})
            await client.post(f"{url}/secret", json={"secret": SIGNING, "overlap": -1})
        event = await calls.publish("a.b", PAYLOAD)
        for publish in (
            b'{"type":"a.b","data":"' + PAYLOAD.encode(),
            b'{"type":"a b","data":"' + PAYLOAD.encode() + b'"}',
            b'{"type":"a.b","dat":"' + PAYLOAD.encode() + b'"}',
        ):
            refused = await client.post("/api/v1/events", content=publish)
            assert refused.status_code in (400, 422)
        stranger = {"Authorization": f"Bearer {other_key}x"}
        assert (await client.get("/api/v1/events", headers=stranger)).status_code == 401
        await client.get(f"/api/v1/events/{event}/deliveries")
        metrics = (await client.get("/metrics")).text
    written = process.said.decode()
    assert "listening" in written
    secrets = {
        "API key": API_KEY,
        "another API key": other_key,
        "signing secret": SIGNING.removeprefix("whsec_"),
        "custom header": AUTHORIZATION,
        "proxy's password": PROXY_PASSWORD,
        "client key": client_key.splitlines()[1],
        "tenant's webhook key": WEBHOOK_KEY,
        "payload": PAYLOAD,
    }
    assert [what for what, s in secrets.items() if s in written] == []
    assert [what for what, s in secrets.items() if s in metrics] == []
