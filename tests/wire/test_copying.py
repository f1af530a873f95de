"""Copies of caught requests are run: what arrives is what was caught, byte for byte."""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hookferry.wire.copying.captured import BODY_FILE, INLINE_BODY, MAX_ARGUMENT, captured
from hookferry.wire.copying.curl import curl
from hookferry.wire.copying.httpie import httpie
from hookferry.wire.copying.python import python

Header = tuple[bytes, bytes]
FEW = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NASTY = b'it\'s "quoted" $(touch pwned) `touch pwned` \\ $HOME !! %s %n \\n ;&|<>*?[a]{b,c}~#'
"""What a shell, printf or a glob would make something of."""


class Recorder:
    """Takes requests off real connections and keeps their bytes."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        recorder = self

        class Handler(socketserver.BaseRequestHandler):
            request: socket.socket

            def handle(self) -> None:
                self.request.settimeout(20)
                data = b""
                while b"\r\n\r\n" not in data:
                    data += self.request.recv(65536)
                head, _, body = data.partition(b"\r\n\r\n")
                length = int(dict(headers_in(head + b"\r\n\r\n")).get(b"content-length", b"0"))
                while len(body) < length:
                    body += self.request.recv(65536)
                recorder.seen.append(head + b"\r\n\r\n" + body)
                self.request.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
                )
                if not head.startswith(b"HEAD"):
                    self.request.sendall(b"ok")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def headers_in(data: bytes) -> list[Header]:
    """Return the headers of a request: names in lower case."""
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    pairs = [line.partition(b":")[::2] for line in lines]
    return [(name.lower(), value.strip(b" \t")) for name, value in pairs]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


def run(command: list[str], text: str, folder: Path) -> str:
    """Run a copy as it stands, in an empty folder with no settings of anybody's."""
    done = subprocess.run(
        command,
        input=text.encode(),
        capture_output=True,
        cwd=folder,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
        },
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, (text, done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="replace")


def in_shell(text: str, folder: Path) -> str:
    """Run a command by the machine's POSIX shell, its input on another descriptor."""
    script = folder / "copied.sh"
    script.write_text(text)
    return run(["sh", str(script)], "", folder)


def in_python(text: str, folder: Path) -> str:
    return run([sys.executable, "-I", "-"], text, folder)


WAYS: dict[str, tuple[Callable[..., str], Callable[[str, Path], str]]] = {
    "curl": (curl, in_shell),
    "httpie": (httpie, in_shell),
    "python": (python, in_python),
}


def sent_by(
    way: str,
    recorder: Recorder,
    folder: Path,
    *,
    method: str = "POST",
    target: bytes = b"/hook",
    headers: tuple[Header, ...] = (),
    body: bytes = b"",
) -> tuple[bytes, list[Header], bytes]:
    """Copy a request, run the copy; return what arrived: request line, headers, body."""
    write, play = WAYS[way]
    before = len(recorder.seen)
    play(write(captured(method, recorder.origin, target, headers, body)), folder)
    [data] = recorder.seen[before:]
    head, _, content = data.partition(b"\r\n\r\n")
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    own = [
        (name, value[1:] if value[:1] == b" " else value)
        for name, _, value in lines
        if name.lower() not in (b"host", b"content-length", b"connection")
    ]
    return head.split(b"\r\n")[0], own, content


names = st.from_regex(rb"X-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
values = st.binary(max_size=40).map(
    lambda raw: bytes(b for b in raw if b == 9 or 32 <= b != 127).strip(b" \t")
)
pairs = st.lists(st.tuples(names, values), max_size=5).map(tuple)
targets = st.from_regex(rb"/[\x21-\x22\x24-\x7e]{0,30}", fullmatch=True)


@pytest.mark.parametrize("way", ["curl", "python"])
@FEW
@given(target=targets, headers=pairs, body=st.binary(max_size=300))
@example(target=b'/a/../b//c/./?x=[1]{2}|\\^"<>&y=%41%2f', headers=(), body=b"\x00\xff\r\n\n")
@example(target=b"/", headers=((b"X-A", NASTY), (b"x-a", b""), (b"X-A", b"@f")), body=NASTY)
@example(target=b"/'$(id)'", headers=((b"X-B", b"\xff\t%d'\\"),), body=b"@/etc/hostname")
def test_what_a_copy_sends_is_what_was_caught(
    way: str,
    recorder: Recorder,
    tmp_path: Path,
    target: bytes,
    headers: tuple[Header, ...],
    body: bytes,
) -> None:
    line, own, content = sent_by(way, recorder, tmp_path, target=target, headers=headers, body=body)
    assert line == b"POST " + target + b" HTTP/1.1"
    assert own == list(headers)
    assert content == body
    assert not (tmp_path / "pwned").exists()


@settings(FEW, max_examples=2)
@given(headers=pairs, body=st.binary(max_size=300))
@example(headers=((b"X-A", NASTY), (b"X-A", b"=j"), (b"X-B", b"@f")), body=NASTY)
@example(headers=((b"X-B", b""), (b"Accept", b"*/*"), (b"X-B", "Grüße".encode())), body=b"\0\xff")
def test_what_httpie_sends_is_what_was_caught(
    recorder: Recorder, tmp_path: Path, headers: tuple[Header, ...], body: bytes
) -> None:
    line, own, content = sent_by("httpie", recorder, tmp_path, headers=headers, body=body)
    assert line == b"POST /hook HTTP/1.1"
    text = httpie(captured("POST", "http://h", b"/hook", headers, body))
    # What it can't send is named above the command.
    told = text.partition("\nhttp ")[0] if text.startswith("#") else ""
    expected = [pair for pair in headers if pair[0].decode() not in told]
    names = {name.lower() for name, _ in expected}
    arrived = [(name.lower(), value) for name, value in own if name.lower() in names]
    assert sorted(arrived) == sorted((name.lower(), value) for name, value in expected)
    assert content == body
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("way", "method"),
    [
        *itertools.product(
            ("curl", "python"), ("GET", "HEAD", "DELETE", "PUT", "OPTIONS", "PURGE")
        ),
        ("httpie", "GET"),
        ("httpie", "PUT"),
    ],
)
def test_every_method_is_copied_without_a_body(
    way: str, method: str, recorder: Recorder, tmp_path: Path
) -> None:
    line, own, content = sent_by(way, recorder, tmp_path, method=method, target=b"/a?b=c&d")
    assert line == method.encode() + b" /a?b=c&d HTTP/1.1"
    assert content == b""
    assert own == []  # nothing of the tool's own


@pytest.mark.parametrize("way", ["curl", "python"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_body_goes_with_any_method(
    way: str, method: str, recorder: Recorder, tmp_path: Path
) -> None:
    line, _, content = sent_by(way, recorder, tmp_path, method=method, body=b"{}")
    assert line == method.encode() + b" /hook HTTP/1.1"
    assert content == b"{}"


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_adds_no_header_that_was_not_there_and_keeps_those_that_were(
    way: str, recorder: Recorder, tmp_path: Path
) -> None:
    headers = (
        (b"user-agent", b"GitHub-Hookshot/1"),
        (b"ACCEPT", b"text/x"),
        (b"Content-Type", b"application/json"),
        (b"Accept-Encoding", b"identity"),
    )
    _, own, _ = sent_by(way, recorder, tmp_path, headers=headers, body=b"{}")
    assert sorted((n.lower(), v) for n, v in own) == sorted((n.lower(), v) for n, v in headers)
    _, own, _ = sent_by(way, recorder, tmp_path, body=b"{}")
    assert own == []


@pytest.mark.parametrize("way", ["curl", "python"])
def test_order_case_and_repeats_of_headers_are_kept(
    way: str, recorder: Recorder, tmp_path: Path
) -> None:
    headers = (
        (b"X-Z", b"1"),
        (b"user-AGENT", b"a"),
        (b"x-z", b"2"),
        (b"Accept", b"*/*"),
        (b"User-Agent", b"b"),
        (b"X-Z", b"1"),
    )
    assert sent_by(way, recorder, tmp_path, headers=headers)[1] == list(headers)


@pytest.mark.parametrize("way", WAYS)
def test_what_belongs_to_one_connection_is_left_to_the_tool(
    way: str, recorder: Recorder, tmp_path: Path
) -> None:
    headers = (
        (b"Host", b"hooks.example"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Content-Length", b"999"),
        (b"Connection", b"close, X-Hop"),
        (b"X-Hop", b"1"),
        (b"Expect", b"100-continue"),
        (b"Upgrade", b"h2c"),
        (b"Proxy-Authorization", b"Basic eDp5"),
        (b"X-Kept", b"1"),
    )
    _, own, content = sent_by(way, recorder, tmp_path, headers=headers, body=b"{}")
    assert own == [(b"X-Kept", b"1")]
    assert content == b"{}"


@pytest.mark.parametrize("way", WAYS)
def test_a_header_that_would_end_its_line_is_left_out_and_named(
    way: str, recorder: Recorder, tmp_path: Path
) -> None:
    headers = (
        (b"X-Bad", b"1\r\nX-Injected: 1"),
        (b"X-Nul", b"\x00"),
        (b"X Bad:\r\nX-Injected", b"1"),
        (b"X-Good", b"1"),
    )
    assert sent_by(way, recorder, tmp_path, headers=headers)[1] == [(b"X-Good", b"1")]
    text = WAYS[way][0](captured("POST", "http://h", b"/", headers, b""))
    assert text.startswith("# Headers that can't be sent as they came: X-Bad, X-Nul, ")


@pytest.mark.parametrize("method", ["GET / HTTP/1.1\r\nX: 1\r\n", "", "A B", "X" * 65])
def test_a_request_line_that_no_parser_lets_through_is_not_copied(method: str) -> None:
    with pytest.raises(ValueError, match="request line"):
        captured(method, "http://h", b"/", (), b"")
    with pytest.raises(ValueError, match="request line"):
        captured("GET", "http://h", b"/ HTTP/1.1\r\n", (), b"")


@pytest.mark.parametrize("way", WAYS)
def test_a_text_longer_than_an_argument_may_be_is_piped(
    way: str, recorder: Recorder, tmp_path: Path
) -> None:
    body = b"x" * (MAX_ARGUMENT + 1)
    assert sent_by(way, recorder, tmp_path, body=body)[2] == body


@pytest.mark.parametrize("way", WAYS)
def test_a_very_long_body_is_read_from_a_file(way: str, recorder: Recorder, tmp_path: Path) -> None:
    body = bytes(range(256)) * (INLINE_BODY // 256) + b"."
    (tmp_path / BODY_FILE).write_bytes(body)
    assert sent_by(way, recorder, tmp_path, body=body)[2] == body
    text = WAYS[way][0](captured("POST", "http://h", b"/", (), body))
    assert f"# {BODY_FILE} is the request's body (262,145 bytes)" in text
    assert len(text) < 1_000


def test_a_copy_for_curl_is_one_that_people_can_read() -> None:
    headers = ((b"Content-Type", b"application/json"), (b"X-Event", b"it's"))
    body = '{\n  "name": "Grüße"\n}'.encode()
    text = curl(captured("PUT", "https://hooks.example", b"/a?b=c", headers, body))
    assert text == (
        "curl --http1.1 -X PUT \\\n"
        "  --path-as-is 'https://hooks.example/a?b=c' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        "  -H 'X-Event: it'\"'\"'s' \\\n"
        "  -H 'Accept:' \\\n"
        "  -H 'User-Agent:' \\\n"
        '  --data-raw \'{\n  "name": "Grüße"\n}\'\n'
    )
    assert shlex.split(text.replace("\\\n", ""))[-1] == body.decode()


def test_a_copy_for_python_is_one_that_people_can_read() -> None:
    headers = ((b"Content-Type", b"application/json"),)
    text = python(captured("POST", "https://hooks.example", b"/a", headers, b'{\n"b": 1}'))
    assert text == (
        "import http.client\n"
        "\n"
        "body = (\n"
        "    '{\\n'\n"
        "    '\"b\": 1}'\n"
        ").encode()\n"
        "connection = http.client.HTTPSConnection('hooks.example', timeout=30)\n"
        "connection.putrequest('POST', '/a', skip_accept_encoding=True)\n"
        "connection.putheader('Content-Type', b'application/json')\n"
        'connection.putheader("Content-Length", str(len(body)))\n'
        "connection.endheaders(body)\n"
        "response = connection.getresponse()\n"
        "print(response.status, response.reason)\n"
        "print(response.read())\n"
    )


def test_bytes_beyond_ascii_in_a_path_are_exact_in_curl_and_encoded_in_python(
    recorder: Recorder, tmp_path: Path
) -> None:
    target = b"/\xff\xc3\xa9"
    line, _, _ = sent_by("curl", recorder, tmp_path, target=target)
    assert line == b"POST " + target + b" HTTP/1.1"
    line, _, _ = sent_by("python", recorder, tmp_path, target=target)
    assert line == b"POST /%FF%C3%A9 HTTP/1.1"
    text = python(captured("GET", "http://h", target, (), b""))
    assert "# Bytes beyond ASCII in the path or query are percent-encoded here.\n" in text


@pytest.mark.parametrize("target", [b"/%41", b"/a|b", b"/\xff", b'/?q="x"'])
def test_httpie_s_copy_says_where_it_is_not_exact(target: bytes) -> None:
    note = "# HTTPie writes this path or query differently; the copy for curl is exact.\n"
    assert note in httpie(captured("GET", "http://h", target, (), b""))
    assert note not in httpie(captured("GET", "http://h", b"/a/../b?c=%2F", (), b""))


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\tb", "\u202egnp.exe", "a\r\n"])
def test_what_would_not_survive_a_terminal_is_in_base64(text: str) -> None:
    for way in WAYS:
        made = WAYS[way][0](captured("POST", "http://h", b"/", (), text.encode()))
        assert text not in made
        assert "base64" in made


def test_the_tools_are_there() -> None:
    assert shutil.which("curl")
    assert (Path(sys.executable).parent / "http").exists()
