"""The commands as their users meet them: what they print, and their exit codes."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
from pathlib import Path

from cli.conftest import KEY, Run, Serving, environment, serve
from hookferry import sign
from hookferry.client import Client
from hookferry.testing import Receiver

SECRET = "whsec_" + "C" * 32


def client_of(server: Serving) -> Client:
    return Client(server.url, api_key=(server.data / "admin.key").read_text().strip())


def test_help_names_every_command_and_needs_no_server(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    names = "serve trigger tail listen bin replay keys verify packages migrate doctor"
    for command in names.split():
        assert f"│ {command} " in done.out


def test_a_misspelt_command_flag_or_variable_is_one_line_and_exit_code_2(run: Run) -> None:
    for done, hint in (
        (run("serv"), '"serve"'),
        (run("serve", "--prot", "1"), "--port"),
        (run("serve", HOOKFERRY_PROT="1"), "HOOKFERRY_PORT"),
        (run("serve", "--port", "x"), "whole numbers from 0 to 65,535"),
    ):
        assert done.code == 2
        assert hint in done.err
        assert len(done.err.strip().splitlines()) == 1


def test_serve_tells_where_it_listens_and_keeps_its_first_key_out_of_logs(server: Serving) -> None:
    path = server.data / "admin.key"
    assert server.url in server.banner
    assert str(path) in server.banner
    assert path.read_text().strip() not in server.banner
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((server.data / "master.key").stat().st_mode) == 0o600


def test_serve_shows_the_first_key_once_on_a_terminal(tmp_path: Path) -> None:
    def banner() -> str:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "hookferry.cli", "serve", "--port", "0", "--data", "data"],
            stderr=theirs,
            cwd=tmp_path,
            env=environment(),
        )
        os.close(theirs)
        text = ""
        while "readyz" not in text:
            assert select.select([ours], [], [], 30)[0], text
            text += os.read(ours, 4096).decode()
        process.terminate()
        assert process.wait(30) == 0
        os.close(ours)
        return text

    first, second = banner(), banner()
    key = (tmp_path / "data" / "admin.key").read_text().strip()
    assert key in first
    assert key not in second


def test_a_second_server_on_the_same_folder_does_not_start(run: Run, server: Serving) -> None:
    done = run("serve", "--port", "0", "--data", str(server.data))
    assert done.code == 3
    assert "owns the data folder" in done.err


def test_a_server_whose_port_is_taken_says_so(run: Run, server: Serving) -> None:
    port = server.url.rpartition(":")[2]
    done = run("serve", "--port", port, "--data", "other")
    assert done.code in (2, 3)
    assert port in done.err.splitlines()[-1]


def test_sigterm_and_ctrl_c_end_the_server_with_exit_code_0(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        serving = serve(tmp_path / "data", HOOKFERRY_API_KEY=KEY)
        assert "as given by HOOKFERRY_API_KEY" in serving.banner
        assert not (tmp_path / "data" / "admin.key").exists()
        serving.process.send_signal(number)
        assert serving.process.wait(30) == 0
        assert serving.process.stderr is not None
        serving.process.stderr.close()


def test_trigger_publishes_what_it_is_given_byte_for_byte(
    run: Run, server: Serving, receiver: Receiver, tmp_path: Path
) -> None:
    with client_of(server) as client:
        client.webhooks.create(
            name="bytes", target_url=receiver.url, events=["cli.*"], profile="raw"
        )
    payload = b'{"n": 1.0,\n "\\u00e9": "\xc3\xa9"}'
    (tmp_path / "event.json").write_bytes(payload)
    for arguments, stdin in ((["@event.json"], b""), (["-"], payload), ([payload.decode()], b"")):
        done = run("trigger", "cli.made", "--data", *arguments, stdin=stdin, **server.environ())
        assert done.code == 0, done.err
        assert done.out.startswith("evt_")
        assert "deliveries: 1" in done.out
    assert [request.body for request in receiver.wait_for(3)] == [payload] * 3


def test_trigger_with_an_id_publishes_once(run: Run, server: Serving) -> None:
    first = run("trigger", "once.only", "--id", "order-1", **server.environ())
    again = run("trigger", "once.only", "--id", "order-1", **server.environ())
    assert "published before" not in first.out
    assert "published before" in again.out
    assert first.out.split()[0] == again.out.split()[0]


def test_trigger_refuses_what_is_not_json_before_it_asks_anybody(run: Run) -> None:
    done = run("trigger", "a.b", "--data", "{")
    assert done.code == 2
    assert "--data is not JSON" in done.err


def test_a_refusal_of_the_server_is_one_line_and_exit_code_1(run: Run, server: Serving) -> None:
    done = run("trigger", "not a type", **server.environ())
    assert done.code == 1
    assert "is not an event type" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_server_that_is_not_there_is_exit_code_3(run: Run) -> None:
    done = run("trigger", "a.b", "--url", "http://127.0.0.1:9", HOOKFERRY_API_KEY=KEY)
    assert done.code == 3
    assert "127.0.0.1:9" in done.err


def test_without_a_key_a_command_says_how_to_give_one(run: Run) -> None:
    done = run("keys", "list")
    assert done.code == 2
    assert "HOOKFERRY_API_KEY" in done.err


def test_tail_shows_each_delivery_and_replay_makes_another(
    run: Run, server: Serving, receiver: Receiver
) -> None:
    with client_of(server) as client:
        webhook = client.webhooks.create(
            name="tailed", target_url=receiver.url, events=["tail.me"], profile="raw"
        )
    tail = subprocess.Popen(
        [sys.executable, "-m", "hookferry.cli", "tail", "--event-type", "tail.me"],
        stdout=subprocess.PIPE,
        env=environment(**server.environ(), PYTHONUNBUFFERED="1"),
        # Tests may run where SIGINT is ignored, in the background of a shell for instance.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert tail.stdout is not None
        event = run("trigger", "tail.me", **server.environ()).out.split()[0]

        def delivered() -> str:
            while "delivered" not in (line := tail.stdout.readline().decode()):  # type: ignore[union-attr]
                assert line
            return line

        first = delivered()
        assert "tail.me -> tailed" in first
        assert "#1" in first
        done = run("replay", event, "--to", webhook.id, **server.environ())
        assert done.code == 0, done.err
        assert done.out.split()[0] in delivered()
    finally:
        tail.send_signal(signal.SIGINT)
        assert tail.wait(30) == 130
        assert tail.stdout is not None
        tail.stdout.close()


def test_keys_are_created_shown_once_listed_and_revoked(run: Run, server: Serving) -> None:
    made = run("keys", "create", "for tests", **server.environ())
    token = made.out.strip()
    assert token.startswith("hf_")
    listed = run("keys", "list", **server.environ()).out
    row = next(line for line in listed.splitlines() if "for tests" in line)
    assert token not in listed
    environ = server.environ() | {"HOOKFERRY_API_KEY": token}
    assert run("trigger", "by.key", **environ).code == 0
    assert run("keys", "revoke", row.split()[0], **server.environ()).code == 0
    refused = run("trigger", "by.key", **environ)
    assert refused.code == 1
    assert token not in refused.err


def test_verify_says_genuine_or_why_not(run: Run, tmp_path: Path) -> None:
    body = json.dumps({"type": "a.b"}).encode()
    headers = sign("standard", SECRET, body, id="evt_1")
    (tmp_path / "headers").write_text("".join(f"{k}: {v}\r\n" for k, v in headers.items()))
    (tmp_path / "secret").write_text(SECRET + "\n")
    genuine = run("verify", "--secret", "@secret", "--headers", "headers", stdin=body)
    assert genuine.code == 0, genuine.err
    assert "genuine: id evt_1" in genuine.out
    pairs = [part for k, v in headers.items() for part in ("-H", f"{k}: {v}")]
    assert run("verify", "--secret", SECRET, *pairs, "--body", body.decode()).code == 0
    forged = run("verify", "--secret", SECRET, *pairs, "--body", "other")
    assert forged.code == 1
    assert "not genuine (mismatch)" in forged.err
    unsigned = run("verify", "--secret", SECRET, "--body", "other")
    assert unsigned.code == 1
    assert "missing_header" in unsigned.err
    assert run("verify", "--secret", "whsec_short", *pairs, "--body", "x").code == 2


def test_migrate_makes_the_schema_and_refuses_a_folder_in_use(run: Run, server: Serving) -> None:
    assert run("migrate", "--data", "fresh").code == 0
    assert run("migrate", "--data", "fresh").code == 0
    done = run("migrate", "--data", str(server.data))
    assert done.code == 3
    assert "owns the data folder" in done.err


def test_doctor_finds_a_sound_deployment_sound(run: Run, tmp_path: Path) -> None:
    assert run("migrate", "--data", "data").code == 0
    done = run("doctor", "--data", "data", "--port", "0", "--lookup", "localhost")
    assert done.code == 0, done.out
    assert "bad" not in done.out
    for name in ("settings", "data folder", "ledger", "sealed secrets", "port", "DNS", "clock"):
        assert name in done.out
    assert "sound" in done.out
    assert not list((tmp_path / "data").glob(".hookferry-doctor-*"))


def test_doctor_asks_a_running_server_and_leaves_its_folder_alone(
    run: Run, server: Serving
) -> None:
    port = server.url.rpartition(":")[2]
    done = run("doctor", "--data", str(server.data), "--port", port, "--lookup", "localhost")
    assert done.code == 0, done.out
    assert "ready" in done.out
    assert f"in use by process {server.process.pid}" in done.out


def test_doctor_tells_a_damaged_ledger_a_taken_port_and_a_lost_master_key(
    run: Run, server: Serving, receiver: Receiver, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "ledger.sqlite3").write_bytes(b"no database at all" * 100)
    port = server.url.rpartition(":")[2]
    done = run("doctor", "--data", "damaged", "--port", port, "--lookup", "localhost")
    assert done.code == 1
    assert "does not begin with SQLite's header" in " ".join(done.out.split())
    assert "choose another with --port" in " ".join(done.out.split())

    lost = serve(tmp_path / "lost")
    with client_of(lost) as client:
        client.webhooks.create(name="sealed", target_url=receiver.url, events=["*"])
    lost.process.terminate()
    assert lost.process.wait(30) == 0
    assert lost.process.stderr is not None
    lost.process.stderr.close()
    (tmp_path / "lost" / "master.key").unlink()
    done = run("doctor", "--data", "lost", "--port", "0", "--lookup", "localhost")
    assert done.code == 1
    assert "but no master key" in " ".join(done.out.split())
