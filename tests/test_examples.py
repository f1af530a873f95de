"""The examples work: every receiver takes what hookferry sends under every profile, and no forgery.

Each runs as a process of its own, as its first lines say. A framework or Node that is not installed
leaves its receiver out; the development requirements bring all of them but Node.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from hookferry import sign
from hookferry.client import Client
from hookferry.domain.event import Event, EventMeta
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.engine.dispatch import Carrier, Plan, PreparedSecret
from hookferry.transport.target import parse_target
from hookferry.wire.handshake import handshake_request, judge
from hookferry.wire.profiles import PROFILES
from hookferry.wire.standard_webhooks import new_secret

ROOT = Path(__file__).parents[1]
RECEIVERS = ROOT / "examples" / "receivers"
KEY = "hf_a_key_for_the_examples_0123456789"
STANDARD = new_secret()
SECRETS = {
    "standard": STANDARD,
    "raw": STANDARD,
    "cloudevents": STANDARD,
    "superoffice": "Something Super Secret €",
    "happyfox": "my-webhook-key",
    "hornbill": "admin:pass:word",
}
NEEDS = {"fastapi_receiver": "fastapi", "flask_receiver": "flask", "django_receiver": "django"}


def _available() -> list[Path]:
    python = [
        receiver
        for receiver in sorted(RECEIVERS.glob("*.py"))
        if importlib.util.find_spec(NEEDS.get(receiver.stem, "json"))
    ]
    return [*python, *sorted(RECEIVERS.glob("*.mjs"))] if shutil.which("node") else python


class Program:
    """A program that says ``Running on`` once it listens."""

    def __init__(self, *command: str, cwd: Path, **environ: str) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HOOKFERRY_")}
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**clean, **environ},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def until(self, text: str) -> str:
        """Read lines until one holds ``text``; return it."""
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if text.lower() in line.lower():
                return line
        raise AssertionError(f"{text!r} was never said: {''.join(said)}")

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=40)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running(NamedTuple):
    """A receiver that listens."""

    url: str
    program: Program


@pytest.fixture(scope="module", params=_available(), ids=lambda path: path.stem)
def receiver(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("receiver")
    (folder / "secrets.json").write_text(json.dumps(SECRETS))
    interpreter = "node" if request.param.suffix == ".mjs" else sys.executable
    port = free_port()
    program = Program(interpreter, str(request.param), str(port), "secrets.json", cwd=folder)
    try:
        program.until("Running on")
        yield Running(f"http://127.0.0.1:{port}", program)
    finally:
        program.close()


class Sent(NamedTuple):
    """A request as hookferry sends it."""

    headers: list[tuple[str, str]]
    body: bytes


def rendered(profile_name: str, url: str, payload_format: str | None = None) -> Sent:
    """Render a request by the engine's own plan."""
    profile = PROFILES[profile_name]
    webhook = Webhook(
        id=1,
        tenant_id=1,
        number=1,
        name="example",
        target_url=f"{url}/{profile_name}",
        events=("*",),
        profile=profile_name,
        payload_format=payload_format or profile.formats[0],
    )
    target, path = parse_target(webhook.target_url)
    secret = SECRETS[profile_name]
    keys: tuple[PreparedSecret, ...] = ()
    authorization = None
    if profile_name == "hornbill":
        [authorization] = sign("hornbill", secret, b"", id="m").items()
    else:
        keys = (PreparedSecret(profile.prepare_secret(secret), None),)
    rendering = profile.rendering(webhook, Tenant(id=1, name="acme"), "https://hooks.example.com")
    plan = Plan(webhook, profile, rendering, target, path, 15.0, keys, authorization)
    now_ms = int(time.time() * 1000)
    meta = EventMeta(entity="order", primary_key=17, actor_name="Ada Ünü")
    event = Event(5, 1, "order.paid", '{"order":17,"note":"ä€"}'.encode(), now_ms, meta=meta)
    head, _, body = plan.render(Carrier(event), now_ms, 1)
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return Sent([tuple(line.split(": ", 1)) for line in lines], body)  # type: ignore[misc]


FORMATS = [(name, form) for name, profile in PROFILES.items() for form in profile.formats]


@pytest.mark.parametrize(("profile", "payload_format"), FORMATS)
def test_it_takes_what_hookferry_sends_and_refuses_it_tampered_with(
    receiver: Running, profile: str, payload_format: str
) -> None:
    sent = rendered(profile, receiver.url, payload_format)
    url = f"{receiver.url}/{profile}"
    with httpx.Client(trust_env=False) as client:
        assert client.post(url, headers=sent.headers, content=sent.body).status_code == 200
        assert "17" in receiver.program.until(f"received {profile}")
        bare = [pair for pair in sent.headers if pair[0].lower() not in SIGNING]
        forged = {
            "unsigned": (bare, sent.body),
            "signed with another secret": ([*bare, *_others(profile, sent.body)], sent.body),
        }
        if profile != "hornbill":  # which does not vouch for the body
            forged["another body"] = (sent.headers, sent.body.replace(b"17", b"18"))
        for what, (headers, body) in forged.items():
            assert client.post(url, headers=headers, content=body).status_code == 401, what
        assert client.post(f"{receiver.url}/unknown", content=b"{}").status_code == 404


SIGNING = {
    "webhook-signature",
    "webhook-id",
    "webhook-timestamp",
    "x-superoffice-signature",
    "x-webhook-signature",
    "authorization",
}


def _others(profile: str, body: bytes) -> list[tuple[str, str]]:
    another = {"hornbill": "admin:wrong"}.get(profile, new_secret())
    return list(sign(profile, another, body, id="evt_1").items())


def test_an_old_signature_is_refused(receiver: Running) -> None:
    for ago in (-600, 600):
        headers = sign("standard", STANDARD, b"{}", id="evt_1", timestamp=int(time.time()) - ago)
        answer = httpx.post(f"{receiver.url}/standard", headers=headers, content=b"{}")
        assert answer.status_code == 401


def test_hostile_headers_are_refused_and_it_goes_on(receiver: Running) -> None:
    with httpx.Client(trust_env=False) as client:
        for profile in SECRETS:
            for value in (b"\xe9\xff", b"v1,", b"=", b"x" * 1000, b"sha1=", b"Basic \xff"):
                headers = [(name.encode(), value) for name in SIGNING]
                answer = client.post(f"{receiver.url}/{profile}", headers=headers, content=b"{}")
                assert answer.status_code == 401, (profile, value)


def test_it_agrees_to_be_sent_cloudevents(receiver: Running) -> None:
    origin = "https://hooks.example.com"
    lines = handshake_request(origin, 60).decode().splitlines()
    answer = httpx.request(
        "OPTIONS",
        f"{receiver.url}/cloudevents",
        headers=[tuple(line.split(": ", 1)) for line in lines],  # type: ignore[misc]
    )
    head = b"".join(b"\r\n%b: %b" % pair for pair in answer.headers.raw)
    assert judge(b"HTTP/1.1 200 OK" + head, answer.status_code, origin).rate is None


def test_there_is_a_receiver_for_every_framework_and_each_says_how_it_is_run() -> None:
    assert {path.stem for path in RECEIVERS.glob("*.py")} == {"stdlib", *NEEDS}
    for path in RECEIVERS.iterdir():
        if path.suffix in (".py", ".mjs"):
            assert f"examples/receivers/{path.name} 9000 secrets.json" in path.read_text()


# --------------------------------------------------------------------------- publishing


class Served(NamedTuple):
    """A server that listens."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    program = Program(
        *(sys.executable, "-m", "hookferry.cli", "serve", "--port", str(port)),
        cwd=folder,
        HOOKFERRY_API_KEY=KEY,
        HOOKFERRY_ALLOW_HTTP="true",
        HOOKFERRY_ALLOW_TARGETS="127.0.0.0/8",
    )
    try:
        program.until("listening")
        yield Served(f"http://127.0.0.1:{port}", folder)
    finally:
        program.close()


def test_a_server_and_a_receiver_agree_on_every_profile(server: Served, receiver: Running) -> None:
    with Client(server.url, api_key=KEY) as client:
        tenant = f"to{receiver.url.rpartition(':')[2]}"
        http = httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"})
        key = {"webhook_key": SECRETS["happyfox"]}
        assert http.put(f"/api/v1/tenants/{tenant}", json=key).status_code == 200
        user, _, password = SECRETS["hornbill"].partition(":")
        basic = {"name": "basic", "kind": "basic", "username": user, "password": password}
        made = http.post("/api/v1/credentials", params={"tenant": tenant}, json=basic)
        assert made.status_code == 201, made.text
        for name in PROFILES:
            # Saving superoffice's sends a test event, saving cloudevents' asks for permission.
            webhook = {
                "name": name,
                "target_url": f"{receiver.url}/{name}",
                "events": ["order.*"],
                "profile": name,
            }
            if name == "hornbill":
                webhook |= {"credential": "basic", "payload_format": "xml"}
            elif name != "happyfox":
                webhook |= {"secret": SECRETS[name]}
            made = http.post("/api/v1/webhooks", params={"tenant": tenant}, json=webhook)
            assert made.status_code == 201, made.text
        published = client.publish("order.paid", {"order": "of the server"}, tenant=tenant)
        assert published.deliveries == len(PROFILES)
        missing = set(PROFILES)
        while missing:
            line = receiver.program.until("of the server")
            missing -= set(re.findall(r"received (\w+)", line))  # threads may share a line
        http.close()


@pytest.mark.parametrize("style", ["curl", "cli"])
def test_a_publishing_example_publishes(server: Served, style: str) -> None:
    script = ROOT / "examples" / f"publish_{style}.sh"
    commands = Path(sys.executable).parent
    done = subprocess.run(
        ["sh", str(script), f"order.{style}", '{"order": 17}'],
        cwd=server.folder,
        env={
            "PATH": f"{commands}:{os.environ['PATH']}",
            "URL": server.url,
            "KEY": KEY,
            "HOOKFERRY_URL": server.url,
            "HOOKFERRY_API_KEY": KEY,
        },
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer = httpx.get(
        f"{server.url}/api/v1/events",
        params={"type": f"order.{style}"},
        headers={"Authorization": f"Bearer {KEY}"},
    )
    [event] = answer.json()["items"]
    assert event["id"] in done.stdout
    assert f"examples/{script.name} order.paid" in script.read_text()
