"""Who holds a place: one gets a number, a process is told from another, an end is left behind."""

import dataclasses
import os
import threading
import time

from shards import lease, storage
from shards.lease import Holder, Lease


def me(silent_seconds: float = 30) -> Holder:
    return Holder.this_process(silent_seconds)


def test_an_equal_process_number_is_not_the_same_process() -> None:
    assert me().is_here
    assert me().lives
    assert me().pid == os.getpid()
    assert not dataclasses.replace(me(), started=me().started - 1).lives


def test_another_container_on_this_machine_is_elsewhere() -> None:
    kernel, _, container = me().processes.partition(" ")
    assert container.startswith("pid:[")
    assert not dataclasses.replace(me(), processes=f"{kernel} pid:[1]").is_here


def test_one_of_several_gets_the_number(any_url: str) -> None:
    taken: list[Lease | None] = []
    takers = [threading.Thread(target=lambda: taken.append(lease.take(any_url, 0, me()))) for _ in range(4)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    assert sorted(one.number for one in taken if one) == [1]
    assert len(taken) == 4


def test_a_later_number_fences_off_the_earlier_and_the_end_is_the_laters(any_url: str) -> None:
    first = lease.take(any_url, lease.newest(any_url), me())
    assert first is not None
    assert first.is_newest
    second = lease.take(any_url, lease.newest(any_url), me())
    assert second is not None
    assert not first.is_newest
    assert storage.list_names(any_url) == ["lease/000002.json"]
    lease.end(first, me(), 1)
    lease.end(second, me(), 0)
    assert storage.list_names(any_url) == ["lease/000002.json"]
    found = lease.read(any_url, 2)
    assert found is not None
    assert found.exit_status == 0
    assert lease.read(any_url, 1) is None


def test_it_beats_as_often_as_it_said_until_another_takes_over(any_url: str) -> None:
    taken = lease.take(any_url, 0, me(0.3))
    assert taken is not None
    with lease.beating(taken, me(0.3)):
        time.sleep(0.6)
        found = lease.read(any_url, 1)
        assert found is not None
        assert found.beat >= 2
        lease.take(any_url, 1, me())
        time.sleep(0.4)
        assert storage.list_names(any_url) == ["lease/000002.json"]
