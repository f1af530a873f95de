"""How the ledger's process is asked and answers (``apart``, ``apart_main``): frames on a socket.

A frame is a length (4 bytes, of the body), a kind (1 byte) and the body. Answers come in the order
in which was asked. A commit travels as MessagePack of its own structs, which costs least; what else
there is to do is seldom done, and travels pickled: the socket is a pair that one build makes and
hands to its own child, and nobody else can write to it.
"""

from __future__ import annotations

import enum
import pickle
import struct
from typing import Any, Final

import msgspec

from hookferry.store.ports import Batch, Committed

HEAD: Final = struct.Struct("<IB")
SOCKET_BYTES: Final = 1024 * 1024
"""What the kernel keeps of frames that are under way: several commits of usual size."""


class Kind(enum.IntEnum):
    """What a frame's body is."""

    COMMIT = 0
    """Asked: a batch. Answered: what its commit found out."""
    CALL = 1
    """Asked: a call and its arguments. Answered: what it returned."""
    RAISED = 2
    """Answered: the error that came instead."""


encode_batch = msgspec.msgpack.Encoder().encode
decode_batch = msgspec.msgpack.Decoder(Batch).decode
encode_committed = encode_batch
decode_committed = msgspec.msgpack.Decoder(Committed).decode


def pickled(value: object) -> bytes:
    """Return a value as bytes.

    Raises:
        Exception: whatever is raised by what can't travel.
    """
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def unpickled(body: bytes | memoryview) -> Any:
    """Return the value again."""
    return pickle.loads(body)  # noqa: S301 - this build's own, from its own child or parent


def head(kind: Kind, body: bytes) -> bytes:
    """Return what comes before a body."""
    return HEAD.pack(len(body), kind)
