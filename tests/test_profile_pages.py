"""The pages of profiles show what is sent: each example is rendered anew and compared."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hookferry import ids, sign
from hookferry.domain.event import Event, EventMeta
from hookferry.domain.tenant import Tenant
from hookferry.domain.webhook import Webhook
from hookferry.engine.dispatch import Carrier, Plan, PreparedSecret
from hookferry.transport.target import parse_target
from hookferry.wire.profiles import PROFILES

PAGES = Path(__file__).parents[1] / "docs" / "profiles"
AT_MS = 1_769_851_800_123
"""2026-01-31T09:30:00.123Z"""
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = {
    "standard": STANDARD,
    "raw": STANDARD,
    "cloudevents": STANDARD,
    "superoffice": "Something Super Secret",
    "happyfox": "my-webhook-key",
}
ACTOR = {"actor_id": 5, "actor_name": "Ada"}
EVENTS: dict[str, tuple[str, bytes, EventMeta]] = {
    "superoffice": (
        "contact.changed",
        b'{"country_id":826}',
        EventMeta(primary_key=18, changes=["contact_id", "name"], **ACTOR),
    ),
    "happyfox": ("ticket.created", b'{"id":1,"subject":"The printer is on fire"}', EventMeta()),
    "hornbill": (
        "h_itsm_requests.created",
        b'{"h_pk_reference":"IN00000123","h_cost":12.50,"h_closed_by":null}',
        EventMeta(entity="Requests", actor_id="admin", actor_name="Ada"),
    ),
}
ORDER = (
    "order.paid",
    b'{"order":17}',
    EventMeta(entity="order", primary_key=17, actor_name="Ada Ünü"),
)


def example(name: str, payload_format: str) -> str:
    """Render the request of a page."""
    profile = PROFILES[name]
    webhook = Webhook(
        id=1,
        tenant_id=1,
        number=66,
        name="Tonys Contact Handler",
        target_url=f"https://crm.example.com/{name}",
        events=("*",),
        profile=name,
        payload_format=payload_format,
        properties={"site": "north"} if profile.takes_properties else {},
    )
    target, path = parse_target(webhook.target_url)
    keys: tuple[PreparedSecret, ...] = ()
    authorization = None
    if name == "hornbill":
        [authorization] = sign("hornbill", "admin:pass word", b"", id="m").items()
    else:
        keys = (PreparedSecret(profile.prepare_secret(SECRETS[name]), None),)
    rendering = profile.rendering(
        webhook, Tenant(id=1, name="Cust54321"), "https://hooks.example.com"
    )
    plan = Plan(webhook, profile, rendering, target, path, 15.0, keys, authorization)
    type_, payload, meta = EVENTS.get(name, ORDER)
    event_id = (AT_MS - ids.EPOCH_MS) << 22
    event = Event(event_id, 1, type_, payload, AT_MS, meta=meta)
    head, _, body = plan.render(Carrier(event), AT_MS, 1)
    return f"{head.decode()}{body.decode()}\n".replace("\r\n", "\n")


def shown() -> list[tuple[str, str, str]]:
    """Return every example of the pages: profile, format, text."""
    return [
        (found[1], found[2], found[3])
        for page in sorted(PAGES.glob("*.md"))
        for found in re.finditer(
            r"^<!-- example: (\w+) (\w+) -->\n```text\n(.*?)^```$", page.read_text(), re.M | re.S
        )
    ]


@pytest.mark.parametrize(("name", "payload_format", "text"), shown(), ids=lambda v: v[:12])
def test_an_example_is_what_is_sent(name: str, payload_format: str, text: str) -> None:
    assert text == example(name, payload_format)


def test_every_profile_has_a_page_with_an_example_of_each_of_its_formats() -> None:
    assert {(name, form) for name, form, _ in shown()} == {
        (name, form) for name, profile in PROFILES.items() for form in profile.formats
    }
    assert {page.stem for page in PAGES.glob("*.md")} == {"README", *PROFILES}
    overview = (PAGES / "README.md").read_text()
    assert all(f"[`{name}`]({name}.md)" in overview for name in PROFILES)


_JS = re.compile(r"^```js\n(.*?)^```$", re.M | re.S)
WITH_NODE = [page for page in sorted(PAGES.glob("*.md")) if _JS.search(page.read_text())]


@pytest.mark.parametrize(
    "page", WITH_NODE if shutil.which("node") else [], ids=lambda page: page.stem
)
def test_the_node_program_of_a_page_runs(page: Path) -> None:
    for program in _JS.findall(page.read_text()):
        done = subprocess.run(
            ["node", "--input-type=module", "-"],
            input=program,
            text=True,
            capture_output=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
