"""Whether a body is JSON, by the rule that a publish's data are held to."""

from __future__ import annotations

import msgspec

_raw = msgspec.json.Decoder(msgspec.Raw)


def json_fault(body: bytes) -> str | None:
    """Return why a body is not JSON in UTF-8 (RFC 8259), or None where it is."""
    try:
        if not body.isascii():
            body.decode()  # msgspec passes raw values on unseen
        _raw.decode(body)
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 (byte {error.start})"
    except (msgspec.DecodeError, RecursionError) as error:
        return str(error)
    return None


def opens_as_json(body: bytes) -> bool:
    """Tell whether a body begins as an object or an array: no form that is encoded does."""
    return body.lstrip(b" \t\r\n").startswith((b"{", b"["))
