from __future__ import annotations

from livecount.monitor.second_tries import SecondTries
from livecount.platform.files import FileStamp

STAMP = FileStamp(10, 1)


def test_a_file_is_tried_again_after_a_pause_that_doubles() -> None:
    tries = SecondTries(600.0)
    tries.put_off(b"a", STAMP, 0.0)
    assert tries.take(599.0) is None
    assert tries.take(600.0) == b"a"
    assert tries.take(601.0) is None
    tries.put_off(b"a", STAMP, 601.0)
    assert tries.take(601.0 + 1199.0) is None
    assert tries.take(601.0 + 1200.0) == b"a"


def test_pauses_do_not_grow_beyond_six_hours() -> None:
    tries = SecondTries(600.0)
    for _ in range(50):
        tries.put_off(b"a", STAMP, 0.0)
    assert tries.take(6 * 3600.0) == b"a"


def test_a_file_that_changed_begins_anew() -> None:
    tries = SecondTries(600.0)
    for _ in range(5):
        tries.put_off(b"a", STAMP, 0.0)
    changed = FileStamp(11, 2)
    assert not tries.is_second(b"a", changed)
    tries.put_off(b"a", changed, 0.0)
    assert tries.take(600.0) == b"a"


def test_what_was_read_is_not_tried_again() -> None:
    tries = SecondTries(600.0)
    tries.put_off(b"a", STAMP, 0.0)
    tries.forget(b"a")
    assert tries.take(1e9) is None


def test_one_is_tried_at_a_time_and_each_in_its_turn() -> None:
    tries = SecondTries(600.0)
    for number, path in enumerate((b"a", b"b", b"c")):
        tries.put_off(path, STAMP, float(number))
    assert [tries.take(700.0) for _ in range(4)] == [b"a", b"b", b"c", None]


def test_without_a_pause_nothing_is_tried_again() -> None:
    tries = SecondTries(0.0)
    tries.put_off(b"a", STAMP, 0.0)
    assert tries.is_second(b"a", STAMP)
    assert tries.take(1e9) is None
