"""Scripts run in turns with everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

import pytest

from hookferry.automate.turns import Guest, Turns
from hookferry.errors import OutOfFuel
from hookferry.kata.fuel import Fuel


def spinning(guest: Guest, steps: int) -> Callable[[], int]:
    """Return work that spends a budget of steps and says how many."""

    def work() -> int:
        fuel = Fuel(steps=steps, pause=guest.pause)
        try:
            while True:
                fuel.spend(1)
        except OutOfFuel:
            return fuel.total

    return work


async def test_a_script_that_does_not_pause_ends_with_its_result() -> None:
    assert await Guest(Turns(), 1).run(lambda: 5) == 5


async def test_a_scripts_error_is_its_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        await Guest(Turns(), 1).run(lambda: 1 // 0)


async def test_a_script_waits_for_what_the_loop_does() -> None:
    guest = Guest(Turns(), 1)

    async def seven() -> int:
        await asyncio.sleep(0)
        return 7

    assert await guest.run(lambda: guest.wait(seven()) + 1) == 8


async def test_what_a_script_waits_for_fails_inside_it() -> None:
    guest = Guest(Turns(), 1)

    async def fails() -> int:
        raise LookupError("gone")

    def work() -> str:
        try:
            guest.wait(fails())
        except LookupError as error:
            return str(error)
        return "not reached"

    assert await guest.run(work) == "gone"


async def test_a_script_that_waits_too_long_is_out_of_fuel() -> None:
    guest = Guest(Turns(), 0.01)
    with pytest.raises(OutOfFuel, match=r"0\.01 s"):
        await guest.run(lambda: guest.wait(asyncio.get_running_loop().create_future()))


async def test_a_script_whose_time_is_over_ends_at_its_next_pause() -> None:
    time = [0.0]
    guest = Guest(Turns(lambda: time[0]), 2)

    def work() -> None:
        time[0] = 3.0
        guest.pause()

    with pytest.raises(OutOfFuel):
        await guest.run(work)


async def test_hungry_scripts_leave_half_of_the_time_to_others() -> None:
    turns = Turns()
    guests = [Guest(turns, 60) for _ in range(8)]
    done = asyncio.gather(*(guest.run(spinning(guest, 300_000)) for guest in guests))
    waits = []
    while not done.done():
        begun = perf_counter()
        await asyncio.sleep(0)
        waits.append(perf_counter() - begun)
    assert await done == [300_000] * 8
    waits.sort()
    # Others were given the loop hundreds of times, mostly for less than a slice's wait.
    assert len(waits) > 100, len(waits)
    assert waits[len(waits) // 2] < 0.002


async def test_a_cancelled_script_is_unwound_and_others_get_its_turn() -> None:
    turns = Turns()
    unwound = []
    first, second = Guest(turns, 60), Guest(turns, 60)

    def never_ending() -> None:
        fuel = Fuel(steps=10**12, pause=first.pause)
        try:
            while True:
                fuel.spend(100)
        finally:
            unwound.append(True)

    task = asyncio.create_task(first.run(never_ending))
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert unwound == [True]
    assert await second.run(spinning(second, 50_000)) == 50_000
