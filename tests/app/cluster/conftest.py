"""Ray, imported so that other tests do not notice."""

import logging
from contextlib import suppress

_factory = logging.getLogRecordFactory()
with suppress(ImportError):
    import ray  # noqa: F401 (its import puts a time stamp into all log records, which other tests look at)
logging.setLogRecordFactory(_factory)
