"""Webhooks of packages that run automations."""

from __future__ import annotations

import pytest

from automate.packages.kit import Post, automation, package
from hookferry.errors import PackageRefused


async def test_a_webhook_may_run_an_automation_of_its_own_package(post: Post) -> None:
    hook = {
        "uid": "h",
        "_context": "webhook",
        "name": "runs",
        "type": "automation",
        "target_url": "cerb:automation:example.hello",
        "events": ["*"],
    }
    await post.take(package(hook, automation()))
    [found] = post.kinds.of("webhook").all(1)
    assert found.target_url == "cerb:automation:example.hello"
    with pytest.raises(PackageRefused, match="no automation"):
        await post.take(
            package(hook | {"name": "other", "target_url": "example.other"}, name="Other")
        )
