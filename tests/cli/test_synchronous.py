"""``hookferry trigger`` with synchronous webhooks: what it prints, and how it exits."""

from __future__ import annotations

import json

from cli.conftest import KEY, Run, Serving
from hookferry.client import Client
from hookferry.testing import Receiver

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
LONG = "This order can't be placed: " + "the warehouse is closed for stocktaking, " * 4


def client_of(server: Serving) -> Client:
    return Client(server.url, api_key=(server.data / "admin.key").read_text().strip())


def test_trigger_prints_what_each_synchronous_webhook_said(
    run: Run, server: Serving, receiver: Receiver
) -> None:
    with client_of(server) as client:
        for name, mode in (("stock", "sync"), ("credit", "sync_critical")):
            client.webhooks.create(name, receiver.url, ["agreed.create"], mode=mode)
        silent = client.webhooks.create("mute", receiver.url, ["agreed.create"], mode="sync")
        client.webhooks.stop(silent.id)
    done = run("trigger", "agreed.create", **server.environ())
    assert (done.code, done.err) == (0, "")
    first, *rest = done.out.splitlines()
    assert first.startswith("evt_")
    assert first.endswith("deliveries: 3")
    assert {tuple(line.split()[:3]) for line in rest} == {
        ("delivered", "stock", "204"),
        ("delivered", "credit", "204"),
        ("skipped", "mute", "webhook_stopped"),
    }


def test_a_veto_is_shown_with_the_receivers_words_and_exits_4(
    run: Run, server: Serving, receiver: Receiver
) -> None:
    with client_of(server) as client:
        client.webhooks.create("ware", receiver.url, ["refused.create"], mode="sync_critical")
    receiver.answer(403, PLAIN, LONG.encode())
    done = run("trigger", "refused.create", **server.environ())
    assert done.code == 4
    assert done.err == f"hookferry: vetoed: {LONG.strip()}\n"
    first, line, *more = done.out.splitlines()
    assert first.split()[1] == "vetoed"
    assert line.split()[:3] == ["vetoed", "ware", "403"]
    assert LONG.strip() in " ".join(" ".join([line, *more]).split())
    assert all(len(shown) <= 80 for shown in done.out.splitlines())
    again = run("replay", first.split()[0], **server.environ())
    assert again.code == 0
    assert again.out.split()[1:] == ["to", "ware"]


def test_a_failed_synchronous_webhook_exits_1_and_says_that_the_event_is_stored(
    run: Run, server: Serving, receiver: Receiver
) -> None:
    with client_of(server) as client:
        client.webhooks.create("bill", receiver.url, ["told.created"], mode="sync")
    receiver.fail_next(1)
    done = run("trigger", "told.created", **server.environ())
    assert done.code == 1
    assert done.err == "hookferry: a synchronous webhook failed: the webhook 'bill' answered 500\n"
    first, line = done.out.splitlines()
    assert first.split()[1] == "stored"
    assert line.split()[:3] == ["failed", "bill", "500"]


def test_nothing_that_is_said_can_steer_the_terminal(run: Run, receiver: Receiver) -> None:
    # A server that does not clean texts, or somebody between: the terminal is guarded here too.
    text = "no\x1b]0;owned\x07\u202e\n[bold]"
    outcome = {
        "webhook": "wh_1",
        "name": text,
        "delivery": "dlv_1",
        "mode": "sync_critical",
        "outcome": "vetoed",
        "detail": text,
    }
    problem = {"code": "vetoed", "status": 424, "detail": text, "id": text, "outcomes": [outcome]}
    receiver.answer(424, {"Content-Type": "application/problem+json"}, json.dumps(problem).encode())
    done = run("trigger", "a.create", HOOKFERRY_URL=receiver.url, HOOKFERRY_API_KEY=KEY)
    assert done.code == 4
    assert "[bold]" in done.err
    assert "[bold]" in done.out
    for steering in ("\x1b", "\x07", "\u202e"):
        assert steering not in done.out + done.err


def test_trigger_names_application_and_channels(
    run: Run, server: Serving, receiver: Receiver
) -> None:
    with client_of(server) as client:
        client.webhooks.create(
            "narrow", receiver.url, ["narrow.made"], application="shop", channels=["emea"]
        )
    for arguments, deliveries in (
        (["--application", "shop", "--channel", "apac", "--channel", "emea"], 1),
        (["--application", "shop", "--channel", "apac"], 0),
        (["--channel", "emea"], 0),
    ):
        done = run("trigger", "narrow.made", *arguments, **server.environ())
        assert f"deliveries: {deliveries}" in done.out


def test_tail_fits_80_columns_and_shows_vetoed_deliveries(
    run: Run, server: Serving, receiver: Receiver
) -> None:
    with client_of(server) as client:
        hook = client.webhooks.create(
            "warehouse", receiver.url, ["order.create"], mode="sync_critical"
        )
    receiver.answer(403, PLAIN, b"No")
    assert run("trigger", "order.create", **server.environ()).code == 4
    line = run("tail", "--no-follow", "--webhook", hook.id, **server.environ()).out
    assert "vetoed    order.create -> warehouse  status_403 #1" in line
    assert len(line.strip()) <= 80
