"""Filters on text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from hookferry.errors import ScriptError
from hookferry.kata.fuel import CELL
from hookferry.kata.templates.library.coercion import (
    built_list,
    entries,
    items,
    number,
    text,
    whole,
)
from hookferry.kata.templates.registry import Run, register
from hookferry.kata.values import Value, text_of

_WHITESPACE: Final = " \t\n\r\0\x0b"
"""What PHP's trim takes away."""
_PIECE: Final = 32_768
"""Characters that are trimmed, or changed, without a pause: half a millisecond or less."""
_SIGMA: Final = "\N{GREEK CAPITAL LETTER SIGMA}"
"""The one letter whose small form depends on what stands around it."""
_DIRECTIVE: Final = re.compile(
    r"%(?:(?P<percent>%)|(?:(?P<place>\d{1,3})\$)?(?P<flags>(?:[-+ 0]|'.)*)(?P<width>\d{1,4})?"
    r"(?:\.(?P<precision>\d{1,3}))?(?P<kind>[bcdeEfFgGosuxX]))"
)
_BASES: Final = {"b": "b", "o": "o", "x": "x", "X": "X"}


@register("filter", "upper", examples=(("{{ 'I can hear you'|upper }}", "I CAN HEAR YOU"),))
def upper(run: Run, value: Value) -> str:
    """Return a text in upper case."""
    said = _cased(run, value, "|upper")
    if said.isascii():
        return said.upper()
    return "".join(piece.upper() for piece in _pieces(run, said))


@register("filter", "lower", examples=(("{{ 'Content-Type'|lower }}", "content-type"),))
def lower(run: Run, value: Value) -> str:
    """Return a text in lower case."""
    said = _cased(run, value, "|lower")
    if said.isascii() or _SIGMA in said:
        return said.lower()
    return "".join(piece.lower() for piece in _pieces(run, said))


def _pieces(run: Run, said: str) -> Iterator[str]:
    """Yield a text piece by piece, with pauses."""
    for start in range(0, len(said), _PIECE):
        run.fuel.spend(_PIECE // 500)
        yield said[start : start + _PIECE]


@register("filter", "capitalize", examples=(("{{ 'my FIRST hook'|capitalize }}", "My first hook"),))
def capitalize(run: Run, value: Value) -> str:
    """Return a text whose first letter is a capital, and the others small."""
    said = _cased(run, value, "|capitalize")
    return said[:1].upper() + said[1:].lower()


@register("filter", "title", examples=(("{{ 'my first hook'|title }}", "My First Hook"),))
def title(run: Run, value: Value) -> str:
    """Return a text in which every word begins with a capital, its other letters small."""
    said = _cased(run, value, "|title")
    run.fuel.spend(len(said) // 8)
    return re.sub(r"[^\W_]+(?:['\u2019][^\W_]+)*", lambda word: word[0].capitalize(), said)


def _cased(run: Run, value: Value, name: str) -> str:
    """Return a text whose case is going to be changed, and pay: beyond ASCII it takes longer."""
    said = text(run, value, name)
    run.fuel.build(len(said))
    run.fuel.spend(0 if said.isascii() else len(said) // 100)
    return said


@register(
    "filter",
    "trim",
    examples=(
        ("[{{ '  padded  '|trim }}]", "[padded]"),
        ("{{ '/path/'|trim('/', 'right') }}", "/path"),
    ),
)
def trim(run: Run, value: Value, character_mask: Value = None, side: str = "both") -> str:
    """Take characters (blanks, by default) from the ends of a text; side: both, left or right."""
    said = text(run, value, "|trim")
    mask = _WHITESPACE if character_mask is None else text(run, character_mask, "|trim")
    if side not in ("both", "left", "right"):
        raise ScriptError("|trim takes 'both', 'left' or 'right' as its side")
    start, end = 0, len(said)
    if mask and side != "right":
        start = _without(run, said, mask)
    if mask and side != "left":
        end = _without_at_end(run, said, mask, start)
    run.fuel.build(end - start)
    return said[start:end]


def _without(run: Run, said: str, mask: str) -> int:
    """Return where a text begins without the characters of a mask, piece by piece."""
    start = 0
    while start < len(said):
        piece = said[start : start + _PIECE]
        _pay_trimming(run, piece, mask)
        left = len(piece.lstrip(mask))
        start += len(piece) - left
        if left:
            break
    return start


def _without_at_end(run: Run, said: str, mask: str, start: int = 0) -> int:
    """Return where a text, from a start on, ends without the characters of a mask."""
    end = len(said)
    while end > start:
        piece = said[max(end - _PIECE, start) : end]
        _pay_trimming(run, piece, mask)
        left = len(piece.rstrip(mask))
        end -= len(piece) - left
        if left:
            break
    return end


def _pay_trimming(run: Run, piece: str, mask: str) -> None:
    run.fuel.spend(1 + len(piece) * min(len(mask), 64) // 1000)


@register(
    "filter",
    "split",
    examples=(
        ("{{ 'red,green,blue'|split(',')|last }}", "blue"),
        ("{{ 'a=b=c'|split('=', 2)|json_encode }}", '["a","b=c"]'),
    ),
)
def split(run: Run, value: Value, delimiter: Value, limit: Value = None) -> list[str]:
    """Split a text at a delimiter, into characters where that is empty.

    With a limit the last part holds the rest; with a negative one the last parts are left out.
    """
    said = text(run, value, "|split")
    mark = text(run, delimiter, "|split")
    most = None if limit is None else whole(limit, "|split")
    if not mark:
        size = max(most or 1, 1)
        run.fuel.spend(len(said) // size // 10)
        run.fuel.build(len(said) + CELL * (len(said) // size + 1))
        return [said[at : at + size] for at in range(0, len(said), size)]
    run.fuel.build(len(said) + CELL * (said.count(mark) + 1))
    if most is None or most < 0:
        parts = said.split(mark)
        return parts if most is None else parts[:most]
    return said.split(mark, max(most, 1) - 1)


@register(
    "filter",
    "split_crlf",
    examples=(("{{ ' red \r\n\r\ngreen\n'|split_crlf|json_encode }}", '["red","green"]'),),
)
def split_crlf(
    run: Run, value: Value, keep_blanks: bool = False, trim_lines: bool = True
) -> list[str]:
    """Split a text into its lines: without empty ones, and without blanks around each."""
    said = text(run, value, "|split_crlf")
    run.fuel.build(len(said) + CELL * (said.count("\n") + said.count("\r") + 1))
    lines = said.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    run.fuel.spend(len(lines) // 4)
    if trim_lines:
        lines = [line.strip(_WHITESPACE) for line in lines]
    return lines if keep_blanks else [line for line in lines if line]


@register(
    "filter", "split_csv", examples=(("{{ 'BTC, ETH ,LTC'|split_csv|join('-') }}", "BTC-ETH-LTC"),)
)
def split_csv(run: Run, value: Value) -> list[str]:
    """Split a text at commas, without the blanks around each part and without empty ones."""
    parts = split(run, text(run, value, "|split_csv"), ",")
    run.fuel.spend(len(parts) // 4)
    return [part for part in (each.strip(_WHITESPACE) for each in parts) if part]


@register(
    "filter",
    "replace",
    examples=(
        ("{{ 'I like %food%'|replace({'%food%': 'ice cream'}) }}", "I like ice cream"),
        ("{{ 'ab'|replace({'a': 'b', 'b': 'a'}) }}", "ba"),
    ),
)
def replace(run: Run, value: Value, replace_pairs: Value) -> str:
    """Replace every key of a dictionary by its value, in one go: the longest key that fits."""
    said = text(run, value, "|replace")
    if not isinstance(replace_pairs, dict):
        raise ScriptError("|replace wants a dictionary, such as {'old': 'new'}")
    pairs = {
        key: text(run, new, "|replace")
        for key, new in entries(run, replace_pairs, "|replace")
        if key
    }
    if not pairs:
        return said
    # What is tried at each character; most are passed over by their first letter.
    run.fuel.spend(2 * sum(map(len, pairs)) + len(said) * len(pairs) // 50)
    pattern = re.compile("|".join(map(re.escape, sorted(pairs, key=len, reverse=True))))
    out: list[str] = []
    end = 0
    for found in pattern.finditer(said):
        new = pairs[found[0]]
        run.fuel.spend()
        run.fuel.build(len(new))
        out += (said[end : found.start()], new)
        end = found.end()
    run.fuel.build(len(said))
    return "".join((*out, said[end:]))


@register(
    "filter",
    "truncate",
    examples=(
        ("{{ 'This string is longer'|truncate(11) }}", "This string..."),
        ("{{ 'short'|truncate(11) }}", "short"),
    ),
)
def truncate(
    run: Run, value: Value, length: Value = 30, preserve: bool = False, separator: Value = "..."
) -> str:
    """Cut a text that is longer than so many characters, and put a separator behind it.

    With ``preserve`` the word that would be cut is kept whole.
    """
    said = text(run, value, "|truncate")
    most = max(whole(length, "|truncate"), 0)
    if len(said) <= most:
        return said
    if preserve:
        blank = said.find(" ", most)
        if blank < 0:
            return said
        most = blank
    behind = text(run, separator, "|truncate")
    run.fuel.build(most + len(behind))
    return said[:most] + behind


@register("filter", "indent", examples=(("{{ 'one\ntwo'|indent('> ') }}", "> one\n> two"),))
def indent(run: Run, value: Value, marker: Value = "  ", start_line: Value = 0) -> str:
    """Put a marker before every line, from a line on (0 is the first)."""
    said = text(run, value, "|indent")
    before = text(run, marker, "|indent")
    first = max(whole(start_line, "|indent"), 0)
    count = said.count("\n") + 1
    run.fuel.spend(count // 8)
    run.fuel.build(len(said) + count * (len(before) + CELL))
    lines = said.split("\n")
    return "\n".join([*lines[:first], *(before + line for line in lines[first:])])


@register("filter", "repeat", examples=(("{{ '*'|repeat(5) }}", "*****"),))
def repeat(run: Run, value: Value, times: Value = 1) -> str:
    """Return a text so many times in a row."""
    said = text(run, value, "|repeat")
    count = max(whole(times, "|repeat"), 0)
    run.fuel.build(len(said) * count)
    return said * count


@register(
    "filter",
    "append",
    examples=(
        ("{{ 'a@x.example'|append('b@x.example', ', ') }}", "a@x.example, b@x.example"),
        ("{{ null|append('b@x.example', ', ') }}", "b@x.example"),
    ),
)
def append(run: Run, value: Value, suffix: Value, delimiter: Value = "", trim: Value = None) -> str:
    """Put a suffix behind a text, with a delimiter between them where the text is not empty.

    Characters of ``trim`` (the delimiter's, by default) are first taken from the text's end.
    """
    said = text(run, value, "|append")
    mark = text(run, delimiter, "|append")
    mask = mark if trim is None else text(run, trim, "|append")
    said = said[: _without_at_end(run, said, mask)] if mask else said
    behind = text(run, suffix, "|append")
    run.fuel.build(len(said) + len(mark) + len(behind))
    return said + mark + behind if said else behind


@register(
    "filter",
    "str_pos",
    examples=(
        ("{{ 'ABCDEF'|str_pos('cd', ignoreCase=true) }}", "2"),
        ("{{ 'ABCDEF'|str_pos('x') }}", "-1"),
    ),
)
def str_pos(
    run: Run,
    value: Value,
    needle: Value,
    offset: Value = 0,
    ignoreCase: bool = False,  # noqa: N803 - the name that scripts use
) -> int:
    """Return where a text is found in another, from 0; -1 where it is not."""
    said = text(run, value, "|str_pos")
    sought = text(run, needle, "|str_pos")
    if ignoreCase:
        run.fuel.build(len(said) + len(sought))
        said, sought = said.lower(), sought.lower()
    return said.find(sought, max(whole(offset, "|str_pos"), 0))


@register("filter", "str_sub", examples=(("{{ 'ABCDEF'|str_sub(2, 4) }}", "CD"),))
def str_sub(run: Run, value: Value, from_: Value, to: Value = None) -> str:
    """Return the part of a text from one place up to, and without, another."""
    said = text(run, value, "|str_sub")
    run.fuel.build(len(said))
    return said[whole(from_, "|str_sub") : None if to is None else whole(to, "|str_sub")]


@register("filter", "alphanum", examples=(("{{ 'No. 1-2/3 ok!'|alphanum(' ') }}", "No 123 ok"),))
def alphanum(run: Run, value: Value, also: Value = "") -> str:
    """Keep only the letters A to Z and digits of a text, and the characters that are named."""
    said = text(run, value, "|alphanum")
    extra = re.escape(text(run, also, "|alphanum")[:100])
    run.fuel.spend(len(said) // 10)
    run.fuel.build(len(said))
    return re.sub(f"[^A-Za-z0-9{extra}]+", "", said)


@register(
    "filter",
    "format",
    examples=(
        ("{{ '%s closed %d tickets'|format('Kina', 120) }}", "Kina closed 120 tickets"),
        ("{{ '%05.1f|%-4s|%x'|format(3.14159, 'ab', 255) }}", "003.1|ab  |ff"),
    ),
)
def format_text(run: Run, value: Value, *values: Value) -> str:
    """Put values where a text has ``%s``, ``%d``, ``%05.2f`` and so on, as PHP's sprintf."""
    said = text(run, value, "|format")
    run.fuel.spend(len(said) // 20)
    out: list[str] = []
    end = taken = 0
    for found in _DIRECTIVE.finditer(said):
        out.append(said[end : found.start()])
        end = found.end()
        if found["percent"]:
            out.append("%")
            continue
        if found["place"]:
            place = int(found["place"])
        else:
            taken = place = taken + 1
        if not 1 <= place <= len(values):
            raise ScriptError(f"|format has no value for {found[0]!r}")
        part = _formatted(run, found, values[place - 1])
        run.fuel.spend()
        run.fuel.build(len(part))
        out.append(part)
    run.fuel.build(len(said))
    return "".join((*out, said[end:]))


def _formatted(run: Run, found: re.Match[str], value: Value) -> str:
    kind, flags = found["kind"], found["flags"]
    precision = int(found["precision"] or 6)
    if kind == "s":
        part = text(run, value, "|format")
        part = part if found["precision"] is None else part[: int(found["precision"])]
    elif kind == "c":
        part = chr(whole(value, "|format") % 0x110000)
    elif kind in "du":
        part = str(whole(value, "|format"))
    elif kind in _BASES:
        part = format(whole(value, "|format"), _BASES[kind])
    else:
        if abs(number(value, "|format")) > 1e300:
            raise ScriptError("|format prints decimals up to 1e300")
        part = format(float(number(value, "|format")), f".{precision}{kind}")
    if "+" in flags and kind in "deEfFgG" and not part.startswith("-"):
        part = "+" + part
    width = int(found["width"] or 0)
    custom = flags.rfind("'")
    pad = flags[custom + 1] if custom >= 0 else "0" if "0" in flags else " "
    if "-" in flags:
        return part.ljust(width, " " if pad == "0" else pad)
    if pad == "0" and part[:1] in "+-" and part:
        return part[0] + part[1:].rjust(width - 1, "0")
    return part.rjust(width, pad)


@register("filter", "join", examples=(("{{ [1, 2, 3]|join(', ', ' and ') }}", "1, 2 and 3"),))
def join(run: Run, value: Value, glue: Value = "", and_: Value = None) -> str:
    """Join the items of a list with a glue; ``and`` goes between the last two."""
    between = text(run, glue, "|join")
    parts: list[str] = []
    for portion in run.fuel.portions(items(run, value, "|join"), per_step=4):
        parts += map(text_of, portion)
    built_list(run, len(parts))
    size = sum(map(len, parts)) + len(between) * len(parts)
    if and_ is None or len(parts) < 2:
        run.fuel.build(size)
        return between.join(parts)
    last = text(run, and_, "|join")
    run.fuel.build(size + len(last))
    return between.join(parts[:-1]) + last + parts[-1]
