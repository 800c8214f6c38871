"""Several processes on one database, and processes that are killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import numpy as np
import pytest

from livecount.storage import CountStore

N_FILES = 120
N_KILLS = 10


def start(made, *args):
    return subprocess.Popen(
        [sys.executable, str(made.script), *map(str, args)], stdout=subprocess.PIPE, text=True
    )


def table(store, made):
    """Every column that follows from what was seen, in the order of files."""
    analysis = store.analysis(store.experiment("run"))
    found = store.counts(analysis)
    order = sorted(range(len(found)), key=lambda i: (found.relative_path[i], found.page[i]))
    names = set(found.__dataclass_fields__) - {"frame_id", "counted_at"}
    rows = [{name: repr(getattr(found, name)[i]) for name in names} for i in order]
    pages = {
        path: store.known_pages(source, path, analysis)
        for source in store.sources()
        for path in store.known_files(source)
    }
    (source,) = store.sources()
    set_aside = [(one.relative_path, one.page, one.reason) for one in store.quarantined()]
    return rows, pages, store.known_files(source), set_aside, store.tally()


def check_whole(database, made, acknowledged):
    """No half frame: sound file, every count with its candidates, nothing acknowledged lost."""
    with CountStore.open(database) as store:
        assert store.verify() == []
        if not store.experiments() or not store.analyses(store.experiment("run")):
            assert not acknowledged
            return
        analysis = store.analysis(store.experiment("run"))
        found = store.counts(analysis)
        numbers = {found_.frame_id: found_.candidates for found_ in store.iter_candidates(analysis)}
        assert set(numbers) == set(found.frame_id.tolist())
        for frame_id, n in zip(found.frame_id.tolist(), found.count.tolist(), strict=True):
            assert np.array_equal(numbers[frame_id].y_px, made.make_candidates(n).y_px)
        (source,) = store.sources()
        known = store.known_files(source)
        for number in acknowledged:
            assert known[b"frame%04d.tif" % number] == made.stamp_of(number)


def test_killed_at_random_instants_it_ends_as_if_undisturbed(tmp_path, made):
    disturbed, undisturbed = tmp_path / "killed.db", tmp_path / "whole.db"
    chance = random.Random(1)
    acknowledged = set()
    for kill in range(N_KILLS):
        with start(made, "write", disturbed, N_FILES) as process:
            if kill % 3:
                assert process.stdout.readline() == "ready\n"
                # Where the work takes about this long, kills fall into all parts of it.
                time.sleep(chance.uniform(0, 0.2))
            else:
                time.sleep(chance.uniform(0.2, 1.5))
            process.kill()
            said = process.stdout.read().replace("ready\n", "")
        # A last line without its end was cut off by the kill.
        acknowledged.update(int(line) for line in said.splitlines(True) if line.endswith("\n"))
        check_whole(disturbed, made, acknowledged)
    assert len(acknowledged) > 0
    made.write(disturbed, N_FILES)
    made.write(undisturbed, N_FILES)
    with CountStore.open(disturbed) as one, CountStore.open(undisturbed) as other:
        assert table(one, made) == table(other, made)
        assert other.tally().seen == sum(
            {3: 1, 5: made.N_PAGES, 6: 2}.get(number % 7, 1) for number in range(N_FILES)
        )


def test_another_process_reads_whole_frames_while_this_one_writes(database, made):
    made.write(database, 1)
    with start(made, "read", database) as reader:
        assert reader.stdout.readline() == "1\n"
        made.write(database, 80)
        seen = [int(reader.stdout.readline()) for _ in range(3)]
        with CountStore.open(database, read_only=True) as store:
            all_counted = store.tally().counted
        while seen[-1] < all_counted:
            seen.append(int(reader.stdout.readline()))
        reader.kill()
    assert seen == sorted(seen)
    assert seen[-1] == all_counted


@pytest.mark.skipif(sys.platform == "win32", reason="a killed process cannot be told apart there")
def test_two_processes_may_make_the_database_at_once(database, made):
    processes = [start(made, "write", database, 0) for _ in range(3)]
    for process in processes:
        with process:
            assert process.stdout.read() == "ready\n"
        assert process.returncode == 0
    with CountStore.open(database) as store:
        assert len(store.analyses(store.experiment("run"))) == 1
