"""The process that writes a ledger: ``python -m hookferry.store.sqlite.apart_main SOCKET``.

``child`` starts it, ``apart`` asks it. It does one call after the other, in the order asked, and
ends once nobody can ask any more: its parent closed the socket, or died. What was asked by then is
done first. It holds the folder's lock as well, by a descriptor that it was given, so that nobody
else owns the folder while it writes.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from typing import BinaryIO

from hookferry.collector import spare_the_collector
from hookferry.store.sqlite.child import taken
from hookferry.store.sqlite.frames import (
    HEAD,
    SOCKET_BYTES,
    Kind,
    decode_batch,
    encode_committed,
    head,
    pickled,
    unpickled,
)
from hookferry.store.sqlite.writer import Writer

_LEFT_TO_THE_PARENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Terminals and service managers send them to all processes of a group; the parent still has to
store what it drains."""


_PARENT_DIED = (BrokenPipeError, ConnectionResetError)


def main(channel: socket.socket) -> None:
    """Write the ledger that the parent gives, until the channel ends.

    The first answer is to nothing: None once the ledger is open, or why it is not.
    """
    for number in _LEFT_TO_THE_PARENT:
        signal.signal(number, signal.SIG_IGN)
    spare_the_collector()
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
    folder = taken(channel)
    if folder is None:
        return
    try:
        writer = Writer(folder, apart=True)
    except Exception as error:
        _send(channel, Kind.RAISED, pickled(error))
        return
    try:
        _send(channel, Kind.CALL, pickled(None))
        with channel.makefile("rb") as asked:
            _answer_all(writer, asked, channel)
    except _PARENT_DIED:
        pass
    finally:
        writer.close()


def _answer_all(writer: Writer, asked: BinaryIO, channel: socket.socket) -> None:
    while len(start := asked.read(HEAD.size)) == HEAD.size:
        length, kind = HEAD.unpack(start)
        body = asked.read(length)
        if len(body) < length:
            return  # The parent died while it asked.
        answer = _answer(writer, Kind(kind), body)
        with contextlib.suppress(*_PARENT_DIED):
            _send(channel, *answer)
        writer.after_call()


def _answer(writer: Writer, kind: Kind, body: bytes) -> tuple[Kind, bytes]:
    try:
        if kind is Kind.COMMIT:
            return kind, encode_committed(writer.commit(decode_batch(body)))
        call, args = unpickled(body)
        return kind, pickled(call(writer, *args))
    except Exception as error:
        means = writer.recover(error)
        try:
            return Kind.RAISED, pickled(means)
        except Exception:  # an error that can't travel
            return Kind.RAISED, pickled(RuntimeError(type(means).__name__))


def _send(channel: socket.socket, kind: Kind, body: bytes) -> None:
    channel.sendall(head(kind, body) + body)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
