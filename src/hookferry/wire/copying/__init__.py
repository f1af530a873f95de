"""A caught request in other forms: as a command or a program that sends it again, as an entry of a
HAR, beside another one.

Pure text from bytes. Which headers may be shown is decided by whoever asks; who sends a request
again is ``hookferry.catch.replays``.
"""

from __future__ import annotations

from collections.abc import Callable

from hookferry.wire.copying.captured import Captured
from hookferry.wire.copying.curl import curl
from hookferry.wire.copying.httpie import httpie
from hookferry.wire.copying.python import python

COPIES: dict[str, Callable[[Captured], str]] = {"curl": curl, "httpie": httpie, "python": python}
"""Commands and programs, by the name of what runs them."""
