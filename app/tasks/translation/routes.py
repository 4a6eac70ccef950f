"""POST /v1/translations: texts in, their translations out."""

import time
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Request

from app.http.body import Body, Needed, overrides
from app.http.contract import Contract
from app.http.dialects import OWN
from app.http.openapi import errors, json_content
from app.http.requests import read_body
from app.http.schema import ModelInfo
from app.serving.engine import Engine
from app.tasks.translation.request import MAX_TEXTS, check_weights, find_translator, read_texts, translate
from app.tasks.translation.schemas import TranslationChoice, TranslationResponse, TranslationResult
from app.tasks.translation.service import TranslatorWorker
from model.tasks.translation.config import TranslationDecodingConfig

router = APIRouter(tags=["translations"])


@overrides(TranslationDecodingConfig)
class TranslationRequest(Body):
    """A request for translations."""

    text: Annotated[str | list[str], Needed(f"a text is needed, or a list of at most {MAX_TEXTS}")]
    """A text, or several, of at most 10,000 characters and 256 sentences together."""
    source: str | None = None
    """The language of the texts, by its code, such as `en`."""
    target: str | None = None
    """The language to translate to."""
    model: str | None = None
    """Name of a translator, as in /v1/models. Without it, the languages choose one."""
    attention: bool | None = None
    """Also return, for each piece of a translation, where in the source the network looked."""


@router.post(
    "/v1/translations",
    responses=errors(
        OWN,
        {
            400: "A body that can't be read",
            404: "No such translator",
            422: "A parameter that is unknown or out of range, or a text that can't be translated",
            504: "It took too long",
        },
    ),
    openapi_extra={
        "requestBody": json_content(
            TranslationRequest.json_schema(), {"text": "A brown dog runs through the grass.", "target": "de"}
        )
    },
)
@Contract(task="translation", body="text")
async def create_translations(request: Request) -> TranslationResponse:
    """Translates texts, which share their parameters.

    A long text is split into sentences, which are translated one by one and put together again. `confidence` says how
    likely it is that a translation is good, `unknown` which words the model has never read.

        curl localhost:8000/v1/translations -d '{"text": "A dog runs.", "num_translations": 3}'
    """
    started = time.perf_counter()
    asked = await read_body(request, TranslationRequest)
    engine: Engine = request.app.state.engine
    checkpoint = find_translator(engine, asked.model, asked.source, asked.target)
    worker: TranslatorWorker = engine.worker(checkpoint)
    attention = bool(asked.attention)
    texts = read_texts(
        worker.translator, [asked.text] if isinstance(asked.text, str) else asked.text, attention=attention
    )
    decoding = checkpoint.config.decoding.model_copy(update=asked.given(TranslationDecodingConfig))
    if attention:
        check_weights(texts, decoding)
    found = await translate(request, worker, texts, decoding, attention=attention)
    return TranslationResponse(
        id=f"translation-{uuid4().hex}",
        model=ModelInfo.model_validate(checkpoint),
        results=[
            TranslationResult(
                text=text.text,
                translations=[TranslationChoice.model_validate(translation) for translation in translations],
                source_tokens=text.source_tokens() if attention else None,
                unknown=text.unknown,
            )
            for text, translations in zip(texts, found, strict=True)
        ],
        timing_ms=round(1000 * (time.perf_counter() - started), 2),
    )
