"""The words hold: the README's quick start runs as printed, and so does every block of the pages.

A block of ``sh`` or ``python`` in README.md or docs/ is run, word for word but for the two ports,
unless a comment before it says why not (``<!-- not run: ... -->``).
"""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hookferry.api.problems import catalogue
from hookferry.automate.automations import TRIGGERS, AutomationDefinition
from hookferry.automate.packages.kinds import CONTEXTS
from hookferry.automate.packages.library import library
from hookferry.automate.timers import TimerDefinition
from hookferry.catch.definition import SourceDefinition
from hookferry.client import Client
from hookferry.domain.delivery import DeliveryState
from hookferry.domain.event import EventState
from hookferry.domain.request import Verdict as Caught
from hookferry.domain.run import RunExit
from hookferry.domain.source import Respond
from hookferry.domain.webhook import Mode, WebhookState
from hookferry.engine.automation_events import AutomationEventDefinition
from hookferry.engine.definition import WebhookDefinition
from hookferry.engine.event_types import EventTypeSettings
from hookferry.engine.schema_checks import MODES
from hookferry.engine.verdicts import (
    CALLER_GONE,
    DELIVERED,
    FAILED,
    NO_ANSWER,
    SKIPPED,
    VETOED,
    Report,
    judge,
)
from hookferry.match.operators import OPERATORS
from hookferry.testing import Receiver
from hookferry.transport.guard import Verdict
from hookferry.transport.port import ErrorKind
from hookferry.wire.profiles import PROFILES
from hookferry.wire.verification import Reason

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "examples" / "README.md",
    *sorted(DOCS.rglob("*.md")),
]
SERVER_PORT, RECEIVER_PORT = "8080", "9000"
_BLOCK = re.compile(
    r"(?:^<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block, and the comment on the line before it."""

    note: str
    language: str
    text: str

    def runs_as(self, language: str) -> bool:
        return self.language == language and not self.note.startswith("not run:")


def blocks_of(page: Path) -> list[Block]:
    return [
        Block(found["note"] or "", found["language"], found["text"])
        for found in _BLOCK.finditer(page.read_text())
    ]


def block_of(page: Path, note: str) -> Block:
    [block] = [block for block in blocks_of(page) if block.note == note]
    return block


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Desk:
    """A newcomer's folder, with terminals: commands run in it as the pages print them."""

    def __init__(self, folder: Path, receiver_port: str) -> None:
        self.folder = folder
        self.ports = {SERVER_PORT: free_port(), RECEIVER_PORT: receiver_port}
        (folder / ".venv").symlink_to(sys.prefix)
        self._open: list[subprocess.Popen[str]] = []
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("HOOKFERRY_")}
        self.environ |= {"HOOKFERRY_PORT": self.ports[SERVER_PORT]}

    def here(self, text: str) -> str:
        """The text with the ports that are free on this machine."""
        return re.sub(r"\b(8080|9000)\b", lambda found: self.ports[found[0]], text)

    def save(self, name: str, text: str) -> None:
        (self.folder / name).write_text(self.here(text))

    def start(self, command: str) -> subprocess.Popen[str]:
        """Run a command in a terminal of its own."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {self.here(command)}"],
            cwd=self.folder,
            env=self.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._open.append(process)
        return process

    def start_server(self) -> None:
        server = self.start(block_of(ROOT / "README.md", "quick start: server").text)
        said = until(server, '"listening"')
        assert f"http://127.0.0.1:{self.ports[SERVER_PORT]}" in said

    def run(self, *command: str, **environ: str) -> str:
        """Run a command to its end; return what it printed."""
        done = subprocess.run(
            [self.here(part) for part in command],
            cwd=self.folder,
            env={**self.environ, **environ},
            text=True,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def close(self) -> None:
        for process in reversed(self._open):
            process.terminate()
            process.communicate(timeout=40)


def until(process: subprocess.Popen[str], text: str) -> str:
    """Read lines until one holds ``text``; return it."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if text in line:
            return line
    raise AssertionError(f"{text!r} was never said; {''.join(said)}")


def test_the_quick_start_leads_to_a_verified_delivery(tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    desk = Desk(tmp_path, free_port())
    try:
        desk.start_server()
        create = block_of(readme, "quick start: webhook").text
        desk.run("bash", "-ec", create)
        key = create.splitlines()[0]
        assert key.startswith("export KEY=")
        desk.save("receiver.py", block_of(readme, "quick start: receiver.py").text)
        receiver = desk.start(block_of(readme, "quick start: receive").text)
        until(receiver, "waiting")
        publish = block_of(readme, "quick start: publish").text
        answer = json.loads(desk.run("bash", "-ec", f"{key}\n{publish}"))
        printed = json.loads(block_of(readme, "quick start: answer").text)
        assert answer == {**printed, "id": answer["id"]}
        verified = until(receiver, "verified")
        shown = block_of(readme, "quick start: verified").text
        assert _without_times(verified) == _without_times(shown)
        assert answer["id"] in verified
        desk.save("publish.py", block_of(readme, "quick start: publish.py").text)
        first = desk.run(".venv/bin/python", "publish.py")
        assert first.split()[0] in until(receiver, "verified")
        assert desk.run(".venv/bin/python", "publish.py") == first
    finally:
        desk.close()


def _without_times(line: str) -> str:
    return re.sub(r"evt_\w+|\d{4}-[\d:.T-]+Z", "...", line).strip()


# --------------------------------------------------------------------------- the other blocks


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with a server, one webhook ``shop``, and one event of it delivered."""
    with Receiver() as receiver:
        # A success under every profile, and consent to any handshake.
        receiver.answer(200, {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"})
        desk = Desk(tmp_path_factory.mktemp("desk"), str(receiver.port))
        try:
            desk.start_server()
            key = (desk.folder / "hookferry-data" / "admin.key").read_text().strip()
            with Client(desk.here("http://127.0.0.1:8080"), api_key=key) as client:
                webhook = client.webhooks.create("seed", f"{receiver.url}/hooks", ["seed.*"])
                event = client.publish("seed.sown", {"n": 1})
                receiver.wait_for(1)
                [delivery] = client.events.deliveries(event.id)
                source = client.sources.create("seed", verify={"preset": "github", "secret": "s"})
            desk.environ |= {
                "KEY": key,
                "URL": desk.here("http://127.0.0.1:8080"),
                "WEBHOOK": webhook.id,
                "SECRET": webhook.secret or "",
                "EVENT": event.id,
                "DELIVERY": delivery.id,
                "SOURCE": source.id,
            }
            yield desk
        finally:
            desk.close()


def _runnable(language: str) -> list[Path]:
    """The pages of docs/ with something to run; README's blocks are the quick start."""
    return [
        page
        for page in PAGES
        if DOCS in page.parents and any(block.runs_as(language) for block in blocks_of(page))
    ]


@pytest.mark.parametrize("page", _runnable("sh"), ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(desk: Desk, page: Path) -> None:
    for block in blocks_of(page):
        if block.runs_as("sh"):
            refused = 'PATH=".venv/bin:$PATH"\ncurl() { command curl --fail-with-body "$@"; }\n'
            desk.run("bash", "-ec", refused + block.text)


@pytest.mark.parametrize("page", _runnable("python"), ids=lambda page: page.stem)
def test_the_programs_of_a_page_run(desk: Desk, page: Path) -> None:
    program = "\n".join(block.text for block in blocks_of(page) if block.runs_as("python"))
    desk.run(sys.executable, "-c", program)


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda e: e.stem)
def test_an_example_says_in_its_docstring_how_it_is_run(example: Path) -> None:
    assert f"python examples/{example.name}" in example.read_text().split('"""')[1]


def test_the_examples_talk_to_each_other(desk: Desk) -> None:
    examples = ROOT / "examples"
    for name in ("receiver.py", "publish.py"):
        desk.save(name, (examples / name).read_text())
    port = free_port()
    receiver = desk.start(f"{sys.executable} -u receiver.py {port} shop.secret")
    until(receiver, "listening")
    created = desk.run(
        sys.executable, "publish.py", f"http://127.0.0.1:{port}/hooks", "shop.secret"
    )
    assert until(receiver, "order.paid").split()[1] in created


# --------------------------------------------------------------------------- links and names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in _anchors(target), f"{page.name} links to {link}"


def _anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of a page's headings."""
    return {_anchor(heading) for heading in re.findall(r"^#+ (.*)$", page.read_text(), re.M)}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def _first_cells(page: str) -> set[str]:
    """What the first cells of a page's tables name."""
    rows = re.findall(r"^\| ([^|]*) \|", (DOCS / page).read_text(), re.M)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("api.md", {code for code, _, _ in catalogue()}),
        ("sending.md", set(ErrorKind)),
        ("sending.md", set(Verdict)),
        ("signatures.md", set(Reason)),
        ("states.md", {state.name.lower() for state in DeliveryState}),
        ("states.md", {state.label for state in WebhookState}),
        ("modes.md", set(Mode)),
        ("modes.md", {DELIVERED, FAILED, VETOED, NO_ANSWER, SKIPPED, CALLER_GONE}),
        ("webhooks.md", set(WebhookDefinition.__struct_fields__)),
        ("webhooks.md", set(PROFILES)),
        ("sources.md", set(SourceDefinition.__struct_fields__)),
        ("sources.md", set(Respond.__struct_fields__)),
        ("inspector.md", {verdict.label for verdict in Caught}),
        ("conditions.md", set(OPERATORS)),
        ("event_types.md", set(EventTypeSettings.__struct_fields__)),
        ("event_types.md", set(MODES)),
        ("automations.md", set(AutomationDefinition.__struct_fields__)),
        ("automations.md", set(AutomationEventDefinition.__struct_fields__)),
        ("automations.md", set(TimerDefinition.__struct_fields__)),
        ("automations.md", {*TRIGGERS, *RunExit}),
        ("packages.md", {*library(), "package", "library", "prompts"}),
        ("packages.md", {name for name in CONTEXTS if "." not in name}),
        ("publishing.md", {state.name.lower() for state in EventState}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_name_that_programs_see_stands_in_a_table(page: str, names: set[str]) -> None:
    assert names - _first_cells(page) == set()


RULES = re.findall(r"^\| (.*) \| \[[^]]*\]\(([^)]*)\) \|$", (DOCS / "rules.md").read_text(), re.M)


@pytest.mark.parametrize(("rule", "place"), RULES, ids=[rule[:40] for rule, _ in RULES])
def test_a_rule_stands_where_the_page_of_rules_says(rule: str, place: str) -> None:
    name, _, anchor = place.partition("#")
    text = re.sub(r"[`*]", "", _section(DOCS / name, anchor))
    for term in re.findall(r"`([^`]+)`", rule):
        plain = re.escape(re.sub(r"[`*]", "", term))
        assert re.search(rf"(?<!\w){plain}(?!\w)", text, re.I), f"{term!r} is not in {place}"


def _section(page: Path, anchor: str) -> str:
    """The text under the heading with this anchor, its subsections included; or the page."""
    if not anchor:
        return page.read_text()
    depth, lines = 0, []
    for line in page.read_text().splitlines():
        level = len(line) - len(line.lstrip("#"))
        if level and line[level : level + 1] == " ":
            if depth and level <= depth:
                break
            if _anchor(line[level:]) == anchor:
                depth = level
        if depth:
            lines.append(line)
    return "\n".join(lines)


def test_the_table_of_modes_says_what_the_engine_decides() -> None:
    rows = re.findall(
        r"^\| `(sync\w*)` \| `(\w+)` \| (.*) \| (.*) \| (.*) \|$",
        (DOCS / "modes.md").read_text(),
        re.M,
    )
    assert len(rows) == 4
    for mode, phase, *cells in rows:
        for cell, status in zip(cells, (200, 500, None), strict=True):
            report = Report(
                webhook_id=1,
                name="x",
                delivery_id=1,
                mode=Mode(mode),
                status=status,
                success=status == 200,
                error="timeout" if status is None else None,
            )
            verdict = judge(1, [report], before=phase == "before")
            outcome = verdict.outcomes[0].outcome
            said = [f"424 `{verdict.error.code}`"] if verdict.error else ["200"]
            if verdict.error is None or verdict.error.code != outcome:
                said.append(f"`{outcome}`")
            assert cell == ", ".join(said), (mode, phase, status)


def test_the_status_of_each_code_is_the_one_answered() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", (DOCS / "api.md").read_text(), re.M)
    assert dict(rows) == {code: str(status) for code, status, _ in catalogue()}


def test_the_data_folder_is_for_its_owner_alone(desk: Desk) -> None:
    folder = desk.folder / "hookferry-data"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    named = _first_cells("operations.md")
    assert {path.name for path in folder.iterdir()} <= {
        *named,
        *(f"ledger.sqlite3{end}" for end in ("-wal", "-shm") if end in named),
    }
