"""What long work says where nobody watches a terminal."""

from __future__ import annotations

import pytest

from livecount.cli import terminal
from livecount.cli.terminal import progress_bar


@pytest.mark.parametrize(
    ("total", "note", "says"),
    [
        (None, None, ["scoring: 1", "scoring: 3"]),
        (3, None, ["scoring: 1 of 3", "scoring: 3 of 3"]),
        (3, "step 5: loss 0.1", ["step 5: loss 0.1"] * 2),
    ],
)
def test_a_log_file_gets_lines(
    total: int | None,
    note: str | None,
    says: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(terminal, "_SAID_EVERY_S", 0.0)
    with progress_bar("scoring", total) as advance:
        advance(1, note)
        advance(2, note)
    told, errors = capsys.readouterr()
    assert told == ""
    assert errors.splitlines()[:2] == says


def test_work_of_less_than_a_minute_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("scoring", 2) as advance:
        advance()
        advance()
    assert "scoring:" not in "".join(capsys.readouterr())
