"""Errors that a caller can act on, without HTTP: `app.http.errors` has the status of each code."""


class Refusal(Exception):  # noqa: N818 (it is an answer, not a mistake of ours)
    """A request that is not carried out.

    Args:
        code: short, stable name for programs.
        message: for people: what was wrong and what would be right.
        field: the request's field to blame, if it is one field.
        retry_after: seconds after which the same request may be carried out, if that is so.
    """

    def __init__(self, code: str, message: str, field: str | None = None, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after


def draining() -> Refusal:
    """The refusal of requests that arrive, or are not done in time, while the service stops."""
    return Refusal("draining", "the server is shutting down", retry_after=10)


def body_too_large(most: int) -> Refusal:
    """The refusal of a body that has more than `most` bytes."""
    return Refusal("body_too_large", f"the body is larger than {most:,} bytes")
