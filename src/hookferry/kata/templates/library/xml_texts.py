"""XML: read, written, and searched by XPath.

An element is its text, or a dictionary where it has attributes or elements of its own: attributes
are ``@name``, its text beside them is ``#text``, elements of one name are a list, and the outermost
element's name is ``#name``. So ``xml.order.item`` reads as in Cerb, and a decoded document is a
plain value that can be returned, stored and encoded again. Document type declarations are refused,
and with them every entity but the five that XML predefines.
"""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat

from hookferry.errors import ScriptError
from hookferry.kata.fuel import CELL
from hookferry.kata.templates.library.coercion import built_dict, octets, text
from hookferry.kata.templates.library.xpath import Path, element_value
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import MAX_DEPTH, Value, kind_of, text_of

MAX_BYTES: Final = 1024 * 1024
MAX_LEVELS: Final = MAX_DEPTH // 2
"""Elements within each other: with lists of them, a value of ``MAX_DEPTH`` levels."""
_ELEMENT_STEPS: Final = 3
_BLANKS: Final = " \t\r\n"
_NAME: Final = re.compile(r"(?![Xx][Mm][Ll])[^\W\d][\w.-]*(?::[^\W\d][\w.-]*)?")
_NO_CHARACTER: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What is not a Char (XML 1.0 section 2.2)."""
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
)
_DOCUMENT: Final = (
    "{% set xml = xml_decode('<order id=\"7\"><item>pen</item><item>ink</item></order>') %}"
)


class _Reader:
    """What expat calls."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._open: list[tuple[dict[str, Value], list[str]]] = []
        self.root: dict[str, Value] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) == MAX_LEVELS:
            raise ScriptError(f"xml_decode reads at most {MAX_LEVELS} levels of elements")
        self._run.fuel.spend(_ELEMENT_STEPS)
        built_dict(self._run, 2 + len(attributes))
        content: dict[str, Value] = {f"@{key}": value for key, value in attributes.items()}
        if not self._open:
            self.root = content
            content["#name"] = name
        self._open.append((content, []))

    def text(self, data: str) -> None:
        self._open[-1][1].append(data)

    def end(self, name: str) -> None:
        content, parts = self._open.pop()
        said = "".join(parts)
        if content and said.strip(_BLANKS):
            content["#text"] = said
        if not self._open:
            return
        value: Value = content or said
        siblings = self._open[-1][0]
        known = siblings.get(name)
        if known is None:
            siblings[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            siblings[name] = [known, value]

    def refuse(self, *_: object) -> None:
        raise ScriptError("xml_decode reads no document type declaration: it could define entities")


@register(
    "function",
    "xml_decode",
    examples=(
        (_DOCUMENT + "{{ xml['@id'] }}: {{ xml.item|join(', ') }}", "7: pen, ink"),
        ("{{ xml_decode('<a>&lt;</a>')|json_encode }}", '{"#name":"a","#text":"<"}'),
    ),
)
def xml_decode(run: Run, xml_string: Value) -> dict[str, Value]:
    """Return an XML document as a dictionary: elements by name, attributes as ``@name``."""
    data = octets(text(run, xml_string, "xml_decode"))
    if len(data) > MAX_BYTES:
        raise ScriptError(f"xml_decode reads at most {MAX_BYTES:,} bytes")
    run.fuel.build(2 * len(data))
    reader = _Reader(run)
    parser = expat.ParserCreate("utf-8")  # whatever the document declares: this is text already
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        parser.Parse(data.strip(), True)
    except expat.ExpatError as error:
        raise ScriptError(f"xml_decode wants XML, and this is not: {error}") from None
    return reader.root


# --------------------------------------------------------------------------- writing


@register(
    "function",
    "xml_encode",
    examples=(
        (
            "{{ xml_encode({'@id': 7, item: ['pen', 'ink'], note: 'a < b'}, 'order') }}",
            '<order id="7"><item>pen</item><item>ink</item><note>a &lt; b</note></order>',
        ),
        (
            _DOCUMENT + "{{ xml_encode(xml) }}",
            '<?xml version="1.0"?>\n<order id="7"><item>pen</item><item>ink</item></order>',
        ),
    ),
)
def xml_encode(run: Run, value: Value, name: Value = None) -> str:
    """Return a dictionary as XML, within an element of a name; a decoded document has its own."""
    out: list[str] = []
    if name is not None:
        _write(run, text(run, name, "xml_encode"), value, out, 0)
    elif isinstance(value, dict) and isinstance(value.get("#name"), str):
        out.append('<?xml version="1.0"?>\n')
        _write(run, value["#name"], value, out, 0)
    else:
        raise ScriptError(
            "xml_encode wants a name for the element, such as 'order', behind the value"
        )
    return "".join(out)


def _write(run: Run, name: str, value: Value, out: list[str], depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise ScriptError(f"a value has at most {MAX_DEPTH} levels")
    run.fuel.spend(_ELEMENT_STEPS)
    if isinstance(value, list):
        for item in value:
            # A list's items have its name; lists within lists have none that would read back.
            _write(run, "item" if isinstance(item, list) else name, item, out, depth + 1)
        return
    tag = _checked_name(name)
    attributes = content = ""
    elements: list[tuple[str, Value]] = []
    if isinstance(value, dict):
        for key, item in value.items():
            run.fuel.spend()
            if key.startswith("@"):
                attributes += f' {_checked_name(key[1:])}="{_written(run, item, key)}"'
            elif key == "#text":
                content = _written(run, item, key)
            elif key != "#name":
                elements.append((key, item))
    else:
        content = _written(run, value, name)
    run.fuel.build(2 * CELL + 2 * len(tag) + len(attributes) + len(content))
    if not content and not elements:
        out.append(f"<{tag}{attributes}/>")
        return
    out.append(f"<{tag}{attributes}>{content}")
    for key, item in elements:
        _write(run, key, item, out, depth + 1)
    out.append(f"</{tag}>")


def _checked_name(name: str) -> str:
    if len(name) > 256 or not _NAME.fullmatch(name):
        raise ScriptError(f"xml_encode can't call an element or attribute {name[:60]!r}")
    return name


def _written(run: Run, value: Value, name: str) -> str:
    if isinstance(value, list | dict) or callable(value):
        raise ScriptError(f"xml_encode can't write {kind_of(value)} as {name[:60]}")
    said = str(value).lower() if isinstance(value, bool) else text_of(value)
    run.fuel.read(len(said))
    if _NO_CHARACTER.search(said):
        raise ScriptError("xml_encode can't write bytes and control characters; use |base64_encode")
    run.fuel.build(2 * len(said))
    return said.translate(_ESCAPES)


# --------------------------------------------------------------------------- searching


@register(
    "function",
    "xml_xpath",
    examples=(
        (_DOCUMENT + "{{ xml_xpath(xml, '//item')|first }}", "pen"),
        (_DOCUMENT + "{{ xml_xpath(xml, '/order/@id')|first }}", "7"),
        (_DOCUMENT + "{{ xml_xpath(xml, 'item[2]')|json_encode }}", '["ink"]'),
    ),
)
def xml_xpath(run: Run, xml: Value, path: Value) -> list[Value]:
    """Return what a path finds in a decoded document, as a list.

    Of XPath there are ``/``, ``//``, ``*``, ``.``, ``..``, ``@name``, ``text()`` and conditions:
    ``[2]``, ``[last()]``, ``[@id]``, ``[name]``, ``[@id='7']``, ``[name='x']``, ``[.!='x']``.
    """
    if not isinstance(xml, dict):
        raise ScriptError(f"xml_xpath wants a document of xml_decode, not {kind_of(xml)}")
    name = xml.get("#name")
    found = Path(text(run, path, "xml_xpath")).find(run, name if isinstance(name, str) else "", xml)
    return [element_value(node) for node in found]


@register(
    "function",
    "xml_attr",
    examples=((_DOCUMENT + "{{ xml_attr(xml, 'id') }}", "7"),),
)
def xml_attr(run: Run, xml_node: Value, attr: Value) -> Value:
    """Return an attribute of an element; false where it has none of that name."""
    key = f"@{text(run, attr, 'xml_attr')}"
    return xml_node.get(key, False) if isinstance(xml_node, dict) else False


@register(
    "function",
    "xml_attrs",
    examples=((_DOCUMENT + "{{ xml_attrs(xml)|json_encode }}", '{"id":"7"}'),),
)
def xml_attrs(run: Run, xml_node: Value) -> dict[str, Value]:
    """Return the attributes of an element by their names."""
    if not isinstance(xml_node, dict):
        return {}
    run.fuel.spend(1 + len(xml_node) // 4)
    built_dict(run, len(xml_node))
    return {key[1:]: value for key, value in xml_node.items() if key.startswith("@")}
