"""Where the monitor writes down what happened: a rotating file of JSON lines."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

import structlog

from livecount.errors import LivecountError
from livecount.settings import LogSettings

__all__ = ["set_up_logs"]


def set_up_logs(settings: LogSettings, file: Path) -> None:
    """Send structured logs to a rotating file, one JSON object a line, times in UTC.

    Trouble with the log never stops counting: what cannot be written is dropped.

    Raises
    ------
    LivecountError
        The log file cannot be opened.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            file,
            maxBytes=int(settings.max_mb * 1_000_000),
            backupCount=settings.keep_files,
            encoding="utf-8",
            errors="backslashreplace",
        )
    except OSError as error:
        raise LivecountError(
            f"The log {file} cannot be written: {error.strerror or error}",
            hint="Name another with `file` in [log]",
        ) from error
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer())
    )
    logger = logging.getLogger("livecount")
    logger.handlers[:] = [handler]
    logger.setLevel(settings.level.upper())
    logger.propagate = False
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
