"""The log: JSON, a line an event, for programs; or columns, for people."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from app.settings import LogFormat, LogLevel


def configure_logs(format: LogFormat, level: LogLevel) -> None:
    """Sends all loggers of the process, also those of libraries, to standard error."""
    if format == "auto":
        format = "console" if sys.stderr.isatty() else "json"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _without_colours,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor]
    if format == "json":
        # Frames of a traceback without the values in them, which clients sent.
        traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        last = [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove, *last]))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def _without_colours(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Drops uvicorn's second copy of each message, which has colours."""
    event.pop("color_message", None)
    return event
