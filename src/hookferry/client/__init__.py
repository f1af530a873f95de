"""What users import to talk to hookferry: the HTTP API, blocking and for asyncio.

The same names on both clients, typed answers, retries that never publish twice. Nothing here
imports the server.
"""

from __future__ import annotations

from hookferry.client.answers import (
    ApiKey,
    Attempt,
    Changed,
    Delivery,
    Event,
    Job,
    LastError,
    PingResult,
    Published,
    RateLimit,
    Retry,
    Secret,
    Tenant,
    Webhook,
    WebhookStats,
)
from hookferry.client.calls import AsyncListing, Listing, Page
from hookferry.client.clients import AsyncClient, Client
from hookferry.client.errors import ApiError, UnexpectedAnswer, Unreachable
from hookferry.client.publishing import NewEvent
from hookferry.client.retrying import RetryPolicy

__all__ = [
    "ApiError",
    "ApiKey",
    "AsyncClient",
    "AsyncListing",
    "Attempt",
    "Changed",
    "Client",
    "Delivery",
    "Event",
    "Job",
    "LastError",
    "Listing",
    "NewEvent",
    "Page",
    "PingResult",
    "Published",
    "RateLimit",
    "Retry",
    "RetryPolicy",
    "Secret",
    "Tenant",
    "UnexpectedAnswer",
    "Unreachable",
    "Webhook",
    "WebhookStats",
]
