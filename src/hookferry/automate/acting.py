"""The world as scripts may act on it: which of ours carries out which command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hookferry.automate.actions.context import Action, Context
from hookferry.automate.actions.events import Events
from hookferry.automate.actions.queries import Queries
from hookferry.automate.actions.requests import Requests
from hookferry.automate.actions.storage import Storage
from hookferry.kata.frame import Function, NodeRef


class Services(NamedTuple):
    """What commands act with."""

    requests: Requests
    storage: Storage
    events: Events
    queries: Queries

    def actions(self) -> dict[str, Action]:
        """Return what carries out each command."""
        return {
            "http.request": self.requests.request,
            "storage.get": self.storage.get,
            "storage.set": self.storage.set,
            "storage.delete": self.storage.delete,
            "event.publish": self.events.publish,
            "webhook.send": self.events.send,
            "data.query": self.queries.query,
        }


class Acting:
    """One run's port to the world (``hookferry.kata.frame.Actions``).

    Args:
        actions: by command.
        context: the run.
        function: finds the script of a URI.
    """

    def __init__(
        self,
        actions: Mapping[str, Action],
        context: Context,
        function: Callable[[str], Function],
    ) -> None:
        self._actions = actions
        self._context = context
        self._function = function

    def perform(self, command: str, inputs: dict[str, Any], node: NodeRef) -> Any:
        """Carry out an action and return its output; raises ScriptError."""
        return self._actions[command](self._context, inputs)

    def function(self, uri: str, node: NodeRef) -> Function:
        """Return the script of a URI; raises ScriptError."""
        return self._function(uri)
