"""One description of each API call for both clients.

A resource's method is written once, as a function that returns a ``Call``: what to send, and how to
read the answer. The decorators ``operation`` and ``listing`` turn it into a method that runs the
call on a ``Client`` and returns a coroutine on an ``AsyncClient``, with the same parameters.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import datetime
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    NamedTuple,
    ParamSpec,
    TypeVar,
    overload,
)
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from hookferry.client.sessions import AsyncSession, Session

P = ParamSpec("P")
T = TypeVar("T")

Query = dict[str, object]
"""Parameters that are None are left out; a list is its parameter repeated."""


class Call(NamedTuple, Generic[T]):
    """One HTTP request to come, and what its answer will be."""

    method: str
    path: str
    """Below ``/api/v1/``."""
    read: Callable[[bytes], T]
    """Turns the body of a success into the result."""
    query: Query | None = None
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    of_tenant: bool = True
    """It is about one tenant's things; the client's ``tenant`` goes with it."""
    asks_receivers: bool = False
    """The server may wait for receivers before it answers."""


class Page(msgspec.Struct, Generic[T]):
    """One page of a list, newest first."""

    items: list[T]
    next: str | None = None
    """What ``cursor`` has to be for the page after; None on the last one."""


class Resource:
    """A group of API calls on one session."""

    def __init__(self, session: Any) -> None:
        self._session = session


class SyncResource(Resource):
    """Its calls block and return their results."""

    _session: Session


class AsyncResource(Resource):
    """Its calls return coroutines."""

    _session: AsyncSession


class operation(Generic[P, T]):  # noqa: N801  used as a decorator
    """A method that makes one call."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, resource: SyncResource, owner: object) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, resource: AsyncResource, owner: object
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, resource: None, owner: object) -> operation[P, T]: ...
    def __get__(self, resource: Resource | None, owner: object) -> Any:
        """Bind to a resource."""
        if resource is None:
            return self

        @functools.wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return resource._session.run(self._build(resource, *args, **kwargs))

        return method


class listing(Generic[P, T]):  # noqa: N801  used as a decorator
    """A method that returns a list to iterate over; pages are fetched as they are reached."""

    def __init__(self, build: Callable[Concatenate[Any, P], Call[Page[T]]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, resource: SyncResource, owner: object) -> Callable[P, Listing[T]]: ...
    @overload
    def __get__(self, resource: AsyncResource, owner: object) -> Callable[P, AsyncListing[T]]: ...
    @overload
    def __get__(self, resource: None, owner: object) -> listing[P, T]: ...
    def __get__(self, resource: Resource | None, owner: object) -> Any:
        """Bind to a resource."""
        if resource is None:
            return self
        kind = Listing if isinstance(resource, SyncResource) else AsyncListing

        @functools.wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return kind(resource._session, self._build(resource, *args, **kwargs))

        return method


def _after(call: Call[Page[T]], page: Page[T]) -> Call[Page[T]] | None:
    """Return the call for the page after ``page``, or None when it is the last."""
    if page.next is None:
        return None
    return call._replace(query={**(call.query or {}), "cursor": page.next})


class Listing(Generic[T]):
    """A list on the server. Iterate over it, or take a ``page`` at a time."""

    def __init__(self, session: Session, call: Call[Page[T]]) -> None:
        self._session = session
        self._call = call

    def page(self) -> Page[T]:
        """Fetch the first page (or that at the ``cursor`` given)."""
        return self._session.run(self._call)

    def __iter__(self) -> Iterator[T]:
        call: Call[Page[T]] | None = self._call
        while call is not None:
            page = self._session.run(call)
            yield from page.items
            call = _after(call, page)


class AsyncListing(Generic[T]):
    """A list on the server. Iterate over it with ``async for``, or take a ``page`` at a time."""

    def __init__(self, session: AsyncSession, call: Call[Page[T]]) -> None:
        self._session = session
        self._call = call

    async def page(self) -> Page[T]:
        """Fetch the first page (or that at the ``cursor`` given)."""
        return await self._session.run(self._call)

    async def __aiter__(self) -> AsyncIterator[T]:
        call: Call[Page[T]] | None = self._call
        while call is not None:
            page = await self._session.run(call)
            for item in page.items:
                yield item
            call = _after(call, page)


# --------------------------------------------------------------------------- building


def path(*segments: str) -> str:
    """Join path segments; what a caller puts into one stays in it."""
    return "/".join(quote(segment, safe="") for segment in segments)


def reader(kind: type[T]) -> Callable[[bytes], T]:
    """Return what decodes an answer of this type. Members unknown to it are passed over."""
    return msgspec.json.Decoder(kind).decode


def nothing(body: bytes) -> None:
    """Read an answer whose body does not matter."""


def given(**members: object) -> dict[str, object]:
    """Return the arguments that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def if_match(version: int | None) -> tuple[tuple[str, str], ...]:
    """Return the header that insists on a version (RFC 9110 section 13.1.1)."""
    return () if version is None else (("if-match", f'"{version}"'),)


def encoded(document: object) -> bytes:
    """Encode a request body."""
    return msgspec.json.encode(document)


def query_text(query: Query) -> list[tuple[str, str]]:
    """Return query parameters as text."""
    pairs = []
    for name, value in query.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            if one is True or one is False:
                pairs.append((name, "true" if one else "false"))
            elif isinstance(one, datetime):
                pairs.append((name, one.isoformat()))
            elif one is not None:
                pairs.append((name, str(one)))
    return pairs
