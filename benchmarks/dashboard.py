"""How fast the dashboard's data comes from a million frames, and what fifty viewers cost.

    python benchmarks/dashboard.py IMAGES [--million RUN.db] [-o docs/dashboard.md]

First the API requests of every page are made of a run of 998,400 frames (`made_run.py`; made anew
where none is given, which takes ten minutes). Then `livecount run` counts real frames that land one
by one into the same database, alone and with 50 viewers: each keeps a WebSocket open and asks for
what its page asks for when something is new. Viewers and monitor share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from accuracy import describe_origin  # noqa: E402
from throughput import LANDED, Camera, laid_out, write  # noqa: E402

from tests.endtoend.program import HASTE, command, environment  # noqa: E402

VIEWERS = 50
FRAMES = 30
TIMES = 10
PATIENCE_S = 900.0
LIVE = "live run"
CAMERA = Camera((1040, 1408), "usiigaci-large", 40.0)
WELL = {"plate": "", "well": "B5"}
PAGES = {
    "Experiments": ("experiments", "health"),
    "Plate": ("experiments/{id}/plate",),
    "Growth, groups": (
        "experiments/{id}/plate", "experiments/{id}/curves", "experiments/{id}/growth",
    ),
    "Growth, wells": ("experiments/{id}/curves?by=wells", "experiments/{id}/growth"),
    "Growth, relative": ("experiments/{id}/curves?relative_to_h=10",),
    "Frame": (
        "frames/{frame}", "frames/{frame}/cells", "frames/{frame}/corrections",
        "experiments/{id}/frames?plate=&well=B5&field=3&position=&channel=&z=",
    ),
    "Review": (
        "experiments/{id}/flagged", "experiments/{id}/exclusions", "experiments/{id}/events",
    ),
    "Review, fields": ("experiments/{id}/fields", "experiments/{id}/validations"),
    "Health": ("health", "incidents", "set-aside", "analyses", "machine"),
}  # fmt: skip


@dataclass(frozen=True)
class Server:
    """A server's address and token."""

    base: str
    token: str

    def ask(self, path: str) -> tuple[float, int, bytes]:
        """Ask the API; gives seconds, status and answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        request = urllib.request.Request(f"{self.base}/api/v1/{path}", headers=headers)
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                body = answer.read()
                return time.perf_counter() - began, answer.status, body
        except urllib.error.HTTPError as refusal:
            return time.perf_counter() - began, refusal.code, refusal.read()


@dataclass
class Asked:
    """What one page's data took: the slowest request of each time that the page was opened."""

    page: str
    first_s: float
    later_s: list[float]
    kilobytes: float


@dataclass
class Watched:
    """What counting took, and how long after its commit a viewer knew of a count."""

    viewers: int
    waits_s: list[float]
    told_s: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--million", type=Path, help="a run that made_run.py made")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "dashboard.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        database = given.million or made(Path(work) / "run.db")
        cells = cells_of(database)
        with serving(database, Path(work)) as server:
            ready_s = first_plate(server)
            fits_s = first_fits(server)
            asked = [opened(server, page, paths) for page, paths in PAGES.items()]
        for one in asked:
            print(page_row(one), flush=True)
        watched = [counted(given.images, database, Path(work), n) for n in (0, VIEWERS)]
    given.output.write_text(report(cells, ready_s, fits_s, asked, watched), encoding="utf-8")


def made(database: Path) -> Path:
    """Make the run of a million frames."""
    script = ROOT / "benchmarks" / "made_run.py"
    words = ["--interval-min", "15", "--plateau", "600", "--copies", "13"]
    subprocess.run([sys.executable, script, database, *words], check=True)
    return database


def cells_of(database: Path) -> tuple[int, int]:
    """Count the frames and cells of the first experiment."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT count(*), sum(count) FROM counts WHERE analysis_row_id = 1"
        frames, cells = connection.execute(query).fetchone()
    return int(frames), int(cells)


@contextmanager
def serving(database: Path, work: Path, *words: Any) -> Iterator[Server]:
    """Start ``serve``, or ``run`` with what it is to watch."""
    kept = {name: value for name, value in environment().items() if name not in HASTE}
    log = work / f"server {time.time()}.log"
    with log.open("w") as errors:
        program = subprocess.Popen(
            command(*(words or ("serve",)), "--database", database),
            env=kept | {"LIVECOUNT_LOG__LEVEL": "warning"},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            while "dashboard: " not in log.read_text():
                if program.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(0.1)
            address = log.read_text().split("dashboard: ")[1].split()[0]
            yield Server(*address.split("/?token="))
        finally:
            program.terminate()
            program.wait(60)


def first_plate(server: Server) -> float:
    """Wait until a server that has just started has read the run."""
    began = time.monotonic()
    while server.ask("experiments/1/plate")[1] != 200:
        if time.monotonic() - began > PATIENCE_S:
            raise SystemExit("the run was not read")
    return time.monotonic() - began


def first_fits(server: Server) -> float:
    """Wait until the whole run is fitted."""
    began = time.monotonic()
    while server.ask("experiments/1/growth")[1] != 200:
        if time.monotonic() - began > PATIENCE_S:
            raise SystemExit("the run was not fitted")
    return time.monotonic() - began


def opened(server: Server, page: str, paths: tuple[str, ...]) -> Asked:
    """Ask for a page's data several times; a browser asks for all of it at once."""
    listed = json.loads(server.ask("experiments/1/frames?plate=&well=B5&field=3")[2])
    place = {"id": 1, "frame": listed["frames"][-1]["id"]}
    slowest, sizes = [], [0]
    for _ in range(1 + TIMES):
        answers = [server.ask(path.format(**place)) for path in paths]
        refused = [status for _, status, _ in answers if status != 200]
        if refused:
            raise SystemExit(f"{page}: {refused}")
        slowest.append(max(took for took, _, _ in answers))
        sizes = [len(body) for _, _, body in answers]
    return Asked(page, slowest[0], slowest[1:], sum(sizes) / 1e3)


def counted(images: Path, database: Path, work: Path, viewers: int) -> Watched:
    """Count frames that land one by one while so many look."""
    watched = work / f"frames {viewers}"
    watched.mkdir()
    picture = laid_out(images, CAMERA)
    words = ("run", watched, "--experiment", LIVE, "--cell-diameter-px", CAMERA.cell_px)
    with serving(database, work, *words) as server:
        land(watched, database, picture, ["before"], viewers)
        heard = multiprocessing.Queue()  # type: ignore[var-annotated]
        looking = multiprocessing.Process(target=look, args=(server, viewers, heard), daemon=True)
        looking.start()
        while heard.get(timeout=PATIENCE_S) is not None:
            pass  # what was heard before everybody was there
        names = [f"new{number:03d}" for number in range(FRAMES)]
        last_byte_s = land(watched, database, picture, names, viewers)
        time.sleep(5)
        looking.terminate()
    committed = counts_of(database, watched)
    told = []
    while not heard.empty():
        told.append(heard.get())
    waits = [committed[name] - last_byte_s[name] for name in names]
    return Watched(viewers, waits, delays(told, committed, names))


def land(
    watched: Path, database: Path, picture: Any, names: list[str], viewers: int
) -> dict[str, float]:
    """Write frames one by one, each after the last was counted; gives when each was whole."""
    last_byte_s = {}
    for number, name in enumerate(names):
        write(watched / f"{name}.tif", picture, 100 * viewers + number + len(names))
        last_byte_s[name] = time.time()
        ends = time.monotonic() + PATIENCE_S
        while name not in counts_of(database, watched):
            if time.monotonic() > ends:
                raise SystemExit(f"{name} was not counted")
            time.sleep(0.1)
    return last_byte_s


def counts_of(database: Path, watched: Path) -> dict[str, float]:
    """Read when each frame of a folder was counted."""
    query = (
        f"{LANDED} JOIN sources ON sources.id = files.source_id WHERE sources.folder = ?"
        " AND counts.id > (SELECT max(id) - 1000 FROM counts)"
    )
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(query, (bytes(watched),)).fetchall()
    return {Path(path.decode()).stem: datetime.fromisoformat(at).timestamp() for at, path in rows}


def delays(
    told: list[tuple[int, float]], committed: dict[str, float], names: list[str]
) -> list[float]:
    """Give for each count when the last of the viewers heard of something after its commit."""
    moments: dict[int, list[float]] = {}
    for viewer, moment in told:
        moments.setdefault(viewer, []).append(moment)
    firsts = [
        [min(at - committed[name] for at in heard if at >= committed[name]) for name in names]
        for heard in moments.values()
        if max(heard) >= max(committed[name] for name in names)
    ]
    if len(firsts) != len(moments):
        raise SystemExit("not every viewer was told of every count")
    return np.max(firsts, axis=0).tolist() if firsts else []


def look(server: Server, viewers: int, heard: Any) -> None:
    """Be so many viewers: half of them look at the live run, half at the million frames."""
    asyncio.run(_look(server, viewers, heard))


async def _look(server: Server, viewers: int, heard: Any) -> None:
    listed = json.loads(server.ask("experiments")[2])
    live = next(one["id"] for one in listed if one["name"] == LIVE)
    ready = asyncio.Semaphore(0)
    tasks = [
        asyncio.create_task(
            _view(server, live if number % 2 else 1, bool(number % 2), ready, heard)
        )
        for number in range(viewers)
    ]
    for _ in tasks:
        await ready.acquire()
    heard.put(None)
    await asyncio.gather(*tasks) if tasks else await asyncio.sleep(PATIENCE_S)


async def _view(
    server: Server, experiment: int, number: int, ready: asyncio.Semaphore, heard: Any
) -> None:
    import httpx
    import websockets

    headers = {"Authorization": f"Bearer {server.token}"}
    address = f"{server.base.replace('http', 'ws')}/api/v1/live?experiment={experiment}"
    base = f"{server.base}/api/v1/experiments/{experiment}"
    async with (
        httpx.AsyncClient(headers=headers, timeout=PATIENCE_S) as client,
        websockets.connect(address, additional_headers=headers, max_size=None) as socket,
    ):
        await client.get(f"{base}/plate")
        ready.release()
        async for text in socket:
            kind = json.loads(text)["kind"]
            if kind != "health" and number % 2:
                heard.put((number, time.time()))
            if kind == "counts":
                await client.get(f"{base}/curves?changed=true")
            elif kind == "snapshot":
                await client.get(f"{base}/plate")


def page_row(asked: Asked) -> str:
    """Write a row of the first table."""
    later = sorted(asked.later_s)
    return (
        f"| {asked.page} | {asked.kilobytes:.0f} | {1000 * asked.first_s:.0f} "
        f"| {1000 * float(np.median(later)):.0f} | {1000 * later[-1]:.0f} |"
    )


def viewer_row(watched: Watched) -> str:
    """Write a row of the second table."""
    waits, told = watched.waits_s, watched.told_s
    heard = f"{np.median(told):.2f} | {max(told):.2f}" if told else "- | -"
    return (
        f"| {watched.viewers} | {np.median(waits):.2f} | {np.quantile(waits, 0.9):.2f} "
        f"| {max(waits):.2f} | {heard} |"
    )


def report(
    cells: tuple[int, int],
    ready_s: float,
    fits_s: float,
    asked: list[Asked],
    watched: list[Watched],
) -> str:
    """Write what was measured."""
    origin = describe_origin()
    frames, n_cells = cells
    alone, crowd = (one.waits_s for one in watched)
    return (
        "# The dashboard with a million frames, and with fifty viewers\n\n"
        f"One experiment of {frames:,} frames (384 wells, 13 fields, 200 times) with "
        f"{n_cells / 1e6:.0f} million cells, made by `benchmarks/made_run.py`: it shows speed, "
        "never accuracy. A server that has just started reads the run once, in "
        f"{ready_s:.0f} s, and fits all wells in {fits_s:.0f} s more; pages say so meanwhile. "
        "From then on the slowest request of each page's data takes, in milliseconds:\n\n"
        f"| page | kB | first time | median of {TIMES} | longest |\n|---|---:|---:|---:|---:|\n"
        + "\n".join(page_row(one) for one in asked)
        + f"\n\n`livecount run` counts {FRAMES} real frames of {CAMERA.shape[0]} x "
        f"{CAMERA.shape[1]} px that land one by one into the same database. From a frame's last "
        "byte to its count (settling included), and from a count to the message that the last of "
        "its viewers gets, in seconds; half of the viewers look at the run of a million "
        "frames, and all ask for what their page asks for when something is new:\n\n"
        "| viewers | wait, median | 90 % | longest | told after, median | longest |\n"
        "|---:|---:|---:|---:|---:|---:|\n"
        + "\n".join(viewer_row(one) for one in watched)
        + f"\n\nWith {VIEWERS} viewers a count comes {np.median(crowd) - np.median(alone):+.2f} s "
        f"later in the median, {max(crowd) - max(alone):+.2f} s at the longest.\n\n"
        f"`python benchmarks/dashboard.py IMAGES --million RUN.db`, {origin['date']}, commit "
        f"{origin['commit']}, {origin['machine']}.\n"
    )


if __name__ == "__main__":
    main()
