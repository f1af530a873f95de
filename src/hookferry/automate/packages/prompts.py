"""What a package leaves open: prompts, which people answer, and placeholders, which are made.

Types and parameters are Cerb's (behaviours S-CB-06).
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from hookferry.automate.packages.problems import Problems
from hookferry.errors import InvalidInput, UnknownField
from hookferry.kata.values import text_of

MAX_PROMPTS: Final = 50
MAX_PLACEHOLDERS: Final = 50
MAX_ANSWER: Final = 10_000
"""Characters of an answer."""
MAX_OPTIONS: Final = 1_000
MAX_RANDOM: Final = 256
"""Characters of a random text."""
USUAL_RANDOM: Final = 32
RESERVED: Final = ("uid", "default")
"""Names of a package's templates that are not its own."""
ID: Final = "_id"
"""What the key of a chooser ends in that loads the fields of what was chosen."""
_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_LETTERS: Final = string.ascii_uppercase + string.digits


class Params(msgspec.Struct, frozen=True):
    """What a prompt is asked with; others of Cerb's are about how its form looks."""

    default: str | None = None
    """Taken where no answer is given."""
    placeholder: str | None = None
    """Shown where nothing was typed yet."""
    options: list[str] | dict[str, str] | None = None
    """Of a picklist: values, or labels with their values."""
    context: str | None = None
    """Of a chooser: what is chosen."""
    query: str | None = None


class Prompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question to whoever imports a package."""

    type: Literal["text", "picklist", "chooser"]
    key: str
    """What templates call the answer."""
    label: str = ""
    hint: str = ""
    params: Params = Params()

    def choices(self) -> list[tuple[str, str]]:
        """Return the labels and values of a picklist."""
        options = self.params.options or []
        if isinstance(options, dict):
            return list(options.items())
        return [(option, option) for option in options]


class PlaceholderParams(msgspec.Struct, frozen=True):
    """What a placeholder is made with."""

    length: int = USUAL_RANDOM
    """Characters of a random text."""


class Placeholder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that is made with each import."""

    type: Literal["random", "data_query"]
    key: str
    """What templates call it."""
    label: str = ""
    params: PlaceholderParams = PlaceholderParams()


class Choice(msgspec.Struct, frozen=True):
    """A record that a chooser may take."""

    id: str
    """Its id on the outside face; an event type's is its name."""
    name: str
    fields: dict[str, Any]
    """What templates may read of it; never a secret."""


Chooser = Callable[[str], Sequence[Choice]]
"""Returns what there is of a context; raises InvalidField for one that is not known."""


def check_keys(
    prompts: Sequence[Prompt], placeholders: Sequence[Placeholder], problems: Problems
) -> None:
    """Note what is wrong with the prompts and placeholders of a package."""
    where = "package.configure"
    for what, count, most in (
        ("prompts", len(prompts), MAX_PROMPTS),
        ("placeholders", len(placeholders), MAX_PLACEHOLDERS),
    ):
        if count > most:
            problems.add(None, f"{where}.{what}", f"a package has at most {most} {what}")
    seen: set[str] = set()
    keyed: list[tuple[str, Prompt | Placeholder]] = [
        *((f"{where}.prompts[{n}]", prompt) for n, prompt in enumerate(prompts)),
        *((f"{where}.placeholders[{n}]", one) for n, one in enumerate(placeholders)),
    ]
    for at, item in keyed:
        if not _KEY.fullmatch(item.key) or item.key in RESERVED:
            problems.add(
                None,
                f"{at}.key",
                "a key is up to 100 letters, digits and '_', does not begin with a digit, and is "
                f"not {' or '.join(RESERVED)}",
            )
        elif item.key in seen:
            problems.add(None, f"{at}.key", f"another one has the key {item.key!r}")
        seen.add(item.key)
        if isinstance(item, Prompt):
            _check_prompt(item, at, problems)
        else:
            _check_placeholder(item, at, problems)


def _check_prompt(prompt: Prompt, at: str, problems: Problems) -> None:
    if prompt.type == "picklist":
        choices = prompt.choices()
        if not 1 <= len(choices) <= MAX_OPTIONS:
            problems.add(
                None,
                f"{at}.params.options",
                f"a picklist has 1 to {MAX_OPTIONS:,} options: a list, or labels with their values",
            )
        default = prompt.params.default
        if default and default not in (value for _, value in choices):
            problems.add(None, f"{at}.params.default", "a picklist's default is one of its options")
    elif prompt.type == "chooser" and not prompt.params.context:
        problems.add(
            None, f"{at}.params.context", "a chooser says what is chosen, such as automation"
        )


def _check_placeholder(placeholder: Placeholder, at: str, problems: Problems) -> None:
    if placeholder.type == "data_query":
        problems.add(
            None,
            f"{at}.type",
            "data queries ask Cerb's own records, which are not here; use a chooser among the "
            "prompts, so that whoever imports the package picks the record",
        )
    elif not 1 <= placeholder.params.length <= MAX_RANDOM:
        problems.add(None, f"{at}.params.length", f"a random text has 1 to {MAX_RANDOM} characters")


def made(placeholders: Sequence[Placeholder], rng: random.Random) -> dict[str, str]:
    """Make the values of placeholders: random texts of upper-case letters and digits."""
    return {
        placeholder.key: "".join(rng.choices(_LETTERS, k=placeholder.params.length))
        for placeholder in placeholders
    }


def answered(
    prompts: Sequence[Prompt], given: Mapping[str, Any], choose: Chooser, problems: Problems
) -> dict[str, Any]:
    """Return what templates read of the answers; notes those that are missing or not allowed.

    Args:
        prompts: what was asked.
        given: the answers by key.
        choose: finds what choosers may take.
        problems: where what is wrong is noted.
    """
    known = {prompt.key for prompt in prompts}
    for name in given:
        if name not in known:
            error = UnknownField.near(str(name)[:100], known, where="prompts")
            problems.add(None, "prompts", error.detail)
    values: dict[str, Any] = {}
    for prompt in prompts:
        at = f"prompts.{prompt.key}"
        answer = given.get(prompt.key)
        if answer is None:
            answer = prompt.params.default or None
        if answer is None:
            label = f" ({prompt.label[:100].rstrip(': ')})" if prompt.label else ""
            problems.add(None, at, f"this prompt{label} is not answered")
        elif isinstance(answer, list | dict):
            problems.add(None, at, "an answer is a text")
        elif len(text := text_of(answer)) > MAX_ANSWER:
            problems.add(None, at, f"an answer has at most {MAX_ANSWER:,} characters")
        elif prompt.type == "chooser":
            _choose(prompt, text, choose, values, problems)
        else:
            _take(prompt, text, values, problems)
    return values


def _take(prompt: Prompt, text: str, values: dict[str, Any], problems: Problems) -> None:
    if prompt.type == "picklist":
        choices = prompt.choices()
        if text not in (value for _, value in choices):
            named = ", ".join(repr(value[:40]) for _, value in choices[:20])
            problems.add(None, f"prompts.{prompt.key}", f"the answer is one of {named}")
    elif not text and prompt.params.default != "":
        problems.add(None, f"prompts.{prompt.key}", "this prompt is not answered by an empty text")
    values[prompt.key] = text


def _choose(
    prompt: Prompt, text: str, choose: Chooser, values: dict[str, Any], problems: Problems
) -> None:
    at = f"prompts.{prompt.key}"
    try:
        choices = choose(prompt.params.context or "")
    except InvalidInput as error:
        problems.add_error(None, at, error)
        return
    found = [choice for choice in choices if text in (choice.id, choice.name)]
    if len(found) != 1:
        problems.add(
            None,
            at,
            f"there is nothing called {text[:100]!r} to choose; give the id or name of one"
            if not found
            else f"{len(found)} are called {text[:100]!r}; give the id of one",
        )
        return
    values[prompt.key] = found[0].id
    if prompt.key.endswith(ID):
        prefix = prompt.key.removesuffix(ID)
        values[f"{prefix}__label"] = found[0].name
        values |= {f"{prefix}_{name}": value for name, value in found[0].fields.items()}
