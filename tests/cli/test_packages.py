"""Packages from a terminal."""

from __future__ import annotations

import json
from pathlib import Path

from cli.conftest import Run, Serving


def test_a_package_of_the_library_is_imported_by_name(run: Run, server: Serving) -> None:
    at = ("--url", server.url, "--data-folder", str(server.data))
    listed = run("packages", "library", *at)
    assert "echo" in listed.out
    done = run("packages", "import", "api-key", *at)
    assert done.code == 0, done.err
    assert done.out.count("created") == 2
    assert f"{server.url}/webhooks/" in done.out
    assert "random_api_key: " in done.out
    again = run("packages", "import", "api-key", *at)
    assert again.out.count("unchanged") == 2
    assert "random_api_key" not in again.out


def test_what_is_asked_is_shown_and_answered(run: Run, server: Serving) -> None:
    at = ("--url", server.url, "--data-folder", str(server.data))
    asked = run("packages", "import", "github-to-chat", *at)
    assert (asked.code, asked.out) == (2, "")
    assert "prompt_chat_url: URL of the chat's incoming webhook" in asked.err
    done = run(
        *("packages", "import", "github-to-chat", *at),
        *("--answer", "prompt_github_secret=a=b"),
        *("--answer", "prompt_chat_url=https://chat.example/x"),
    )
    assert done.code == 0, done.err
    refused = run("packages", "import", "github-to-chat", *at, "--answer", "x")
    assert (refused.code, "key=value" in refused.err) == (2, True)


def test_a_file_is_exported_and_imported_and_refused_with_every_problem(
    run: Run, server: Serving, tmp_path: Path
) -> None:
    at = ("--url", server.url, "--data-folder", str(server.data))
    assert run("packages", "import", "echo", *at).code == 0
    made = run("packages", "export", "Mine", "automation:hookferry.echo", *at)
    document = json.loads(made.out)
    record = document["records"][0]
    record["name"] = "mine.echo"
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(document))
    assert run("packages", "import", f"@{file}", *at).out.startswith("created")
    record |= {"script": "start:\n  retrun:\n", "name": "bad.echo"}
    document["records"].append(record | {"uid": "other", "name": "NO"})
    done = run("packages", "import", "-", *at, stdin=json.dumps(document).encode())
    assert done.code == 1
    assert "automation_1, script: line 2" in done.err
    assert "other, name: " in done.err
