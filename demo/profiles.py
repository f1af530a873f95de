"""The receivers of the scene, one per profile, and what each has to see of the published event."""

from __future__ import annotations

from demo.checks import expect
from hookferry.client import Client, Published, Webhook
from hookferry.testing import Receiver
from hookferry.testing.records import Received

TEXT_SECRET = "as typed into the form"
TENANT_KEY = "one key for all of a tenant"
USER, PASSWORD = "servicedesk", "pass word"

RECEIVERS: dict[str, tuple[str, str | None]] = {
    "standard": ("standard", None),
    "raw": ("raw", None),
    "cloudevents": ("cloudevents", None),
    "superoffice": ("superoffice", TEXT_SECRET),
    "happyfox": ("happyfox", TENANT_KEY),
    "hornbill": ("hornbill", f"{USER}:{PASSWORD}"),
}
"""By profile: the scheme its receiver verifies by, and the secret where it is known beforehand."""


def subscribe(client: Client, at: dict[str, Receiver], events: list[str]) -> dict[str, Webhook]:
    """Make one webhook per profile and give each receiver its secret."""
    client.tenants.put("default", webhook_key=TENANT_KEY)
    client.credentials.create("desk", "basic", username=USER, password=PASSWORD)
    create = client.webhooks.create
    made = {
        "standard": create("standard", at["standard"].url, ["order.*"]),
        "raw": create("raw", at["raw"].url, events, profile="raw"),
        "cloudevents": create("cloudevents", at["cloudevents"].url, events, profile="cloudevents"),
        "superoffice": create(
            "CRM mirror",
            at["superoffice"].url,
            events,
            profile="superoffice",
            secret=TEXT_SECRET,
            properties={"site": "north"},
        ),
        "happyfox": create("happyfox", at["happyfox"].url, events, profile="happyfox"),
        "hornbill": create(
            "hornbill",
            at["hornbill"].url,
            events,
            profile="hornbill",
            payload_format="xml",
            credential="desk",
        ),
    }
    for profile, webhook in made.items():
        if RECEIVERS[profile][1] is None:
            at[profile].secret = webhook.secret
    return made


def came(receiver: Receiver, path_mark: str, value: str) -> Received:
    """Return the one request that has this header value, which its receiver must have verified."""
    [request] = receiver.wait_for(1, where=lambda r: r.header(path_mark) == value)
    expect(request.verified is not None, f"refused: {request.problem}")
    return request


def superoffice(receiver: Receiver, event: Published) -> str:
    """A test event before the webhook was saved, then the notification."""
    first = receiver.requests[0]
    expect(first.header("X-Hook-Test") == "true", "no test event came first")
    request = came(receiver, "X-SuperOffice-Event", "order.paid")
    said = request.json()
    expect(said["EventId"] == request.header("X-SuperOffice-EventId"), f"two EventIds: {said}")
    expect(said["site"] == "north", f"no properties: {said}")
    expect(said["FieldValues"]["order"] == 17, f"other data: {said}")
    return f"test event first; HMAC-SHA256 over the body; EventId {said['EventId'][:13]}..."


def happyfox(receiver: Receiver, event: Published) -> str:
    """The tenant's one key, in HMAC-SHA1."""
    [request] = receiver.wait_for(1)
    expect(request.verified is not None, f"refused: {request.problem}")
    said = request.json()
    expect(said["event"] == "order_paid", f"another event: {said}")
    expect(request.verified is not None and request.verified.id == said["uuid"], "two uuids")
    return f"{str(request.header('X-Webhook-Signature'))[:18]}..., by the tenant's key"


def hornbill(receiver: Receiver, event: Published) -> str:
    """XML, with Basic authentication from a sealed credential."""
    [request] = receiver.wait_for(1)
    expect(request.verified is not None, f"refused: {request.problem}")
    expect(request.body.startswith(b"<?xml"), f"no XML: {request.body!r}")
    said = request.json()
    expect(said["eventSource"] == "urn:webhook:entity:order:paid", f"another source: {said}")
    expect(said["record"]["order"] == 17, f"other data: {said}")
    return "onEntityEvent in XML, user and password from a credential"


def cloudevents(receiver: Receiver, event: Published) -> str:
    """A handshake before the webhook was saved, then the event."""
    asked = receiver.requests[0]
    expect(asked.method == "OPTIONS", "nobody asked for permission")
    request = came(receiver, "webhook-id", event.id)
    said = request.json()
    expect(said["specversion"] == "1.0", f"no CloudEvent: {said}")
    expect(said["id"] == event.id, f"another id: {said}")
    origin = asked.header("WebHook-Request-Origin")
    return f"permission asked as {origin}, then a CloudEvent 1.0"
