"""What of a caught request travels on beside its body: which of its headers, and its hops.

A webhook names the headers (``forward_headers``); they are sent as they came: values byte for byte,
in their order, with repeats, in their own case. Never those that belong to one connection or frame
the message, nor any that hookferry writes itself, so that nothing a stranger sent can pass for
hookferry's own word. The body is ``hookferry.wire.bodies``' subject.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from hookferry.domain.request import Caught
from hookferry.engine.custom_headers import check_token
from hookferry.engine.masking import MASK, is_credential
from hookferry.errors import InvalidField
from hookferry.wire.hop_by_hop import OF_ONE_CONNECTION, TO_PROXIES
from hookferry.wire.hops import HOPS_HEADER, hops_line

EVERY = "*"
"""Among ``forward_headers``: every header but credentials, which have to be named."""

_NEVER = OF_ONE_CONNECTION | {
    # The answer is read by hookferry, which asks for none that is compressed.
    "accept-encoding",
    HOPS_HEADER.lower(),
}
_NEVER_BEGINS = TO_PROXIES
_TRACE = frozenset({"traceparent", "tracestate"})
"""Written where the event belongs to a trace, to whose spans the request is added."""
_WITH_BODY = frozenset({"content-type", "content-encoding"})
"""What the original body can't be read without."""
_OF_BODY = re.compile(r"content-.*|(?:repr-)?digest")
"""What describes the body, and would be wrong beside another one (RFC 9110 section 8, RFC 9530)."""
_CONNECTION = ("connection", None)
"""The fate of a header that ends here, and those with it that it names."""
MAX_FATES = 256
"""Names that a webhook remembers what becomes of: a source's senders use a few dozen."""
_MASK = MASK.encode()
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BROKEN = re.compile(rb"[\r\n\0]")


def check_forwarding(
    names: Sequence[str], *, count: int, own: Sequence[str], written: Collection[str]
) -> None:
    """Raise InvalidField unless headers of these names may be forwarded.

    Args:
        names: as the webhook's owner wrote them.
        count: how many there may be.
        own: lower-case beginnings of names that are the profile's.
        written: names of the webhook's own headers.
    """
    if len(names) > count:
        raise InvalidField(
            f"forward_headers has at most {count} names; ['{EVERY}'] stands for every header",
            field="forward_headers",
        )
    taken = {name.lower() for name in written}
    seen: set[str] = set()
    for position, name in enumerate(names):
        field, lowered = f"forward_headers[{position}]", name.lower()
        if lowered in seen:
            raise InvalidField(f"{name!r} is named twice (names ignore case)", field=field)
        seen.add(lowered)
        if name == EVERY:
            continue
        check_token(name, field)
        if lowered in _NEVER or lowered.startswith(_NEVER_BEGINS):
            raise InvalidField(
                f"the header {name!r} is between a caller and hookferry, and is never forwarded; "
                "leave it out",
                field=field,
            )
        if lowered in _WITH_BODY:
            raise InvalidField(
                f"the header {name!r} goes where the body goes as it came (profile 'raw'), without "
                "being named, and nowhere else; leave it out",
                field=field,
            )
        if lowered.startswith(tuple(own)):
            raise InvalidField(
                f"the header {name!r} is written by the webhook's profile, so the caught one can't "
                "be sent beside it; leave it out",
                field=field,
            )
        if lowered in taken:
            raise InvalidField(
                f"the header {name!r} is in headers too; leave it out there or here", field=field
            )


class _Fates(dict[bytes, tuple[str, bytes | None] | None]):
    """What becomes of headers, by their names as they came: worked out at the first, and kept.

    In lower case, with the line to log where the value is masked; None of those that end here.

    Args:
        names, written, written_begins, original: as of ``Forwarding``.
    """

    __slots__ = ("_all", "_begins", "_named", "_original", "_written")

    def __init__(
        self,
        names: Sequence[str],
        *,
        written: Collection[str],
        written_begins: Sequence[str],
        original: bool,
    ) -> None:
        self._all = EVERY in names
        self._named = frozenset(name.lower() for name in names if name != EVERY)
        self._written = frozenset(written) | _NEVER
        self._begins = (_NEVER_BEGINS, *written_begins)
        self._original = original

    def __missing__(self, name: bytes) -> tuple[str, bytes | None] | None:
        lowered = name.decode("latin-1").lower()
        fate: tuple[str, bytes | None] | None = None
        if lowered == "connection":
            fate = _CONNECTION
        elif self._goes(name, lowered):
            fate = lowered, b"%b: %b\r\n" % (name, _MASK) if is_credential(lowered) else None
        if len(self) >= MAX_FATES:
            self.clear()
        self[name] = fate
        return fate

    def _goes(self, name: bytes, lowered: str) -> bool:
        if not _NAME.fullmatch(name):
            return False
        if lowered in _WITH_BODY:
            return self._original
        return (
            (lowered in self._named or (self._all and not is_credential(lowered)))
            and lowered not in self._written
            and not lowered.startswith(self._begins)
            and (self._original or _OF_BODY.fullmatch(lowered) is None)
        )


class Forwarding:
    """How one webhook's requests for caught events begin.

    Args:
        names: the webhook's ``forward_headers``.
        written: lower-case names of the headers that its requests have anyway.
        written_begins: lower-case beginnings of further such names.
        original: its bodies are those of the caught requests, as they came.
        head: the request line and the headers that every request has.
        logged_head: the same as it may be logged.
        defaults: lines (without CRLF) of headers that a forwarded one of their name replaces.
    """

    __slots__ = (
        "_default_lines",
        "_defaults",
        "_fates",
        "_forwards",
        "_head",
        "_logged_head",
    )

    def __init__(
        self,
        names: Sequence[str],
        *,
        written: Collection[str],
        written_begins: Sequence[str],
        original: bool,
        head: bytes,
        logged_head: bytes,
        defaults: Sequence[bytes],
    ) -> None:
        self._forwards = original or bool(names)
        self._fates = _Fates(
            names, written=written, written_begins=written_begins, original=original
        )
        self._head = head
        self._logged_head = logged_head
        self._defaults = {
            line.partition(b":")[0].decode().lower(): line + b"\r\n" for line in defaults
        }
        self._default_lines = b"".join(self._defaults.values())

    def begin(self, caught: Caught, hops: int, *, traced: bool) -> tuple[bytes, bytes]:
        """Return the beginning of a request's head, and the same as it may be logged.

        Args:
            caught: the request that the event was born from.
            hops: how many of hookferry's own events led to the event.
            traced: the request has a trace context of its own.
        """
        going = self._going(caught.headers, traced) if self._forwards else []
        names, lines, shown = zip(*going, strict=True) if going else ((), (), ())
        rest = self._default_lines
        if not self._defaults.keys().isdisjoint(names):
            rest = b"".join([line for name, line in self._defaults.items() if name not in names])
        rest += hops_line(hops + 1)
        head = self._head + rest + b"".join(lines)
        if shown == lines and self._logged_head is self._head:
            return head, head
        return head, self._logged_head + rest + b"".join(shown)

    def _going(
        self, headers: Sequence[tuple[bytes, bytes]], traced: bool
    ) -> list[tuple[str, bytes, bytes]]:
        """Return the headers that are sent: name in lower case, line, and line as logged."""
        going: list[tuple[str, bytes, bytes]] = []
        ended = set(_TRACE) if traced else set()
        fates = self._fates
        for name, value in headers:
            fate = fates[name]
            if fate is None:
                continue
            if fate is _CONNECTION:
                ended.update(_options(value))
                continue
            # No server lets it in; but what is sent must not hang on who caught it.
            if _BROKEN.search(value):
                continue
            lowered, masked = fate
            line = b"%b: %b\r\n" % (name, value)
            going.append((lowered, line, masked or line))
        if ended:  # only now: a Connection header may come behind those that it names
            going = [sent for sent in going if sent[0] not in ended]
        return going


def _options(value: bytes) -> set[str]:
    """Return what a Connection header names, in lower case: it ends here, whatever it is."""
    return {option.strip().lower() for option in value.decode("latin-1").split(",")}
