"""What users import to talk to hookferry: the HTTP API, blocking and for asyncio.

The same names on both clients, typed answers, retries that never publish twice. Nothing here
imports the server.
"""

from __future__ import annotations

from hookferry.client.answers import (
    ApiKey,
    Application,
    Credential,
    EventType,
    Job,
    LastError,
    PingResult,
    RateLimit,
    Retry,
    Secret,
    Tenant,
    Webhook,
    WebhookStats,
)
from hookferry.client.automation_answers import (
    Automation,
    AutomationEvent,
    AutomationSummary,
    Fired,
    LogLine,
    Plugin,
    Run,
    RunSummary,
    Simulated,
    SimulatedAnswer,
    Step,
    Timer,
)
from hookferry.client.automations import (
    AutomationChanges,
    AutomationEventChanges,
    AutomationEventSettings,
    AutomationSettings,
    Simulation,
)
from hookferry.client.calls import (
    AsyncListing,
    Listing,
    Page,
)
from hookferry.client.clients import (
    AsyncClient,
    Client,
)
from hookferry.client.credentials import (
    CredentialChanges,
)
from hookferry.client.errors import (
    ApiError,
    SynchronousWebhookFailed,
    UnexpectedAnswer,
    Unreachable,
    Vetoed,
)
from hookferry.client.event_types import (
    EventTypeSettings,
)
from hookferry.client.listening import (
    StreamedRequest,
)
from hookferry.client.log_answers import (
    Attempt,
    Changed,
    Comparison,
    Delivery,
    Event,
    Match,
    MatchedDelivery,
    MatchStep,
    Outcome,
    Published,
    SentSignature,
)
from hookferry.client.packages import (
    LibraryPackage,
    MadeRecord,
    MadeRecords,
    Package,
    PackagedRecord,
    PackageImported,
    Prompt,
    PromptOption,
)
from hookferry.client.publishing import (
    NewEvent,
)
from hookferry.client.request_answers import (
    BodyComparison,
    CaughtRequest,
    CaughtSummary,
    Change,
    Explanation,
    Header,
    ManyReplayed,
    Replayed,
    RequestComparison,
    Trial,
)
from hookferry.client.retrying import (
    RetryPolicy,
)
from hookferry.client.source_answers import (
    FormerAddress,
    InForce,
    Preset,
    Reply,
    Respond,
    Share,
    Source,
    SourceSecret,
    SourceStats,
)
from hookferry.client.sources import (
    ReplyFields,
    RespondFields,
    SourceChanges,
    SourceSettings,
)
from hookferry.client.timers import (
    TimerChanges,
    TimerSettings,
)
from hookferry.client.webhooks import (
    WebhookChanges,
    WebhookDraft,
    WebhookSettings,
)

__all__ = [
    "ApiError",
    "ApiKey",
    "Application",
    "AsyncClient",
    "AsyncListing",
    "Attempt",
    "Automation",
    "AutomationChanges",
    "AutomationEvent",
    "AutomationEventChanges",
    "AutomationEventSettings",
    "AutomationSettings",
    "AutomationSummary",
    "BodyComparison",
    "CaughtRequest",
    "CaughtSummary",
    "Change",
    "Changed",
    "Client",
    "Comparison",
    "Credential",
    "CredentialChanges",
    "Delivery",
    "Event",
    "EventType",
    "EventTypeSettings",
    "Explanation",
    "Fired",
    "FormerAddress",
    "Header",
    "InForce",
    "Job",
    "LastError",
    "LibraryPackage",
    "Listing",
    "LogLine",
    "MadeRecord",
    "MadeRecords",
    "ManyReplayed",
    "Match",
    "MatchStep",
    "MatchedDelivery",
    "NewEvent",
    "Outcome",
    "Package",
    "PackageImported",
    "PackagedRecord",
    "Page",
    "PingResult",
    "Plugin",
    "Preset",
    "Prompt",
    "PromptOption",
    "Published",
    "RateLimit",
    "Replayed",
    "Reply",
    "ReplyFields",
    "RequestComparison",
    "Respond",
    "RespondFields",
    "Retry",
    "RetryPolicy",
    "Run",
    "RunSummary",
    "Secret",
    "SentSignature",
    "Share",
    "Simulated",
    "SimulatedAnswer",
    "Simulation",
    "Source",
    "SourceChanges",
    "SourceSecret",
    "SourceSettings",
    "SourceStats",
    "Step",
    "StreamedRequest",
    "SynchronousWebhookFailed",
    "Tenant",
    "Timer",
    "TimerChanges",
    "TimerSettings",
    "Trial",
    "UnexpectedAnswer",
    "Unreachable",
    "Vetoed",
    "Webhook",
    "WebhookChanges",
    "WebhookDraft",
    "WebhookSettings",
    "WebhookStats",
]
