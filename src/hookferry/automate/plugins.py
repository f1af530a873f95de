"""Automations in Python: functions that installed packages register.

An entry point of the group ``hookferry.automations`` has the automation's name and leads to a
function of one argument, ``PluginRun``. An ``async def`` runs on the event loop; a plain ``def``
runs in a thread of its own, so that it may block. What it returns is what a script's ``return:``
is; what it raises ends the run in an error. One that is broken is an error of what asks for it, and
of nothing else. No thread can be ended from outside: one that goes on beyond its time can do
nothing any more, and does not keep the server from stopping.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Protocol

from hookferry.errors import InvalidField, ScriptError

GROUP: Final = "hookferry.automations"
MAX_THREADS: Final = 64
"""Plain functions that may run at a time, those whose time is over included."""

Log = Callable[[str, str], None]
Call = Callable[[str, Mapping[str, Any]], Awaitable[Any]]


class PluginRun:
    """One run of a plugin's function.

    Args:
        inputs: what the event KATA, timer or caller gave it.
        placeholders: what a script would find in its dictionary, such as ``request_body``.
        log: takes a level (``debug``, ``warn``, ``error``, ``alert``) and a message.
        call: carries out a command.
    """

    def __init__(
        self, inputs: Mapping[str, Any], placeholders: Mapping[str, Any], log: Log, call: Call
    ) -> None:
        self.inputs = inputs
        self.placeholders = placeholders
        self.log = log
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._home = threading.get_ident()
        self._over = False

    async def call(self, command: str, inputs: Mapping[str, Any]) -> Any:
        """Carry out a command of scripts, such as ``http.request``; its policy decides too.

        Raises:
            ScriptError: it failed, the policy does not allow it, or the run is over.
        """
        if self._over:
            raise ScriptError("the run is over; nothing is carried out for it any more")
        return await self._call(command, inputs)

    def call_from_thread(self, command: str, inputs: Mapping[str, Any]) -> Any:
        """As ``call``, for a plain function; an ``async def`` awaits ``call``."""
        if threading.get_ident() == self._home:
            raise RuntimeError("call_from_thread is for plain functions; await run.call(...)")
        return asyncio.run_coroutine_threadsafe(self.call(command, inputs), self._loop).result()

    def end(self) -> None:
        """Carry out nothing for it any more."""
        self._over = True


Function = Callable[[PluginRun], Any]


class Switches(Protocol):
    """Which plugins are switched off (``hookferry.engine.directory.Directory``)."""

    def plugin_enabled(self, name: str) -> bool:
        """Tell whether a plugin is on; one that nobody switched off is."""
        ...


class Plugins:
    """The functions there are.

    Args:
        switches: which are switched off.
    """

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def function(self, name: str) -> Function:
        """Return the function that a plugin registered.

        Raises:
            ScriptError: there is none, it is switched off, or it can't be loaded.
        """
        if not self._switches.plugin_enabled(name):
            raise ScriptError(f"the plugin {name!r} is switched off")
        try:
            return load(name)
        except InvalidField as error:
            raise ScriptError(error.detail) from None


def names() -> tuple[str, ...]:
    """Return the names that plugins offer, working or not."""
    return tuple(_entry_points())


def load(name: str) -> Function:
    """Return the function that a plugin offers under a name.

    Raises:
        InvalidField: none does, or it can't be used; the detail names its package and says why.
    """
    found = _entry_points().get(name)
    if found is None:
        offered = ", ".join(sorted(names())) or "none"
        raise InvalidField(
            f"no installed package offers an automation {name[:80]!r}; offered: {offered}",
            field="python",
        )
    loaded = _load(name, found)
    if isinstance(loaded, str):
        raise InvalidField(loaded, field="python")
    return loaded


async def run_function(function: Function, run: PluginRun, seconds: float) -> Any:
    """Run a plugin's function.

    Args:
        function: async or plain.
        run: what it is given.
        seconds: how long it may take.

    Raises:
        ScriptError: it takes longer, or too many plain functions run already.
        Exception, SystemExit: whatever it raises.
    """
    try:
        async with asyncio.timeout(seconds) as limit:
            if inspect.iscoroutinefunction(function):
                return await function(run)
            return await _in_thread(function, run)
    except TimeoutError:
        if limit.expired():
            raise ScriptError(f"the function takes longer than {seconds:g} s") from None
        raise  # its own


_threads = threading.BoundedSemaphore(MAX_THREADS)


async def _in_thread(function: Function, run: PluginRun) -> Any:
    """Run a plain function in a thread that nobody has to wait for, were it never to end."""
    if not _threads.acquire(blocking=False):
        raise ScriptError(f"{MAX_THREADS} plain functions of plugins run already")
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Any] = loop.create_future()

    def tell(returned: Any, error: Exception | None) -> None:
        if ended.done():  # its time was over
            return
        if error is None:
            ended.set_result(returned)
        else:
            ended.set_exception(error)

    def work() -> None:
        returned: Any = None
        error: Exception | None = None
        try:
            returned = function(run)
        except Exception as raised:
            # No future holds a StopIteration.
            error = RuntimeError(repr(raised)) if isinstance(raised, StopIteration) else raised
        except BaseException as ended_by:  # such as SystemExit: it is not the server that ends
            error = RuntimeError(repr(ended_by))
        finally:
            _threads.release()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell, returned, error)

    threading.Thread(target=work, name="hookferry-plugin", daemon=True).start()
    return await ended


@cache
def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@cache
def _load(name: str, entry: EntryPoint) -> Function | str:
    """Return the function, or why there is none: asked again, the answer is the same."""
    package = entry.dist.name if entry.dist is not None else entry.module
    try:
        function = entry.load()
    except (Exception, SystemExit) as error:  # a plugin's import may raise anything
        return (
            f"the automation {name!r} of package {package} can't be loaded "
            f"({type(error).__name__}: {error}); repair or uninstall it"
        )
    if not callable(function):
        return f"the automation {name!r} of package {package} is no function"
    return function  # type: ignore[no-any-return]
