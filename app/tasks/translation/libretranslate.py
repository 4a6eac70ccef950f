"""LibreTranslate's API: /translate, /languages and /detect, in JSON or as a form."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import Field, RootModel

from app.errors import Refusal
from app.http.body import Body, Ignored, Needed, Unsupported, parse
from app.http.contract import Contract
from app.http.dialects import Dialect, Shape
from app.http.fields import errors_in_terms_of, invalid
from app.http.forms import parse_urlencoded
from app.http.openapi import Json, errors, json_content
from app.http.requests import body_of, is_object, parse_body
from app.http.schema import UNLESS_NONE, Schema
from app.serving.engine import Engine
from app.tasks.translation.request import (
    LANGUAGES,
    MAX_TEXTS,
    find_translator,
    language_of,
    read_texts,
    translate,
    translators,
)
from app.tasks.translation.service import TranslatorWorker
from model.tasks.translation import TRANSLATION

router = APIRouter(tags=["LibreTranslate"])

B = TypeVar("B", bound=Body)


class LibreTranslateError(Schema):
    """An error in LibreTranslate's words."""

    error: str
    """For people: what was wrong and what would be right."""


def _libretranslate(error: Refusal, status: int, request_id: str) -> Shape:
    return 400 if status in (415, 422) else status, {"error": error.message}


LIBRETRANSLATE = Dialect(LibreTranslateError, _libretranslate)
"""The shape of LibreTranslate's errors, where a faulty request is a 400."""


class TranslateRequest(Body):
    """A request to /translate."""

    q: Annotated[str | list[str], Needed(f"a text is needed, or a list of at most {MAX_TEXTS}")]
    """A text, or several."""
    source: Annotated[str, Needed("a language's code is needed, or auto")]
    """The language of the text; `auto` tells it from the text."""
    target: Annotated[str, Needed("a language's code is needed")]
    """The language to translate to."""
    format: Annotated[Any, Unsupported("only text is translated, so take the markup out", ("text",))] = "text"
    alternatives: Annotated[int, Field(ge=0, le=9)] = 0
    """Further translations of each text."""
    api_key: Ignored = None


class DetectRequest(Body):
    """A request to /detect."""

    q: Annotated[str, Needed("a text is needed")]
    """A text."""
    api_key: Ignored = None


class Detection(Schema):
    """A language that a text may be in."""

    confidence: float
    """Percent."""
    language: str


class Language(Schema):
    """A language that is translated."""

    code: str
    name: str
    targets: list[str]
    """The languages that it is translated to."""


class TranslateResponse(Schema):
    """Translations in LibreTranslate's shape: of one text, or lists of several texts'."""

    translatedText: str | list[str]  # noqa: N815 (as it is on the wire)
    detectedLanguage: Annotated[Detection | list[Detection] | None, UNLESS_NONE] = None  # noqa: N815
    """Only with source=auto."""
    alternatives: Annotated[list[str] | list[list[str]] | None, UNLESS_NONE] = None
    """Only if they were asked for."""


class LanguageList(RootModel[list[Language]]):
    """The languages that are translated."""


class DetectionList(RootModel[list[Detection]]):
    """The languages that a text may be in, likeliest first."""


async def _read(request: Request, model: type[B]) -> B:
    """The body as JSON or as a URL-encoded form, whose values are read for what they say."""
    body = await body_of(request)
    declared = request.headers.get("content-type", "").lower()
    if is_object(body) or not declared.startswith("application/x-www-form-urlencoded"):
        return await parse_body(request, body, model)
    return parse(model, dict(parse_urlencoded(body)), strict=False)


def _body(model: type[Body], example: Json) -> Json:
    """The documentation of a body in JSON or as a form."""
    content = json_content(model.json_schema(), example)
    content["content"]["application/x-www-form-urlencoded"] = content["content"]["application/json"]
    return {"requestBody": content}


_ERRORS = errors(
    LIBRETRANSLATE,
    {
        400: "A request that can't be read, or that asks for languages that are not there",
        404: "No translator is served",
        504: "It took too long",
    },
)


@router.post(
    "/translate",
    responses=_ERRORS,
    openapi_extra=_body(TranslateRequest, {"q": "A dog runs.", "source": "en", "target": "de"}),
)
@Contract(errors=LIBRETRANSLATE, task="translation", body="text")
async def create_translation(request: Request) -> TranslateResponse:
    """Translates a text, or several, as LibreTranslate does.

    curl localhost:8000/translate -d 'q=A dog runs.&source=en&target=de'
    """
    asked = await _read(request, TranslateRequest)
    engine: Engine = request.app.state.engine
    sent = [asked.q] if isinstance(asked.q, str) else asked.q
    with errors_in_terms_of({"text": "q"}):
        found: list[Detection] | None = None
        source: str | None = asked.source
        if asked.source == "auto":
            found = [ranking[0] for ranking in _detect(engine, sent)]
            languages = {detection.language for detection in found} - {language_of(asked.target)}
            if len(languages) > 1:
                raise invalid("source", "auto", f"the texts are in {', '.join(sorted(languages))}; send them apart")
            source = languages.pop() if languages else None
        checkpoint = find_translator(engine, None, source, asked.target)
        worker: TranslatorWorker = engine.worker(checkpoint)
        texts = read_texts(worker.translator, sent)
    number = 1 + asked.alternatives
    decoding = checkpoint.config.decoding.model_copy(update={"num_translations": number})
    answers = await translate(request, worker, texts, decoding)
    best = [translations[0].text for translations in answers]
    others = [[translation.text for translation in translations[1:]] for translations in answers]
    several = isinstance(asked.q, list)
    return TranslateResponse(
        translatedText=best if several else best[0],
        detectedLanguage=found and (found if several else found[0]),
        alternatives=(others if several else others[0]) if asked.alternatives else None,
    )


@router.get("/languages", responses=_ERRORS)
@Contract(errors=LIBRETRANSLATE)
def list_languages(request: Request) -> LanguageList:
    """The languages that are translated, as LibreTranslate lists them."""
    targets: dict[str, list[str]] = {}
    for checkpoint in translators(request.app.state.engine):
        config = checkpoint.config
        to = targets.setdefault(config.source, [])
        to += [config.target] * (config.target not in to)
        targets.setdefault(config.target, [])
    return LanguageList(
        [
            Language(code=code, name=LANGUAGES.get(code, code), targets=sorted(to))
            for code, to in sorted(targets.items())
        ]
    )


@router.post("/detect", responses=_ERRORS, openapi_extra=_body(DetectRequest, {"q": "Ein Hund rennt."}))
@Contract(errors=LIBRETRANSLATE, task="translation", body="text")
async def detect_language(request: Request) -> DetectionList:
    """Tells the language of a text, among those that are translated, as LibreTranslate does."""
    asked = await _read(request, DetectRequest)
    engine: Engine = request.app.state.engine
    with errors_in_terms_of({"text": "q"}):
        return DetectionList(_detect(engine, [asked.q])[0])


def _detect(engine: Engine, texts: Sequence[str]) -> list[list[Detection]]:
    """The languages that each text may be in by the default translator, likeliest first."""
    worker: TranslatorWorker = engine.worker(engine.find(TRANSLATION, None))
    read_texts(worker.translator, texts)  # which says what is wrong with them
    return [
        [
            Detection(confidence=round(100 * probability, 1), language=language)
            for language, probability in sorted(worker.translator.detect(text).items(), key=lambda pair: -pair[1])
        ]
        for text in texts
    ]
