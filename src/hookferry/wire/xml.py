"""Any JSON document as XML 1.0, and back without loss.

An object's members are child elements, an array's items are elements called ``item``, a string is
text. What that would leave open is an attribute::

    <record>
      <name>Ada</name>                          "name": "Ada"
      <age type="number">36</age>               "age": 36       (also boolean, null)
      <tags type="array"><item>a</item></tags>  "tags": ["a"]
      <extra type="object"/>                    "extra": {}
      <member key="e-mail (work)">...</member>  a key that is no simple element name
      <text escaped="json">a\\u0000</text>       a character that XML 1.0 can't hold
    </record>

Keys in ``key`` and text under ``escaped`` are written as inside a JSON string. Numbers keep their
digits. Both directions work without recursion: depth is limited by memory alone.
"""

from __future__ import annotations

import json
import re
from xml.parsers import expat

from hookferry.wire.json_text import TOKEN

_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
_NAME = re.compile(r"(?![Xx][Mm][Ll])[A-Za-z_À-ÖØ-öø-ÿ][A-Za-z0-9_.À-ÖØ-öø-ÿ-]*")
"""Element names that every edition of XML 1.0 allows, without namespaces and reserved ones."""
_NO_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What is not a Char (XML 1.0 section 2.2)."""
_ODD = re.compile('[\x00-\x08\x0b-\x1f\\\\&<>"\ud800-\udfff\ufffe\uffff]')
"""What a string can't be written with as it stands in JSON."""
_SPECIAL = str.maketrans(
    # A bare carriage return would be read as a line feed (section 2.11), and ">" may not follow
    # "]]" in text (section 2.4).
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", '"': "&quot;"}
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


# --------------------------------------------------------------------------- to XML


def from_json(text: bytes, root: str) -> bytes:
    """Return a JSON document as an XML document in UTF-8.

    Args:
        text: valid JSON in UTF-8.
        root: the name of the root element; a simple one.
    """
    out = [_DECLARATION]
    open_elements: list[tuple[str, bool]] = []  # name, and whether it is an object
    elements: dict[str, tuple[str, str]] = {}  # by key: most are there many times
    key_follows = False
    name, attributes = root, ""
    for token in TOKEN.findall(text.decode()):
        mark = token[0]
        if mark == '"':
            if key_follows:
                element = elements.get(token)
                if element is None:
                    element = elements[token] = _element_for(_unquoted(token))
                name, attributes = element
                key_follows = False
            elif _ODD.search(token, 1, len(token) - 1):
                out.append(_odd_string(name, attributes, _unquoted(token)))
            else:
                out.append(f"<{name}{attributes}>{token[1:-1]}</{name}>")
        elif mark == ",":
            key_follows = open_elements[-1][1]
            name, attributes = "item", ""
        elif mark in "}]":
            out.append(f"</{open_elements.pop()[0]}>")
        elif mark not in "{[":
            out.append(_word(name, attributes, token))
        elif len(token) > 1:
            shape = "object" if mark == "{" else "array"
            out.append(f'<{name}{attributes} type="{shape}"/>')
        else:
            key_follows = mark == "{"
            open_elements.append((name, key_follows))
            shape = "" if key_follows else ' type="array"'
            out.append(f"<{name}{attributes}{shape}>")
            name, attributes = "item", ""
    return "".join(out).encode()


def _element_for(key: str) -> tuple[str, str]:
    """Return name and attributes of the element of a member."""
    if _NAME.fullmatch(key):
        return key, ""
    return "member", f' key="{_json_escaped(key).translate(_SPECIAL)}"'


def _odd_string(name: str, attributes: str, value: str) -> str:
    if _NO_CHARACTER.search(value):
        value, attributes = _json_escaped(value), attributes + ' escaped="json"'
    return f"<{name}{attributes}>{value.translate(_SPECIAL)}</{name}>"


def _word(name: str, attributes: str, word: str) -> str:
    if word == "null":
        return f'<{name}{attributes} type="null"/>'
    kind = "boolean" if word in ("true", "false") else "number"
    return f'<{name}{attributes} type="{kind}">{word}</{name}>'


def _unquoted(string: str) -> str:
    if "\\" not in string:
        return string[1:-1]
    value: str = json.loads(string)
    return value


def _json_escaped(value: str) -> str:
    """Return a string as inside JSON quotes, with nothing in it that XML can't hold."""
    return _NO_CHARACTER.sub(
        lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False)[1:-1]
    )


# --------------------------------------------------------------------------- and back


def to_json(document: bytes) -> bytes:
    """Return the JSON document that ``from_json`` made an XML document of.

    Blanks around elements are passed over, so it may have been indented meanwhile. Document type
    declarations are refused, and with them every entity but the five that XML predefines.

    Raises:
        ValueError: it is not well-formed, or not of the kind that ``from_json`` makes.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise ValueError(f"not well-formed XML: {error}") from None
    return "".join(reader.out).encode()


class _Element:
    """An element that is being read."""

    __slots__ = ("children", "escaped", "kind", "place", "text")

    def __init__(self, place: int, attributes: dict[str, str]) -> None:
        self.place = place
        """Where in the output it begins; what, is known at its first child or its end."""
        self.kind = attributes.get("type")
        self.escaped = attributes.get("escaped") == "json"
        self.children = 0
        self.text = ""


class _Reader:
    """What expat calls; writes JSON as it goes."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self._open: list[_Element] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._open:
            self._start_child(self._open[-1], name, attributes)
        self._open.append(_Element(len(self.out), attributes))
        self.out.append("")

    def _start_child(self, parent: _Element, name: str, attributes: dict[str, str]) -> None:
        if parent.kind not in (None, "array", "object"):
            raise ValueError(f"an element of type {parent.kind!r} has child elements")
        array = parent.kind == "array"
        if parent.children:
            self.out.append(",")
        else:
            self.out[parent.place] = "[" if array else "{"
        parent.children += 1
        if not array:
            key = attributes.get("key")
            quoted = json.dumps(name) if key is None else _checked(f'"{key}"')
            self.out.append(f"{quoted}:")

    def text(self, data: str) -> None:
        self._open[-1].text += data

    def end(self, name: str) -> None:
        element = self._open.pop()
        if element.children or element.kind in ("array", "object"):
            if element.text.strip(" \t\r\n"):
                raise ValueError(f"text beside child elements in {name!r}")
            brackets = "[]" if element.kind == "array" else "{}"
            if element.children:
                self.out.append(brackets[1])
            else:
                self.out[element.place] = brackets
        else:
            self.out[element.place] = _scalar(element)

    def doctype(self, *_: object) -> None:
        raise ValueError("a document type declaration is not read: it could define entities")


def _scalar(element: _Element) -> str:
    text, kind = element.text, element.kind
    if kind is None:
        return _checked(f'"{text}"') if element.escaped else json.dumps(text)
    if kind == "null":
        text = text.strip() or "null"
    fits = (
        (kind == "number" and _NUMBER.fullmatch(text))
        or (kind == "boolean" and text in ("true", "false"))
        or (kind == "null" and text == "null")
    )
    if not fits:
        raise ValueError(f"{text[:40]!r} is not of type {kind!r}")
    return text


def _checked(quoted: str) -> str:
    """Return what stands in quotes if it is one JSON string."""
    try:
        value = json.loads(quoted)
    except ValueError:
        value = None
    if not isinstance(value, str):
        raise ValueError(f"{quoted[:40]!r} is not written as inside a JSON string")
    return json.dumps(value)
