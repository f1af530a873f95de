"""What a script answers in the scene: Cerb's example package, imported as its document has it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from demo.checks import expect
from hookferry.client import Client

PACKAGE = Path(__file__).with_name("webhooks_example.json")
"""The JSON of Cerb's guide "Configure webhooks", unchanged."""
HANDLER = """\
automation/example:
    uri: cerb:automation:example.webhook.respond
    disabled@bool: no
"""
"""The event KATA of the same guide."""
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Automating:
    """A package, a source that runs its script, and the script's answers.

    Args:
        client: of the server.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def imported(self) -> str:
        """The package, as it stands: an automation is made of it."""
        made = self._client.packages.import_(PACKAGE.read_text())
        names = [record.name for group in made.records for record in group.items]
        expect(names == ["example.webhook.respond"], f"it made {names}")
        return f"created the automation {names[0]}"

    def answered(self) -> str:
        """A POST with a header of its own: the script tells what it saw."""
        source = self._client.sources.create("Webhook Example", automations_kata=HANDLER)
        said = self._asked(source.url + "?key=value", {"X-CustomHeader": "true"}, "POST")
        http = said["http"]
        expect(list(said) == ["http", "client"], f"it answered {list(said)}")
        expect(list(http) == ["method", "path", "headers", "params"], f"it told {list(http)}")
        expect(http["method"] == "POST" and http["path"] == "", f"it saw {http}")
        expect(http["headers"].get("x_customheader") == "true", f"it saw {http['headers']}")
        expect(http["params"] == {"key": "value"}, f"it saw {http['params']}")
        said = self._asked(source.url + "?name=Joe+Customer&age=37", {}, "GET")
        expect(said["http"]["params"] == {"name": "Joe Customer", "age": "37"}, f"saw {said}")
        runs = list(self._client.runs.list(limit=10))
        expect([run.exit for run in runs] == ["return", "return"], f"its log has {runs}")
        return "a script answered 200 with what it saw: method, path, headers, params, caller"

    def _asked(self, url: str, headers: dict[str, str], method: str) -> dict[str, Any]:
        request = urllib.request.Request(url, headers=headers, method=method)
        try:
            with _NO_PROXY.open(request, timeout=10) as answer:
                status, kind, body = answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                status, kind, body = refusal.code, None, b""
        expect(status == 200, f"answered {status} instead of 200")
        expect(kind == "application/json", f"its Content-Type is {kind}")
        said: dict[str, Any] = json.loads(body)
        return said
