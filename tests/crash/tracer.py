"""Runs the real server under ptrace and tells, as JSON, which system calls one request led to.

The server and the process that writes its ledger are traced together, and a process stands still
while one of its calls is looked at: so the calls are told in the order in which one led to another.

A process of its own: it must be the server's ancestor to be allowed to trace it everywhere, and
waiting for traced threads would take other children's exits away from the test runner.
Its arguments: the data folder; ``publish``, or ``catch`` for a request to a source; ``process`` or
``thread``, for what writes the ledger.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path
from typing import Any

from ptrace.debugger import PtraceDebugger
from ptrace.debugger.process_event import ProcessEvent
from ptrace.func_call import FunctionCallOptions

API_KEY = "hf_a_key_for_crash_tests_0123456789"
MARKER = b"the-event-that-is-watched"
_READS = {"read", "recvfrom", "recvmsg", "readv"}
_WRITES = {"write", "sendto", "pwrite64", "writev", "pwritev", "pwritev2", "sendmsg"}
_SYNCS = {"fsync", "fdatasync", "sync_file_range", "msync", "sync", "syncfs"}
_LIMIT = 65_536


def post(url: str, answers: list[int], marker: bytes) -> dict[str, Any]:
    """Post an event that holds the marker, or a source of its name; return what was answered."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port or 0, timeout=30)
    body = b'{"type":"traced.event","data":{"marker":"%b"}}' % marker
    if where.path.endswith("/sources"):
        body = b'{"name":"%b"}' % marker
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
    connection.request("POST", where.path, body, headers)
    answer = connection.getresponse()
    told: dict[str, Any] = json.loads(answer.read() or b"{}")
    connection.close()
    answers.append(answer.status)
    return told


def start(data: str, writer: str) -> tuple[subprocess.Popen[bytes], str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HOOKFERRY_")}
    environ |= {"HOOKFERRY_DATA": data, "HOOKFERRY_PORT": "0", "HOOKFERRY_API_KEY": API_KEY}
    if writer == "thread":  # else the default
        environ["HOOKFERRY_WRITER_PROCESS"] = "false"
    server = subprocess.Popen(
        [sys.executable, "-m", "hookferry.cli", "serve", "--log-format", "json"],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert server.stderr is not None
    for line in server.stderr:
        if line.startswith(b"{") and json.loads(line)["event"] == "listening":
            return server, json.loads(line)["url"]
    raise SystemExit("the server did not start")


def buffers(process: Any, syscall: Any, length: int) -> bytes:
    """Return what a call reads into or writes from, at most ``length`` bytes of it."""
    address = syscall.arguments[1].value
    if syscall.name in ("sendmsg", "recvmsg"):
        # struct msghdr: name, namelen (padded), iov, iovlen
        address, count = struct.unpack("QQ", process.readBytes(address + 16, 16))
    elif syscall.name in ("writev", "readv", "pwritev", "pwritev2"):
        count = syscall.arguments[2].value
    else:
        return bytes(process.readBytes(address, min(length, _LIMIT)))
    data = b""
    for n in range(min(count, 64)):
        base, size = struct.unpack("QQ", process.readBytes(address + 16 * n, 16))
        data += process.readBytes(base, min(size, _LIMIT))
    return data[:length]


def note(process: Any, syscall: Any, pid: int, phase: str) -> dict[str, Any] | None:
    """Describe a call if it is one of those that matter."""
    name = syscall.name
    if name in _SYNCS and phase == "enter":
        return {"call": name, "phase": phase, "file": target(pid, syscall)}
    if name in _SYNCS:
        return {
            "call": name,
            "phase": phase,
            "file": target(pid, syscall),
            "ok": not syscall.result,
        }
    if name in _WRITES and phase == "enter":
        data = buffers(process, syscall, _LIMIT if "v" in name else syscall.arguments[2].value)
        return {
            "call": "write",
            "phase": phase,
            "file": target(pid, syscall),
            "marker": MARKER in data,
            "accepted": data.startswith((b"HTTP/1.1 202", b"HTTP/1.1 204")),
        }
    if name in _READS and phase == "exit" and syscall.result > 0:
        data = buffers(process, syscall, syscall.result)
        return {
            "call": "read",
            "phase": phase,
            "file": target(pid, syscall),
            "marker": MARKER in data,
        }
    return None


def target(pid: int, syscall: Any) -> str:
    if not syscall.arguments:
        return ""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/fd/{syscall.arguments[0].value}"))
    except OSError:
        return ""


def threads(pid: int) -> list[int]:
    return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))


def children(pid: int) -> list[int]:
    """Return a process's children, which any of its threads may have started."""
    listed = [Path(f"/proc/{pid}/task/{tid}/children").read_text() for tid in threads(pid)]
    return [int(child) for line in listed for child in line.split()]


def trace(roles: dict[int, str], url: str) -> list[dict[str, Any]]:
    """Have one request made; return what the processes did, each of which has a role."""
    debugger = PtraceDebugger()
    options = FunctionCallOptions()
    steps: list[dict[str, Any]] = []
    belongs = {tid: pid for pid in roles for tid in threads(pid)}
    for tid, pid in belongs.items():
        debugger.addProcess(tid, False, is_thread=tid != pid)
    for process in debugger:
        process.syscall()
    answers: list[int] = []
    publisher = threading.Thread(target=post, args=(url, answers, MARKER), daemon=True)
    publisher.start()
    while not answers:
        try:
            process = debugger.waitSyscall().process
        except ProcessEvent as event:
            event.process.syscall()
            continue
        state = process.syscall_state
        phase = state.next_event
        syscall = state.event(options)
        pid = belongs[process.pid]
        if syscall is not None and (step := note(process, syscall, pid, phase)):
            steps.append(step | {"by": roles[pid]})
        process.syscall()
        if steps and steps[-1].get("accepted"):
            break
    return steps


def main() -> None:
    # However this ends, the server must not stay behind.
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, lambda *_: sys.exit("the tracer was stopped or took too long"))
    signal.alarm(50)
    server, url = start(sys.argv[1], sys.argv[3])
    roles = {server.pid: "server"}
    try:
        roles |= dict.fromkeys(children(server.pid), "writer")
        if sys.argv[2] == "catch":
            url = post(url + "/api/v1/sources", [], b"traced")["url"]
        else:
            url += "/api/v1/events"
        post(url, [], b"warm-up")  # so that every thread there will be is there
        steps = trace(roles, url)
    finally:
        # Not Popen.kill: it polls first, and takes a traced process's stop for its end.
        for pid in roles:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    print(json.dumps(steps))
    sys.stdout.flush()
    os._exit(0)  # nothing is left to detach from


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    main()
