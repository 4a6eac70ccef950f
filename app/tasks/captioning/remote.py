"""POST /v1/pictures: a picture from the web, which the page can't fetch by itself."""

from fastapi import APIRouter, Request, Response

from app.errors import Refusal
from app.http.body import Body
from app.http.contract import Contract
from app.http.dialects import OWN
from app.http.openapi import FILE, errors, json_content
from app.http.requests import picture_of, read_body
from model.vision.formats import PictureError, identify

router = APIRouter(tags=["captions"])

_ANSWERS = {
    200: {"content": {"image/*": {"schema": FILE}}, "description": "The picture's file, as it is there"}
} | errors(
    OWN,
    {
        400: "What is there is not a picture; or a body that can't be parsed",
        415: "A format that is not read",
        422: "A URL that is not fetched, or from which nothing can be had",
    },
)


class PictureRequest(Body):
    """A request for a picture from the web."""

    url: str
    """Its http or https URL, on a host of `RECAP_URL_HOSTS`."""


@router.post(
    "/v1/pictures",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra={
        "requestBody": json_content(PictureRequest.json_schema(), {"url": "https://pictures.example/dog.jpg"})
    },
)
@Contract(body="text")
async def fetch_picture(request: Request) -> Response:
    """Fetches a picture from the web, from hosts that the operator allows (`RECAP_URL_HOSTS`).

    This is for pages, which may not read from other hosts, and want to show a picture beside its caption. A program
    sends a URL in place of a picture to `/v1/captions`.

        curl localhost:8000/v1/pictures --json '{"url": "https://pictures.example/dog.jpg"}' -o dog.jpg
    """
    asked = await read_body(request, PictureRequest)
    if not asked.url.lower().startswith(("http:", "https:")):
        raise Refusal("url_failed", "the picture can't be fetched: it is not an http or https URL", "url")
    data = await picture_of(request, asked.url, "url")
    try:
        kind = identify(data).lower()
    except PictureError as error:
        raise Refusal(error.code, str(error), "url") from error
    return Response(data, media_type=f"image/{kind}")
