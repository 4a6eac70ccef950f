"""What went wrong."""

from typing import Annotated

from pydantic import ConfigDict

from app.http.schema import UNLESS_NONE, Schema


class ErrorBody(Schema):
    """What went wrong."""

    code: str
    """A short, stable name, for programs."""
    message: str
    """What was wrong and what would be right, for people."""
    field: Annotated[str | None, UNLESS_NONE] = None
    """The field to blame, where it is one."""
    request_id: str
    """Also in the header x-request-id, and in the server's log."""


class ErrorResponse(Schema):
    """Every answer that is not a success."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": {
                    "code": "invalid_parameter",
                    "message": "beam_size='99': input should be less than or equal to 10",
                    "field": "beam_size",
                    "request_id": "9f3b2c1d",
                }
            }
        }
    )

    error: ErrorBody
