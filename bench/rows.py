"""The rows of the benchmark: what each measures, and the budgets it is held against."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.automating import automation
from bench.catching import catch, peer
from bench.features import extra, subscribed
from bench.features import features as all_features
from bench.figures import Figure, baseline_us
from bench.preload import fill
from bench.server import SECRET, Server
from bench.windows import SMALL, WINDOWS, Bench, Window, median, rounds

WEBHOOKS = 50
BAD = 10


def _subscribed(bench: Bench, name: str, folder: Path, *, null: bool = False) -> Server:
    server = Server(name, folder / name, null=null)
    for number in range(WEBHOOKS):
        server.subscribe(number, bench.good_url(server))
    bench.connect(server, WEBHOOKS)
    return server


def null_engine(bench: Bench, folder: Path) -> Server:
    """Start the null engine, which every row needs to tell whether the machine is quiet."""
    return _subscribed(bench, "null", folder, null=True)


def cpu(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    """Engine CPU per delivered event at full load, and what of it is the ledger's."""
    server = _subscribed(bench, "cpu", folder)
    events = bench.plan.events
    for one in (server, null):  # warm up: connections, caches, the file's first growth
        bench.window(one, events // 4)
    scale, raws, nulls, rates = [], [], [], []
    void = 0
    for quiet in rounds(bench, null):
        if not quiet:
            void += 1
            continue
        before = bench.reference_us()
        without = bench.window(null, events)
        with_ledger = bench.window(server, events)
        scale.append(2 * baseline_us() / (before + bench.reference_us()))
        nulls.append(without.cpu_us)
        raws.append(with_ledger.cpu_us)
        rates.append(with_ledger.delivered_per_s)
    bench.audit(server)
    both = list(zip(raws, nulls, scale, strict=True))
    note = f"{median(rates):,.0f} delivered/s beside load and sink"
    return [
        Figure(
            "cpu",
            "engine CPU per delivered event",
            "us",
            median([raw * s for raw, _, s in both]),
            250,
            160,
            raw=median(raws),
            windows=len(raws),
            void=void,
            note=note,
        ),
        Figure(
            "cpu",
            "of it the ledger's (engine - null engine)",
            "us",
            median([(raw - without) * s for raw, without, s in both]),
            90,
            50,
            raw=median([raw - without for raw, without, _ in both]),
            windows=len(raws),
            void=void,
        ),
    ]


def latency(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    """Acknowledgement and receipt at 1,000 events a second."""
    server = _subscribed(bench, "latency", folder)
    rate = 1000.0
    count = int(rate * bench.plan.paced_seconds)
    bench.window(server, count // 4, rate)
    found: list[Window] = []
    void = 0
    for quiet in rounds(bench, null):
        if quiet:
            found.append(bench.window(server, count, rate))
        else:
            void += 1
    bench.audit(server)
    return [
        Figure(
            "latency",
            "at 1,000 events/s: ack p99",
            "ms",
            median([window.ack_p99_ms for window in found]),
            25,
            10,
            windows=len(found),
            void=void,
        ),
        Figure(
            "latency",
            "at 1,000 events/s: publish to receipt p99",
            "ms",
            median([window.receipt_p99_ms for window in found]),
            50,
            20,
            windows=len(found),
            void=void,
        ),
    ]


def bad(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    """Ten of fifty receivers hang, drip, stall in TLS, lose their DNS: what the others notice."""
    names = f"127.0.0.1:{bench.ports['nameserver']}"
    calm = _subscribed(bench, "calm", folder)
    mixed = Server("mixed", folder / "mixed", nameservers=names)
    for number in range(WEBHOOKS):
        kind = ("hang", "drip", "tls", "dns")[number % 4] if number < BAD else "good"
        _subscribe_as(bench, mixed, number, kind)
    bench.connect(mixed, WEBHOOKS)
    share = (WEBHOOKS - BAD) / WEBHOOKS
    rate = 1000.0
    count = int(rate * bench.plan.paced_seconds) // WEBHOOKS * WEBHOOKS
    bench.sink.ask(do="misbehave", bad=True)
    full = bench.plan.events // WEBHOOKS * WEBHOOKS
    pairs: list[tuple[Window, Window]] = []
    rates: list[tuple[float, float]] = []
    void = 0
    for quiet in rounds(bench, null):
        if not quiet:
            void += 1
            continue
        without = bench.window(calm, count, rate)
        pairs.append((bench.window(mixed, count, rate, share=share), without))
        others = bench.window(calm, full).delivered_per_s * share
        rates.append((bench.window(mixed, full, share=share).delivered_per_s, others))
    bench.audit(calm)
    bench.audit(mixed)
    bench.sink.ask(do="misbehave", bad=False)
    p99s = ", ".join(f"{b.receipt_p99_ms:.0f}/{c.receipt_p99_ms:.0f}" for b, c in pairs)
    return [
        Figure(
            "bad",
            "10 of 50 receivers bad: the others' rate",
            "%",
            100 * median([mixed_rate / others for mixed_rate, others in rates]),
            95,
            99,
            at_least=True,
            windows=len(pairs),
            void=void,
            note="at full load, per second with/without: "
            + ", ".join(f"{mixed_rate:,.0f}/{others:,.0f}" for mixed_rate, others in rates),
        ),
        Figure(
            "bad",
            "10 of 50 receivers bad: the others' p99",
            "x",
            median([b.receipt_p99_ms / c.receipt_p99_ms for b, c in pairs]),
            2,
            1.2,
            windows=len(pairs),
            void=void,
            note=f"at 1,000 events/s, p99 ms with/without: {p99s}",
        ),
    ]


def _subscribe_as(bench: Bench, server: Server, number: int, kind: str) -> None:
    port = bench.ports[kind]
    match kind:
        case "tls":
            url = f"https://127.0.0.1:{port}/{server.name}/hook"
            server.subscribe(number, url, ca=bench.ca)
        case "dns":
            server.subscribe(number, f"http://dead-{number}.bench.test:{port}/{server.name}/hook")
        case _:
            server.subscribe(number, f"http://127.0.0.1:{port}/{server.name}/hook")


def pending(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    """Restart with a backlog: when the first delivery arrives, and how much memory it takes."""
    server = _subscribed(bench, "pending", folder)
    server.stop()
    count = bench.plan.pending
    fill(server.data, count, delivered=False)
    firsts, memories = [], []
    for _ in range(WINDOWS):
        bench.sink.ask(do="begin", run=server.name, secret=SECRET)
        server.start()
        deadline = time.monotonic() + 60
        while not (seen := bench.sink.ask(do="count", run=server.name))["first_ns"]:
            if time.monotonic() > deadline:
                raise SystemExit("bench: void: nothing was delivered after the restart")
            time.sleep(0.02)
        firsts.append((seen["first_ns"] - server.started_ns) / 1e9)
        time.sleep(2)  # let it fill its lanes and send for a while
        memories.append(server.memory_mb())
        server.stop()
    owed = sum(server.ledger().get(state, 0) for state in ("pending", "retrying"))
    bench.audit(server, pending_before=count)
    label = f"{count:,} deliveries pending"
    note = f"{owed:,} still owed at the last restart"
    return [
        Figure("pending", f"{label}: memory", "MB", median(memories), 300, 150, windows=WINDOWS),
        Figure(
            "pending",
            f"{label}: first delivery",
            "s",
            median(firsts),
            2,
            0.5,
            windows=WINDOWS,
            note=note,
        ),
    ]


def growth(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    """What a delivery costs in a ledger with many attempts, against one with few."""
    servers = []
    for name, attempts in (("large", bench.plan.large), ("small", SMALL)):
        server = _subscribed(bench, name, folder)
        server.stop()
        fill(server.data, attempts, delivered=True)
        server.start()
        bench.connect(server, WEBHOOKS)
        servers.append((server, attempts))
    events = bench.plan.events
    (large, many), (small, few) = servers
    for one in (large, small):
        bench.window(one, events // 4)
    ratios, costs = [], []
    void = 0
    for quiet in rounds(bench, null):
        if not quiet:
            void += 1
            continue
        cost = bench.window(large, events).cpu_us
        ratios.append(cost / bench.window(small, events).cpu_us)
        costs.append(cost)
    bench.audit(large, delivered_before=many)
    bench.audit(small, delivered_before=few)
    return [
        Figure(
            "growth",
            f"CPU per delivery: {many:,} attempts in the ledger against {few:,}",
            "x",
            median(ratios),
            1.3,
            1.05,
            windows=len(ratios),
            void=void,
            note=f"{median(costs):.0f} us raw in the large one",
        )
    ]


def features(bench: Bench, null: Server, folder: Path) -> list[Figure]:
    """CPU per event with a profile, a condition or a schema in use, and what that adds."""
    plain = _subscribed(bench, "plain", folder)
    table = all_features(WEBHOOKS)
    servers = {
        name: subscribed(bench, name, folder, WEBHOOKS, setup) for name, (_, setup) in table.items()
    }
    events = bench.plan.events // 2
    for one in (plain, *servers.values()):
        bench.window(one, events // 4)
    costs: dict[str, list[float]] = {name: [] for name in servers}
    withouts, scales = [], []
    void = 0
    for quiet in rounds(bench, null):
        if not quiet:
            void += 1
            continue
        before = bench.reference_us()
        withouts.append(bench.window(plain, events).cpu_us)
        for name, server in servers.items():
            costs[name].append(bench.window(server, events).cpu_us)
        scales.append(2 * baseline_us() / (before + bench.reference_us()))
    for one in (plain, *servers.values()):
        bench.audit(one)
    return [
        Figure(
            "features",
            f"engine CPU per delivered event: {table[name][0]}",
            "us",
            median([raw * scale for raw, scale in zip(raws, scales, strict=True)]),
            250,
            160,
            raw=median(raws),
            windows=len(raws),
            void=void,
            note=f"{extra(raws, withouts):+.0f} us raw against a plain webhook beside it",
        )
        for name, raws in costs.items()
    ]


ROWS: dict[str, Callable[[Bench, Server, Path], list[Figure]]] = {
    "cpu": cpu,
    "latency": latency,
    "bad": bad,
    "pending": pending,
    "growth": growth,
    "features": features,
    "catch": catch,
    "peer": peer,
    "automation": automation,
}
