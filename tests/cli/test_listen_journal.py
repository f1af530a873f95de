"""A listener's journal: what is forwarded again after which crash, and who may write it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hookferry import ids
from hookferry.cli.listening import journal as journals
from hookferry.cli.listening.journal import Journal, Key, default_path
from hookferry.cli.terminal import CommandError, Exit

KEY = Key("http://127.0.0.1:8080", "src_1", "http://localhost:3000")


def req(number: int) -> str:
    return ids.encode("req", number)


@contextmanager
def opened(path: Path, key: Key = KEY) -> Iterator[Journal]:
    """A journal, open and closed again as by a process that was killed: nothing is written."""
    journal = Journal.open(path, key)
    try:
        yield journal
    finally:
        journal.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "of.journal"


def forward(journal: Journal, *numbers: int) -> None:
    for number in numbers:
        journal.take_up(req(number))
        journal.begin(req(number))
        journal.done(req(number))


def test_it_goes_on_after_the_last_that_is_done(path: Path) -> None:
    with opened(path) as journal:
        assert journal.position == ""
        journal.start(req(5))
        forward(journal, 6, 7)
    with opened(path) as journal:
        assert journal.position == req(7)
        assert journal.settled(req(7))
        assert not journal.settled(req(8))
        assert not journal.repeats(req(8))


def test_what_was_begun_and_not_done_repeats_after_a_crash(path: Path) -> None:
    with opened(path) as journal:
        journal.start(req(0))
        forward(journal, 1)
        journal.take_up(req(2))
        journal.begin(req(2))
        assert not journal.repeats(req(2))  # not before the crash
    for _ in range(2):  # a second crash before anything happened changes nothing
        with opened(path) as journal:
            assert journal.position == req(1)
            assert journal.doubtful == 1
            assert journal.repeats(req(2))
            assert not journal.repeats(req(3))
    with opened(path) as journal:
        forward(journal, 2)
        assert not journal.doubtful
    with opened(path) as journal:
        assert not journal.repeats(req(2))


def test_what_is_begun_is_on_the_disk_before_it_is_sent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    sync = os.fsync
    with opened(path) as journal:
        journal.start(req(0))
        journal.take_up(req(1))

        def synced_too(fd: int) -> None:
            sync(fd)
            synced.append(path.read_bytes())

        monkeypatch.setattr(os, "fsync", synced_too)
        journal.begin(req(1))
    [content] = synced
    assert content.endswith(b"b " + req(1).encode() + b"\n")


def test_what_reached_nobody_is_not_begun(path: Path) -> None:
    with opened(path) as journal:
        journal.start(req(0))
        journal.take_up(req(1))
        journal.begin(req(1))
        journal.retract(req(1))
    with opened(path) as journal:
        assert not journal.repeats(req(1))
        assert journal.position == req(0)


def test_what_may_have_been_forwarded_stays_so_though_the_next_try_reaches_nobody(
    path: Path,
) -> None:
    with opened(path) as journal:
        journal.start(req(0))
        journal.take_up(req(1))
        journal.begin(req(1))
        journal.doubt(req(1))
        assert journal.repeats(req(1))
        journal.begin(req(1))
        journal.retract(req(1))
        assert journal.repeats(req(1))
    with opened(path) as journal:
        assert journal.repeats(req(1))


def test_what_is_done_ahead_of_others_is_not_forwarded_again(path: Path) -> None:
    with opened(path) as journal:
        journal.start(req(0))
        for number in (1, 2, 3, 4):
            journal.take_up(req(number))
            journal.begin(req(number))
        journal.done(req(3))
        journal.done(req(2))
        assert journal.position == req(0)
    with opened(path) as journal:
        assert journal.position == req(0)
        assert [journal.settled(req(n)) for n in (1, 2, 3, 4)] == [False, True, True, False]
        assert [journal.repeats(req(n)) for n in (1, 4)] == [True, True]
        journal.take_up(req(1))
        journal.take_up(req(4))
        journal.done(req(1))
        assert journal.position == req(3)


def test_beginning_anew_marks_what_had_been_forwarded_and_nothing_else(path: Path) -> None:
    with opened(path) as journal:
        journal.start(req(10))
        forward(journal, 11, 13)
        journal.start(req(0))
    with opened(path) as journal:
        assert journal.position == req(0)
        assert [n for n in range(20) if journal.repeats(req(n))] == [11, 12, 13]


def test_a_torn_last_line_is_passed_over(path: Path) -> None:
    with opened(path) as journal:
        journal.start(req(0))
        forward(journal, 1)
    with path.open("ab") as file:
        file.write(b"b " + req(2).encode()[:7])
    with opened(path) as journal:
        assert journal.position == req(1)
        assert not journal.doubtful


def test_its_file_stays_small(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "COMPACT_BYTES", 2000)
    with opened(path) as journal:
        journal.start(req(0))
        for number in range(1, 200):
            forward(journal, number)
            assert path.stat().st_size < 2500
    with opened(path) as journal:
        assert journal.position == req(199)
    assert path.stat().st_size < 500
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_listeners_of_the_same_do_not_share_it(path: Path) -> None:
    with opened(path), pytest.raises(CommandError, match="already; end it, or") as refused:
        Journal.open(path, KEY)
    assert refused.value.code == Exit.UNAVAILABLE
    with opened(path):
        pass


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"something else\n", "is no state of 'hookferry listen'"),
        (b'{"version":9,"key":{"server":"","source":"","forward":""}}\n', "another version"),
        (
            b'{"version":1,"key":{"server":"x","source":"src_2","forward":"y"}}\n',
            "belongs to src_2",
        ),
    ],
)
def test_another_file_is_left_alone(path: Path, content: bytes, said: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(CommandError, match=said) as refused:
        Journal.open(path, KEY)
    assert refused.value.code == Exit.USAGE
    assert path.read_bytes() == content


def test_damage_is_said_and_not_guessed_at(path: Path) -> None:
    with opened(path) as journal:
        journal.start(req(0))
    with path.open("ab") as file:
        file.write(b"x y\nb " + req(2).encode() + b"\n")
    with pytest.raises(CommandError, match="is damaged: it has the line b'x y'"):
        Journal.open(path, KEY)


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CommandError, match=r"can't be kept in .*file/of.journal: "):
        Journal.open(tmp_path / "file" / "of.journal", KEY)


def test_each_server_source_and_url_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    keys = [KEY, Key("http://other", "src_1", KEY.forward), Key(KEY.server, "src_1", "http://b")]
    paths = {default_path(key) for key in keys}
    assert len(paths) == 3
    assert {path.parent for path in paths} == {tmp_path / "hookferry" / "listen"}
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path(KEY).is_relative_to(tmp_path / ".local" / "state")
