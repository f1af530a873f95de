"""The two clients. What they can do is in their resources, which both share."""

from __future__ import annotations

import ssl
from types import TracebackType

import httpx

from hookferry.client.administration import (
    AsyncJobs,
    AsyncKeys,
    AsyncTenants,
    Jobs,
    Keys,
    Tenants,
)
from hookferry.client.automations import (
    AsyncAutomationEvents,
    AsyncAutomations,
    AsyncRuns,
    AutomationEvents,
    Automations,
    Runs,
)
from hookferry.client.credentials import AsyncCredentials, Credentials
from hookferry.client.event_types import AsyncEventTypes, EventTypes
from hookferry.client.listening import AsyncListening
from hookferry.client.log import AsyncDeliveries, AsyncEvents, Deliveries, Events
from hookferry.client.packages import AsyncPackages, Packages
from hookferry.client.publishing import AsyncPublishing, Publishing
from hookferry.client.requests import AsyncRequests, Requests
from hookferry.client.retrying import RetryPolicy
from hookferry.client.sessions import AsyncSession, Options, Session
from hookferry.client.sources import AsyncSources, Sources
from hookferry.client.timers import AsyncPlugins, AsyncTimers, Plugins, Timers
from hookferry.client.webhooks import AsyncWebhooks, Webhooks

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_RETRY = RetryPolicy()


class Client:
    """hookferry's HTTP API, blocking.

        with Client(api_key="hf_...") as client:
            client.webhooks.create("shop", "https://shop.example/hooks", ["order.*"])
            client.publish("order.paid", {"id": 17})

    May be used from several threads.

    Args:
        base_url: where hookferry listens, without ``/api/v1``.
        api_key: goes with every call.
        tenant: whose things calls are about; the key's own tenant, or ``default``, when left out.
        timeout: seconds to wait for each step of a call: connecting, sending, the answer. Left out
            it is 30, and 60 more for the answer to a call that makes the server wait for a
            receiver, such as a publish with synchronous webhooks.
        retry: when calls are repeated.
        verify: False, or a context, to judge the server's certificate otherwise.
        transport: an httpx transport to use, for example ``httpx.MockTransport`` in tests.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str,
        tenant: str | None = None,
        timeout: float | None = None,
        retry: RetryPolicy = DEFAULT_RETRY,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        options = Options(
            base_url=base_url,
            api_key=api_key,
            tenant=tenant,
            timeout=timeout,
            retry=retry,
            verify=verify,
        )
        self._session = Session(options, transport)
        publishing = Publishing(self._session)
        self.publish = publishing.publish
        self.publish_batch = publishing.publish_batch
        self.webhooks = Webhooks(self._session)
        self.events = Events(self._session)
        self.deliveries = Deliveries(self._session)
        self.event_types = EventTypes(self._session)
        self.credentials = Credentials(self._session)
        self.sources = Sources(self._session)
        self.requests = Requests(self._session)
        self.automations = Automations(self._session)
        self.automation_events = AutomationEvents(self._session)
        self.runs = Runs(self._session)
        self.timers = Timers(self._session)
        self.jobs = Jobs(self._session)
        self.keys = Keys(self._session)
        self.tenants = Tenants(self._session)
        self.packages = Packages(self._session)
        self.plugins = Plugins(self._session)

    def close(self) -> None:
        """Close the connections; ``with`` does it."""
        self._session.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClient:
    """hookferry's HTTP API for asyncio; the same names as on ``Client``, awaited.

        async with AsyncClient(api_key="hf_...") as client:
            await client.publish("order.paid", {"id": 17})
            async for webhook in client.webhooks.list():
                ...

    Args:
        base_url: where hookferry listens, without ``/api/v1``.
        api_key: goes with every call.
        tenant: whose things calls are about; the key's own tenant, or ``default``, when left out.
        timeout: seconds to wait for each step of a call: connecting, sending, the answer. Left out
            it is 30, and 60 more for the answer to a call that makes the server wait for a
            receiver, such as a publish with synchronous webhooks.
        retry: when calls are repeated.
        verify: False, or a context, to judge the server's certificate otherwise.
        transport: an httpx transport to use, for example ``httpx.MockTransport`` in tests.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str,
        tenant: str | None = None,
        timeout: float | None = None,
        retry: RetryPolicy = DEFAULT_RETRY,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        options = Options(
            base_url=base_url,
            api_key=api_key,
            tenant=tenant,
            timeout=timeout,
            retry=retry,
            verify=verify,
        )
        self._session = AsyncSession(options, transport)
        publishing = AsyncPublishing(self._session)
        self.publish = publishing.publish
        self.publish_batch = publishing.publish_batch
        self.webhooks = AsyncWebhooks(self._session)
        self.events = AsyncEvents(self._session)
        self.deliveries = AsyncDeliveries(self._session)
        self.event_types = AsyncEventTypes(self._session)
        self.credentials = AsyncCredentials(self._session)
        self.sources = AsyncSources(self._session)
        self.requests = AsyncRequests(self._session)
        self.listening = AsyncListening(self._session)
        self.automations = AsyncAutomations(self._session)
        self.automation_events = AsyncAutomationEvents(self._session)
        self.runs = AsyncRuns(self._session)
        self.timers = AsyncTimers(self._session)
        self.jobs = AsyncJobs(self._session)
        self.keys = AsyncKeys(self._session)
        self.tenants = AsyncTenants(self._session)
        self.packages = AsyncPackages(self._session)
        self.plugins = AsyncPlugins(self._session)

    async def aclose(self) -> None:
        """Close the connections; ``async with`` does it."""
        await self._session.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
