"""``hookferry packages``: import and export packages from a terminal."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from hookferry.cli.connection import ServerFlags, connect
from hookferry.cli.reading import read_bytes
from hookferry.cli.terminal import CommandError, Exit, err, out, safe
from hookferry.client import ApiError, PackageImported, Prompt

packages = App(name="packages", help="Import and export packages of automations and sources.")


@packages.command(name="import")
def import_(
    package: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,  # for -
            help="A package: @FILE, - for stdin, its JSON, or the name of one of the library.",
        ),
    ],
    /,
    *,
    answer: Annotated[
        list[str] | None,
        Parameter(negative=(), help="An answer to a prompt of the package, key=value; repeat it."),
    ] = None,
    server: ServerFlags | None = None,
) -> None:
    """Import a package: all of its records, or none. Print what was made, and where it is.

    Where the package asks something that has no default, its prompts are shown and it exits 2.
    """
    text = read_bytes(package, "the package").decode("utf-8", "replace")
    answers = dict(_answer(one) for one in answer or ())
    with connect(server) as client:

        def take(answers: dict[str, str] | None) -> PackageImported:
            if package == text and not text.lstrip().startswith("{"):
                return client.packages.import_from_library(text, answers)
            return client.packages.import_(text, answers)

        try:
            done = take(answers or None)
            if not done.imported and all(prompt.default for prompt in done.prompts):
                done = take({})
        except ApiError as error:
            raise CommandError(_problems(error)) from None
    if not done.imported:
        _show_prompts(done.prompts)
        raise CommandError(
            "the package asks for answers: give each with --answer key=value", Exit.USAGE
        )
    _show_made(done)


@packages.command
def export(
    name: Annotated[str, Parameter(help="What the package is called.")],
    records: Annotated[
        list[str],
        Parameter(help="Ids, or types and names such as automation:example.answer."),
    ],
    /,
    *,
    revision: Annotated[int | None, Parameter(help="The package's revision.")] = None,
    server: ServerFlags | None = None,
) -> None:
    """Print a package of records of the server, as JSON; secrets become prompts."""
    with connect(server) as client:
        document = client.packages.export(name, records, revision=revision)
    out.print(json.dumps(document, indent=2, ensure_ascii=False), markup=False)


@packages.command
def library(*, server: ServerFlags | None = None) -> None:
    """List the packages that come with hookferry."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    with connect(server) as client:
        for one in client.packages.library():
            table.add_row(safe(one.name), safe(one.description, 500))
    out.print(table, soft_wrap=False)


def _answer(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not equals:
        raise CommandError(f"--answer is key=value, not {given!r}", Exit.USAGE)
    return key, value


def _problems(error: ApiError) -> str:
    """Return what is wrong with a package, a part for each problem."""
    listed = error.document.get("problems")
    if not isinstance(listed, list) or len(listed) < 2:
        return error.detail
    return "nothing was imported: " + "; ".join(
        ", ".join(str(p[name]) for name in ("record", "field") if p.get(name))
        + f": {p.get('message')}"
        for p in listed
        if isinstance(p, dict)
    )


def _show_prompts(prompts: list[Prompt]) -> None:
    for prompt in prompts:
        more = [safe(part) for part in (prompt.label, prompt.hint) if part]
        if prompt.options is not None:
            more.append("one of " + ", ".join(safe(o.value) for o in prompt.options[:20]))
        if prompt.default is not None:
            more.append(f"default {safe(prompt.default)}")
        err.print(f"  {safe(prompt.key)}: {'; '.join(more)}", markup=False)


def _show_made(done: PackageImported) -> None:
    for group in done.records:
        for one in group.items:
            known = (one.outcome, group.type, safe(one.name), one.id, one.url)
            out.print("  ".join(part for part in known if part), markup=False)
    for key, value in done.placeholders.items():
        out.print(f"{safe(key)}: {value}", markup=False)
