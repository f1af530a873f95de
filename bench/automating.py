"""The row ``automation``: requests that a script answers while the caller waits."""

from __future__ import annotations

import contextlib
import http.client
import sqlite3
import threading
import urllib.parse
from pathlib import Path

from bench.figures import Figure, baseline_us
from bench.server import Server
from bench.windows import Answered, Bench, Window, median, rounds

WEBHOOKS = 50
_TAKEN = 200
_RATE = 200.0
_ECHO = """start:
  set:
    response:
      http:
        method@key: request_method
        path@key: request_path
        headers@key: request_headers
        params@key: request_params
      client:
        ip@key: request_client_ip
  return:
    status_code: 200
    headers:
      Content-Type: application/json
    body@text: {{response|json_encode|json_pretty}}
"""
"""What Cerb's document answers requests with (behaviours T1)."""
_STEPS = 100
_HUNDRED = "start:\n  set/first:\n    sum@int: 0\n" + "".join(
    f"  set/s{n}:\n    sum@int: {{{{sum + {n}}}}}\n" for n in range(_STEPS - 2)
)
_HUNDRED += "  return:\n    body: {{sum}}\n"


_FOREVER = "start:\n  while:\n    if@bool: yes\n    do:\n"
_HOSTILE = {
    "nested": """start:
  set:
    numbers@json: {{range(1, 9999)|json_encode}}
  repeat/outer:
    each@key: numbers
    as: i
    do:
      repeat/inner:
        each@key: numbers
        as: j
        do:
          set:
            k: {{i * j}}
""",
    "texts": "start:\n  set:\n    a: aaaaaaaaaaaaaaaa\n"
    + _FOREVER.removeprefix("start:\n")
    + "      set:\n        a: {{a}}{{a}}\n",
    "lists": "start:\n  set:\n    a@json: [1]\n"
    + _FOREVER.removeprefix("start:\n")
    + "      set:\n        a@json: {{a|merge(a)|json_encode}}\n",
    "regex": _FOREVER + "      set:\n        a: {{'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' matches "
    "'/^(a+)+$/'}}\n",
    "recursion": "start:\n  function:\n    uri: cerb:automation:bench.recursion\n",
    "storage": "start:\n  set:\n    n@int: 0\n"
    + _FOREVER.removeprefix("start:\n")
    + "      set:\n        n@int: {{n + 1}}\n      storage.set:\n        inputs:\n"
    "          key: k{{n}}\n          value: x\n",
}
"""Scripts that would never end, or take all memory."""
_PACED = 500.0
"""Events a second that others publish meanwhile."""
_LONGEST_MS = 1_000.0


def answering(bench: Bench, name: str, folder: Path, script: str) -> Server:
    """Start a server with a source whose callers a script answers."""
    server = Server(name, folder / name)
    server.call(
        "POST",
        "/api/v1/automations",
        {
            "name": "bench.respond",
            "extension_id": "cerb.trigger.webhook.respond",
            "script": script,
            "policy_kata": "commands:\n",
        },
    )
    made = server.call(
        "POST",
        "/api/v1/sources",
        {
            "name": "answered",
            "automations_kata": "automation/respond:\n  uri: cerb:automation:bench.respond\n",
        },
    )
    path = urllib.parse.urlsplit(made["url"]).path
    bench.connect_caller(name, server.port, path, taken=_TAKEN)
    return server


def hostile(bench: Bench, folder: Path) -> tuple[Server, list[str]]:
    """Start a server with webhooks, and a source for each hostile script."""
    server = Server("hostile", folder / "hostile")
    for number in range(WEBHOOKS):
        server.subscribe(number, bench.good_url(server))
    bench.connect(server, WEBHOOKS)
    urls = []
    for name, script in _HOSTILE.items():
        server.call(
            "POST",
            "/api/v1/automations",
            {
                "name": f"bench.{name}",
                "extension_id": "cerb.trigger.webhook.respond",
                "script": script,
                "policy_kata": "commands:\n  all:\n    allow@bool: yes\n",
            },
        )
        kata = f"automation/hostile:\n  uri: cerb:automation:bench.{name}\n"
        made = server.call("POST", "/api/v1/sources", {"name": name, "automations_kata": kata})
        urls.append(made["url"])
    return server, urls


class Callers:
    """Call hostile scripts, one after the other, for as long as a load is under way."""

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers: list[int] = []

    def __enter__(self) -> None:
        self._over.clear()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            for url in self._urls:
                connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
                try:
                    connection.request("POST", urllib.parse.urlsplit(url).path)
                    self.answers.append(connection.getresponse().status)
                finally:
                    connection.close()


def longest(server: Server) -> tuple[int, float]:
    """Return how many runs a stopped server's ledger has, and how long the longest took in ms."""
    path = next(server.data.glob("*.sqlite3"))
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        exits = dict(ledger.execute("SELECT exit, count(*) FROM runs GROUP BY exit").fetchall())
        most = ledger.execute("SELECT max(duration) FROM runs").fetchone()[0]
    if exits.keys() - {"error"}:
        raise SystemExit(f"bench: void: hostile scripts ended in {exits}")
    return sum(exits.values()), most


def audit(bench: Bench, server: Server) -> None:
    """Stop a server and balance its runs against the load; anything else makes the run void."""
    server.stop()
    taken = bench.called[server.name]
    path = next(server.data.glob("*.sqlite3"))
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        runs = dict(ledger.execute("SELECT exit, count(*) FROM runs GROUP BY exit").fetchall())
    if runs != {"return": taken}:
        raise SystemExit(f"bench: void: {server.name} answered {taken:,}, its ledger says {runs}")


def automation(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    """Scripts that answer requests: CPU for each, how soon; what hostile ones do to others."""
    return [*_answered(bench, null, folder), *_beside_hostile(bench, null, folder)]


def _beside_hostile(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    server, urls = hostile(bench, folder)
    callers = Callers(urls)
    count = int(_PACED * bench.plan.paced_seconds) // WEBHOOKS * WEBHOOKS
    bench.window(server, count // 4, _PACED)
    found: list[Window] = []
    void = 0
    for quiet in rounds(bench, null):
        if not quiet:
            void += 1
            continue
        with callers:
            found.append(bench.window(server, count, _PACED))
    server.stop()
    runs, most = longest(server)
    if set(callers.answers) != {500} or runs != len(callers.answers):
        raise SystemExit(f"bench: void: {runs} runs, answered {set(callers.answers)}")
    note = f"beside {runs} runs of {len(urls)} hostile scripts"
    return [
        Figure(
            "automation",
            f"at {_PACED:.0f} events/s beside hostile scripts: ack p99",
            "ms",
            median([window.ack_p99_ms for window in found]),
            25,
            10,
            windows=len(found),
            void=void,
            note=note,
        ),
        Figure(
            "automation",
            "the same: publish to receipt p99",
            "ms",
            median([window.receipt_p99_ms for window in found]),
            50,
            20,
            windows=len(found),
            void=void,
        ),
        Figure("automation", "the longest hostile run", "ms", most, _LONGEST_MS, 500, note=note),
    ]


def _answered(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    echo = answering(bench, "echo", folder, _ECHO)
    hundred = answering(bench, "hundred", folder, _HUNDRED)
    calls = bench.plan.events // 4
    paced = int(_RATE * bench.plan.paced_seconds)
    for server in (echo, hundred):  # warm up
        bench.calls(server, calls // 4)
    scale: list[float] = []
    echoes: list[Answered] = []
    hundreds: list[Answered] = []
    steady: list[Answered] = []
    void = 0
    for quiet in rounds(bench, null):
        if not quiet:
            void += 1
            continue
        before = bench.reference_us()
        echoes.append(bench.calls(echo, calls))
        hundreds.append(bench.calls(hundred, calls))
        scale.append(2 * baseline_us() / (before + bench.reference_us()))
        steady.append(bench.calls(echo, paced, _RATE))
    audit(bench, echo)
    audit(bench, hundred)
    windows = len(scale)
    return [
        Figure(
            "automation",
            "CPU per request answered by the document's script",
            "us",
            median([one.cpu_us * s for one, s in zip(echoes, scale, strict=True)]),
            900,
            450,
            raw=median([one.cpu_us for one in echoes]),
            windows=windows,
            void=void,
            note=f"{median([one.per_s for one in echoes]):,.0f} requests/s, p99 "
            f"{median([one.p99_ms for one in echoes]):.0f} ms at 64 in flight",
        ),
        Figure(
            "automation",
            f"the same by a script of {_STEPS} steps",
            "us",
            median([one.cpu_us * s for one, s in zip(hundreds, scale, strict=True)]),
            1_800,
            900,
            raw=median([one.cpu_us for one in hundreds]),
            windows=windows,
            void=void,
            note=f"{median([one.per_s for one in hundreds]):,.0f} requests/s",
        ),
        Figure(
            "automation",
            f"at {_RATE:.0f} requests/s: answer p99",
            "ms",
            median([one.p99_ms for one in steady]),
            25,
            10,
            windows=windows,
            void=void,
        ),
    ]
