"""What a listener forwarded, kept over its restarts: a file that is only appended to.

A request is *begun* before it is forwarded and *done* after it; both are lines of the file. What
was begun and never done may have reached the local program: it is forwarded again, marked.
Everything else is forwarded once. Nothing is known here of requests but their ids, which grow.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from io import FileIO
from pathlib import Path
from typing import Final, Self

import msgspec

from hookferry.cli.terminal import CommandError, Exit

COMPACT_BYTES: Final = 64 * 1024
"""A file that has grown by so much, and to twice its size, is written anew with nothing but what
still matters."""
_VERSION: Final = 1
_WORDS: Final = {"p": 2, "d": 2, "b": 2, "r": 2, "f": 3, "a": 3}
"""Lines of the file after its header by their first words, and how many words they have: ``p``,
everything up to an id is done; ``d``, ``b``, ``r``: done, begun, retracted; ``f``, ``a``: the first
and the last id that was forwarded, and that was before somebody wished to begin anew."""
_Range = tuple[str, str]
_NOWHERE: Final[_Range] = ("~", "")
"""A range that holds no id, and that any other range widens to itself."""


class Key(msgspec.Struct, frozen=True):
    """Whose progress a file keeps."""

    server: str
    """Where hookferry is, without a slash at the end."""
    source: str
    forward: str
    """The URL that requests are forwarded to."""


class _Header(msgspec.Struct):
    version: int
    key: Key


def default_path(key: Key) -> Path:
    """Return where the progress of a listener is kept (XDG Base Directory Specification 0.8)."""
    named = os.environ.get("XDG_STATE_HOME", "")
    # "All paths set in these environment variables must be absolute"; others are ignored.
    base = Path(named) if os.path.isabs(named) else Path.home() / ".local" / "state"
    digest = hashlib.sha256(msgspec.json.encode(key)).hexdigest()[:16]
    return base / "hookferry" / "listen" / f"{key.source}-{digest}.journal"


class Journal:
    """The progress of one listener. ``open`` makes it; it holds a lock until ``close``.

    Ids are typed text (``req_...``), which sorts as the ids grow. What is kept, in memory and in
    the file, is what was done while the oldest request in the air was not, and nothing older.

    Args:
        path: the file.
        key: whose it is.
        lock: a locked file descriptor beside it.
    """

    def __init__(self, path: Path, key: Key, lock: int) -> None:
        self.path = path
        self._key = key
        self._lock = lock
        self._file: FileIO | None = None
        self._size = 0
        """Bytes of the file when it was written anew."""
        self._grown = 0
        """Bytes that were appended since."""
        self.position = ""
        """The id after which the stream goes on; empty where nobody has said yet where to begin."""
        self._open: dict[str, None] = {}
        """Taken up and not done, in the stream's order."""
        self._begun: set[str] = set()
        """Begun and not done."""
        self._doubtful: set[str] = set()
        """Of these, those that the local program may have had already."""
        self._done: set[str] = set()
        """Done above the position: something before them is not."""
        self._forwarded = _NOWHERE
        self._again = _NOWHERE
        """What had been forwarded when somebody wished to begin anew."""

    @classmethod
    def open(cls, path: Path, key: Key) -> Self:
        """Open or make a file, and keep everybody else out of it.

        Raises:
            CommandError: another listener has it, it belongs to another listener, or it can't be
                read or written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Beside the journal, since the journal is replaced when it is written anew.
            lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            journal = cls(path, key, lock)
            journal._load()
            journal._rewrite()
        except BlockingIOError:
            os.close(lock)
            raise CommandError(
                f"another 'hookferry listen' forwards {key.source} to {key.forward} already; end "
                "it, or give this one a state of its own with --state FILE",
                Exit.UNAVAILABLE,
            ) from None
        except OSError as error:
            os.close(lock)
            raise _unusable(path, error) from None
        except CommandError:
            os.close(lock)
            raise
        return journal

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
        os.close(self._lock)

    # ------------------------------------------------------------------ where it stands

    @property
    def doubtful(self) -> int:
        """How many requests the local program may have had, though they are not done."""
        return len(self._doubtful)

    def settled(self, request: str) -> bool:
        """Tell whether a request needs nothing any more."""
        return request <= self.position or request in self._done

    def repeats(self, request: str) -> bool:
        """Tell whether the local program may have had a request already."""
        lowest, highest = self._again
        return request in self._doubtful or lowest <= request <= highest

    # ------------------------------------------------------------------ what happens

    def start(self, position: str) -> None:
        """Begin after a request, whatever was forwarded before.

        What comes again then was forwarded before: it repeats.
        """
        self._again = _both(self._again, self._forwarded)
        self.position = position
        for forgotten in (self._open, self._begun, self._doubtful, self._done):
            forgotten.clear()
        self._rewrite()

    def take_up(self, request: str) -> None:
        """Note a request of the stream, in the stream's order. It ends with ``done``."""
        self._open[request] = None

    def begin(self, request: str) -> None:
        """A request is about to be sent. Durable when this returns."""
        if request in self._begun:
            return
        self._begun.add(request)
        self._forwarded = _both(self._forwarded, (request, request))
        self._append("b", request)
        self._sync()

    def retract(self, request: str) -> None:
        """For certain, what was begun reached nobody this time."""
        if request not in self._doubtful:
            self._begun.remove(request)
            self._append("r", request)

    def doubt(self, request: str) -> None:
        """What was begun may have reached the local program; it will be sent again."""
        self._doubtful.add(request)

    def done(self, request: str) -> None:
        """A request was forwarded, or is not wanted.

        Not synced: should the machine die and lose it, the request is begun and is repeated,
        marked.
        """
        was_first = next(iter(self._open)) == request
        del self._open[request]
        if was_first:
            self._done.add(request)
            first = next(iter(self._open), None)
            self._pass(max(one for one in self._done if first is None or one < first))
            self._append("p", self.position)
        else:
            self._begun.discard(request)
            self._doubtful.discard(request)
            self._done.add(request)
            self._append("d", request)
        if self._grown > max(COMPACT_BYTES, self._size):
            self._rewrite()

    def _pass(self, position: str) -> None:
        """Everything up to a request is done."""
        self.position = position
        for ids in (self._begun, self._doubtful, self._done):
            ids.difference_update([one for one in ids if one <= position])

    # ------------------------------------------------------------------ the file

    def _load(self) -> None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        head, *lines = content.split(b"\n")
        try:
            header = msgspec.json.decode(head, type=_Header)
        except msgspec.DecodeError:
            raise self._foreign("is no state of 'hookferry listen'") from None
        if header.version != _VERSION:
            raise self._foreign("was written by another version of hookferry")
        if header.key != self._key:
            other = header.key
            raise self._foreign(
                f"belongs to {other.source} of {other.server}, forwarded to {other.forward}"
            )
        for line in lines[:-1]:  # what has no line end was being written when the machine died
            words = line.decode("utf-8", "replace").split(" ")
            if _WORDS.get(words[0]) != len(words):
                raise self._foreign(f"is damaged: it has the line {line[:60]!r}")
            self._take_in(words[0], words[1], words[-1])
        self._doubtful = set(self._begun)

    def _take_in(self, kind: str, first: str, last: str) -> None:
        """Take one line of a file into account."""
        if kind == "b":
            self._begun.add(first)
            self._forwarded = _both(self._forwarded, (first, first))
        elif kind == "r":
            self._begun.discard(first)
        elif kind == "d":
            self._begun.discard(first)
            self._done.add(first)
        elif kind == "p":
            self._pass(first)
        elif kind == "f":
            self._forwarded = (first, last)
        else:
            self._again = (first, last)

    def _foreign(self, what: str) -> CommandError:
        return CommandError(
            f"{self.path} {what}; name another file with --state, or remove it to begin anew",
            Exit.USAGE,
        )

    def _append(self, *words: str) -> None:
        assert self._file is not None
        line = " ".join(words).encode() + b"\n"
        try:
            _write(self._file, line)
        except OSError as error:
            raise _unusable(self.path, error) from None
        self._grown += len(line)

    def _sync(self) -> None:
        assert self._file is not None
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unusable(self.path, error) from None

    def _rewrite(self) -> None:
        """Put a file with only what matters in the place of the present one, durably."""
        lines = [msgspec.json.encode(_Header(_VERSION, self._key)).decode()]
        if self.position:
            lines.append(f"p {self.position}")
        lines += [f"d {one}" for one in sorted(self._done)]
        lines += [f"b {one}" for one in sorted(self._begun)]
        for kind, (first, last) in (("f", self._forwarded), ("a", self._again)):
            if last:
                lines.append(f"{kind} {first} {last}")
        content = "".join(line + "\n" for line in lines).encode()
        new = self.path.with_name(self.path.name + ".new")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            file = FileIO(os.open(new, flags, 0o600), "w")
            try:
                _write(file, content)
                os.fsync(file.fileno())
                os.replace(new, self.path)
                _sync_folder(self.path.parent)
            except OSError:
                file.close()
                raise
        except OSError as error:
            raise _unusable(self.path, error) from None
        if self._file is not None:
            self._file.close()
        self._file = file
        self._size, self._grown = len(content), 0


def _write(file: FileIO, data: bytes) -> None:
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sync_folder(path: Path) -> None:
    """Make what was renamed in a folder durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _both(first: _Range, second: _Range) -> _Range:
    """Return the range that holds two."""
    return min(first[0], second[0]), max(first[1], second[1])


def _unusable(path: Path, error: OSError) -> CommandError:
    return CommandError(
        f"the listener's state can't be kept in {path}: {error.strerror}; name another file with "
        "--state",
        Exit.UNAVAILABLE,
    )
