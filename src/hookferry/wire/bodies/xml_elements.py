"""Bodies in XML, whoever wrote them: elements as objects.

An element is its text; with attributes or child elements it is an object::

    <order id="7">                 {"order": {
      <item>pen</item>               "@id": "7",
      <item>ink</item>               "item": ["pen", "ink"],
      <note lang="en">soon</note>    "note": {"@lang": "en", "#text": "soon"},
      <gift/>                        "gift": ""
    </order>                       }}

Attributes are ``@name``, an element's text beside them is ``#text``, elements of one name are a
list. Names keep their prefix (``soap:Body``). Comments, processing instructions and the blanks
between elements are passed over. A document type declaration is refused, and with it every entity
but the five that XML predefines. What hookferry writes in XML, and reads back without loss, is
``hookferry.wire.xml``.
"""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

import msgspec

from hookferry.wire.bodies import charsets
from hookferry.wire.bodies.media_types import MediaType

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100
MAX_NODES = 20_000
"""Elements and attributes."""
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z0-9._-]+)""")
_BLANKS = " \t\r\n"
_encode = msgspec.json.Encoder().encode


class _Refused(Exception):
    """The document has what is not read, or too much of it."""


def read_xml(body: bytes, media: MediaType) -> bytes | None:
    """Return an XML document as an object with its root, or None where it is not read."""
    if len(body) > MAX_BYTES:
        return None
    text = _text(body, media.charset)
    if text is None:
        return None
    reader = _Reader()
    # The text is in UTF-8 from here, whatever the document declares: expat would ask Python's
    # codecs for an encoding that it does not know, and not all of them are charsets.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        parser.Parse(text.encode(), True)
    except (expat.ExpatError, _Refused):
        return None
    return _encode(reader.root)


def _text(body: bytes, charset: str | None) -> str | None:
    """Return a document's text, by byte order mark, content type or declaration (RFC 7303, 3)."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        charset = "utf-16"
    elif not charsets.known(charset):
        declared = _DECLARED.match(body)
        charset = None if declared is None else declared[1].decode("ascii")
        if charset is not None and not charsets.known(charset):
            return None
    return charsets.decode(body, charset)


class _Element:
    __slots__ = ("children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.children: dict[str, Any] = {f"@{key}": value for key, value in attributes.items()}
        self.text: list[str] = []

    def value(self) -> Any:
        text = "".join(self.text)
        if not self.children:
            return text
        if text.strip(_BLANKS):
            self.children["#text"] = text
        return self.children


class _Reader:
    """What expat calls."""

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[_Element] = []
        self._nodes = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._nodes += 1 + len(attributes)
        if self._nodes > MAX_NODES or len(self._open) == MAX_DEPTH:
            raise _Refused
        self._open.append(_Element(name, attributes))

    def text(self, data: str) -> None:
        self._open[-1].text.append(data)

    def end(self, name: str) -> None:
        element = self._open.pop()
        into = self._open[-1].children if self._open else self.root
        value = element.value()
        known = into.get(name)
        if known is None:
            into[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            into[name] = [known, value]

    def refuse(self, *_: object) -> None:
        raise _Refused
