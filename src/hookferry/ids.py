"""Identity: time-sortable 64-bit integers inside, typed text (``evt_...``) outside.

Layout of an id, most significant first: 1 zero bit, 41 bits of milliseconds since 2024-01-01 UTC
(until 2093), 10 bits of node, 12 bits of sequence. As text it is the kind's prefix, ``_`` and 13
characters of Crockford base32 (lower case), which sort as the integers do.
"""

from __future__ import annotations

from hookferry.clock import Clock
from hookferry.errors import InvalidField

EPOCH_MS = 1_704_067_200_000
_NODE_BITS = 10
_SEQUENCE_BITS = 12
_LOW_BITS = _NODE_BITS + _SEQUENCE_BITS
_LAST_MS = (1 << 41) - 1
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_DECODE = {c: i for i, c in enumerate(ALPHABET)}
_PAIRS = tuple(a + b for a in ALPHABET for b in ALPHABET)

KINDS = {
    "evt": "event",
    "wh": "webhook",
    "dlv": "delivery",
    "att": "attempt",
    "key": "API key",
    "job": "job",
    "cred": "credential",
    "src": "source",
    "req": "caught request",
    "auto": "automation",
    "run": "run",
    "tmr": "timer",
    "pkg": "package",
}


class IdSource:
    """Makes ids that only grow, also when the wall clock is set back.

    Args:
        clock: where the milliseconds come from.
        node: number of this node, 0 to 1023.
        above: every id made is greater than this one (the ledger's greatest at boot).
    """

    def __init__(self, clock: Clock, *, node: int = 0, above: int = 0) -> None:
        self._clock = clock
        self._node = node << _SEQUENCE_BITS
        self._ms = (above >> _LOW_BITS) + 1 if above else 0
        self._sequence = 0

    def next(self) -> int:
        """Return a new id, greater than all before it from this source."""
        return self.block(1)

    def block(self, count: int) -> int:
        """Return the first of ``count`` consecutive ids (at most 4,096 at a time)."""
        ms = self._clock.wall_ms() - EPOCH_MS
        sequence = 0
        if ms > self._ms:
            self._ms = ms
        else:
            ms = self._ms
            if self._sequence + count <= 1 << _SEQUENCE_BITS:
                sequence = self._sequence
            else:
                ms = self._ms = ms + 1
        self._sequence = sequence + count
        return (ms << _LOW_BITS) | self._node | sequence


def lowest_at(wall_ms: int) -> int:
    """Return the smallest id that could have been made at ``wall_ms`` (Unix milliseconds); that
    of the first or last millisecond that ids have, where the time is beyond."""
    return min(max(0, wall_ms - EPOCH_MS), _LAST_MS) << _LOW_BITS


def time_of(number: int) -> int:
    """Return the Unix milliseconds inside an id."""
    return (number >> _LOW_BITS) + EPOCH_MS


def with_article(noun: str) -> str:
    """Return what one of a kind is called in a sentence: ``a webhook``, ``an automation``."""
    return f"{'an' if noun[:1].lower() in set('aeiou') else 'a'} {noun}"


def encode(kind: str, number: int) -> str:
    """Return the typed text of an id."""
    pairs = _PAIRS
    return (
        f"{kind}_{ALPHABET[number >> 60]}{pairs[number >> 50 & 1023]}{pairs[number >> 40 & 1023]}"
        f"{pairs[number >> 30 & 1023]}{pairs[number >> 20 & 1023]}{pairs[number >> 10 & 1023]}"
        f"{pairs[number & 1023]}"
    )


def decode(kind: str, text: str) -> int:
    """Return the integer behind a typed text id.

    Raises:
        InvalidField: the text is not an id of this kind.
    """
    prefix, _, digits = text.rpartition("_")
    if prefix == kind and len(digits) == 13 and digits[0] in "01234567":
        number = 0
        try:
            for c in digits:
                number = number << 5 | _DECODE[c]
        except KeyError:
            pass
        else:
            return number
    name = KINDS.get(kind, kind)
    raise InvalidField(
        f"{text[:80]!r} is not the id of {with_article(name)}; it looks like {encode(kind, 0)}",
        field="id",
    )
