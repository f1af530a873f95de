"""What a webhook asks of an event beside its type: application, channels, condition.

Compiled once per version of a webhook. Which webhooks want a type at all is
``hookferry.match.index``; what becomes of an answer is the engine's.
"""

from __future__ import annotations

from hookferry.domain.webhook import Webhook
from hookferry.errors import ConditionError, InvalidField
from hookferry.match.conditions import Condition, parse_condition
from hookferry.match.facts import Facts


class Filter:
    """The filter of one webhook's version; its condition is parsed when it is first needed.

    Args:
        webhook: whose it is.
    """

    __slots__ = ("_condition", "_document", "_unusable", "application", "channels")

    def __init__(self, webhook: Webhook) -> None:
        self.application = webhook.application
        self.channels = frozenset(webhook.channels)
        self._document = webhook.condition
        self._condition: Condition | None = None
        self._unusable: str | None = None

    def condition(self) -> Condition | None:
        """Return the condition, None where the webhook has none.

        Raises:
            ConditionError: the one that is stored can't be used by this server, as when an extra
                was taken out after it was saved.
        """
        if self._condition is None and self._document is not None:
            if self._unusable is None:
                try:
                    self._condition = parse_condition(self._document)
                except InvalidField as error:
                    self._unusable = error.detail
            if self._unusable is not None:
                raise ConditionError(self._unusable)
        return self._condition

    def of_application(self, application: str | None) -> bool:
        """Tell whether events of an application are wanted."""
        return not self.application or application == self.application

    def in_channel(self, channels: list[str] | None) -> bool:
        """Tell whether an event in these channels is wanted: one that is shared is enough."""
        return not self.channels or (
            channels is not None and not self.channels.isdisjoint(channels)
        )

    def condition_holds(self, facts: Facts) -> bool:
        """Tell whether the condition holds for an event.

        Raises:
            ConditionError: it can't be evaluated, and so does not hold.
        """
        condition = self.condition()
        return condition is None or condition.holds(facts)


def filter_of(webhook: Webhook) -> Filter | None:
    """Return a webhook's filter, None where its patterns say all there is to say."""
    if webhook.condition is None and not webhook.channels and not webhook.application:
        return None
    return Filter(webhook)
