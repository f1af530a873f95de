"""The table of receivers' behaviours, through hookferry's client and through aiohttp's."""

from __future__ import annotations

import pytest

from transport import oracle
from transport.behaviours import ROWS, Row, Verdict
from transport.kit import Sender, request_to
from transport.peers import Peers

by_name = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@by_name
async def test_hookferry_takes_it_for_what_it_is(row: Row, peers: Peers, sender: Sender) -> None:
    receiver = await peers.receiver(row.script)
    outcome = await sender.send(request_to(receiver.target, timeout=row.timeout))
    assert Verdict.of(outcome) == row.expect, outcome.detail
    assert (outcome.error is None) == (outcome.detail is None)
    assert outcome.duration < row.timeout + 3


@by_name
async def test_aiohttp_agrees_or_differs_for_a_reason(row: Row, peers: Peers) -> None:
    receiver = await peers.receiver(row.script)
    outcome = await oracle.ask(request_to(receiver.target, timeout=row.timeout))
    assert Verdict.of(outcome) == (row.aiohttp or row.expect), outcome.detail
    assert bool(row.why) == (row.aiohttp is not None)
    assert row.aiohttp != row.expect
