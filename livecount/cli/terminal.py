"""What all commands share: consoles, results for scripts, progress bars, one line per failure."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from livecount.errors import LivecountError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

__all__ = [
    "FAILED",
    "USAGE",
    "progress_bar",
    "say",
    "show_error",
    "some_of",
    "terminal",
    "write_json",
]

FAILED = 1
USAGE = 2
_SAID_EVERY_S: Final = 60.0
_MOST_NAMED: Final = 12


def terminal(*, stderr: bool = False) -> Console:
    """Open a console; standard error for what is not the result."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Tell the user something on standard error, so that standard output keeps only the result."""
    terminal(stderr=True).print(text, markup=False)


def some_of(names: Sequence[str]) -> str:
    """Name the first few, and say how many more there are."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def write_json(result: Any) -> None:
    """Write a result for scripts on standard output, as JSON in UTF-8."""
    json.dump(result, sys.stdout, ensure_ascii=True, indent=2, default=_plain)
    sys.stdout.write("\n")


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def show_error(error: LivecountError) -> None:
    """Write a failure as plain lines on standard error: what, where, what to do now."""
    console = terminal(stderr=True)
    console.print("error:", style="bold red", end=" ")
    console.print(str(error), markup=False)


@contextmanager
def progress_bar(description: str, total: int | None) -> Iterator[Any]:
    """Show progress on standard error; yields a function to call with the number of steps done.

    Where standard error goes to a file, a bar would be seen at the end at most: there it is a line
    a minute.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    with _progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    ) as progress:
        task = progress.add_task(description, total=total)
        to_file = not progress.console.is_terminal
        said_s = time.monotonic()

        def advance(steps: int = 1, note: str | None = None) -> None:
            nonlocal said_s
            progress.update(task, advance=steps, description=note or description)
            if to_file and time.monotonic() - said_s >= _SAID_EVERY_S:
                said_s = time.monotonic()
                say(note or f"{description}: {_done(progress.tasks[task])}")

        yield advance


def _done(task: Task) -> str:
    return f"{task.completed:g}" if task.total is None else f"{task.completed:g} of {task.total:g}"


def _progress(*columns: Any) -> Progress:
    from rich.progress import Progress

    return Progress(*columns, console=terminal(stderr=True), transient=True)
