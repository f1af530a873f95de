"""Create a webhook for examples/receiver.py and publish a few events to it.

    hookferry serve --allow-http --allow-targets 127.0.0.1/32
    python examples/publish.py http://127.0.0.1:9000/hooks shop.secret

It takes the API key from ./hookferry-data, so run it where the server runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hookferry.client import Client

target, secret_file = sys.argv[1], Path(sys.argv[2])
key = Path("hookferry-data/admin.key").read_text().strip()

with Client("http://127.0.0.1:8080", api_key=key) as client:
    for webhook in client.webhooks.list():
        if webhook.name == "example":  # of an earlier run; its secret is gone
            client.webhooks.delete(webhook.id)
    webhook = client.webhooks.create("example", target, ["order.*"])
    secret_file.write_text(webhook.secret or "")
    for number in (17, 18, 19):
        # An id of your own: repeating the publish, after a crash of yours, changes nothing.
        event = client.publish("order.paid", {"order": number}, id=f"{webhook.id}-{number}")
        print("published", event.id, "to", event.deliveries, "webhook")
