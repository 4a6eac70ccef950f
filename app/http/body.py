"""Parameters and JSON bodies as pydantic models, which are also their documentation.

A body of megabytes must not cost more than its size: unknown names are refused at the first, sequences fail at their
first bad item, and nothing is repeated at length.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema, create_model
from pydantic.functional_validators import BeforeValidator, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from app.errors import Refusal
from app.http.fields import invalid, unknown
from model.config import Config

Json = dict[str, Any]
B = TypeVar("B", bound="Body")

_REASONS = {
    "bool_type": "true or false is needed, as a boolean",
    "missing": "the field is required",
    "model_type": "an object is needed",
}
"""Kind of error -> a better message than pydantic's."""


def _nullable(schema: Json) -> None:
    """Document that a null counts as not given."""
    for name, part in schema["properties"].items():
        if part.get("default", ...) is None:
            del part["default"]
        if name not in schema.get("required", ()):
            schema["properties"][name] = or_null(part)


def or_null(schema: Json) -> Json:
    """A value that counts as not given when it is null."""
    if schema.get("type") == "null":
        return schema
    if "anyOf" in schema:
        parts = schema["anyOf"]
        return schema if {"type": "null"} in parts else schema | {"anyOf": [*parts, {"type": "null"}]}
    about: Json = {key: schema[key] for key in ("description", "title", "default") if key in schema}
    return {"anyOf": [{key: value for key, value in schema.items() if key not in about}, {"type": "null"}]} | about


class Body(BaseModel):
    """The parameters of a request. A null counts as not given; an unknown name is refused."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True, json_schema_extra=_nullable
    )

    overridden: ClassVar[Mapping[type[Config], Mapping[str, str]]] = {}
    """Configurations, each with the fields that override its own -> its names of them. See `overrides`."""

    @model_validator(mode="before")
    @classmethod
    def _known(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        for name in document:
            if name not in cls.model_fields:
                raise unknown(name, cls.model_fields)
        return {name: value for name, value in document.items() if value is not None}

    def given(self, config: type[Config]) -> dict[str, Any]:
        """The overrides of a configuration that were given, by its names."""
        values = ((ours, getattr(self, theirs)) for theirs, ours in self.overridden[config].items())
        return {name: value for name, value in values if value is not None}

    @classmethod
    def json_schema(cls) -> Json:
        """JSON schema of the body, whole in itself."""
        schema = cls.model_json_schema()
        definitions = schema.pop("$defs", {})

        def whole(node: Any) -> Any:
            if isinstance(node, list):
                return [whole(part) for part in node]
            if not isinstance(node, dict):
                return node
            if "$ref" in node:
                return whole(definitions[node["$ref"].removeprefix("#/$defs/")])
            return {key: whole(value) for key, value in node.items()}

        found: Json = whole(schema)
        return found


def parse(model: type[B], document: Mapping[str, Any], *, strict: bool | None = None) -> B:
    """The model of a JSON object, a query or a form.

    Raises:
        Refusal: names the field that is unknown, of the wrong type, out of range or not supported.
    """
    try:
        return model.model_validate(document, strict=strict)
    except ValidationError as error:
        raise _refusal(model, document, error) from error


def _refusal(model: type[Body], value: Any, error: ValidationError) -> Refusal:
    """The refusal of the first field that is wrong, in the innermost body."""
    first = error.errors(include_url=False)[0]
    reason = _REASONS.get(first["type"], first["msg"])
    name, needed = "", None
    for place in first["loc"]:
        if place not in model.model_fields:
            break
        field = model.model_fields[name := str(place)]
        value = value.get(name)
        needed = next((part.message for part in field.metadata if isinstance(part, Needed)), None)
        inner = [part for part in get_args(field.annotation) if isinstance(part, type) and issubclass(part, Body)]
        if not inner:
            break
        model = inner[0]
    if needed:
        reason = f"{needed}; {reason}" if first["type"] == "missing" else needed
    return invalid(name, value, reason)


def overrides(config: type[Config], names: Mapping[str, str] | None = None) -> Callable[[type[B]], type[B]]:
    """A decorator that adds a configuration's fields to a body. They have no defaults, which are the model's to say.

    Args:
        config: its types, ranges and descriptions hold.
        names: what the body calls the fields -> the configuration's names; by default all, by their own names. A field
            that the body has itself is left alone.
    """

    def add(body: type[B]) -> type[B]:
        pairs = names or {name: name for name in config.model_fields}
        added = {theirs: ours for theirs, ours in pairs.items() if theirs not in body.model_fields}
        fields: dict[str, Any] = {}
        for theirs, ours in added.items():
            field = config.model_fields[ours]
            kind: Any = field.annotation
            for part in field.metadata:
                kind = Annotated[kind, part]
            if get_origin(field.annotation) is tuple:
                kind = _one_or_more(kind)
            fields[theirs] = (kind, Field(None, description=field.description))
        made = create_model(body.__name__, __base__=body, __module__=body.__module__, __doc__=body.__doc__, **fields)
        made.overridden = {**body.overridden, config: added}
        return made

    return add


def _one_or_more(kind: Any) -> Any:
    """A tuple of strings that may also come as one string.

    Of too many, one more is kept than is allowed, which is enough to be refused: millions take gigabytes to validate.
    """
    array = TypeAdapter(kind).json_schema()

    def items(value: Any) -> Any:
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list | tuple):
            return tuple(value[: array["maxItems"] + 1])
        raise PydanticCustomError("one_or_more", "a string is needed, or a list of them")

    return Annotated[kind, BeforeValidator(items), WithJsonSchema({"anyOf": [array["items"], array]})]


@dataclass(frozen=True)
class Needed:
    """Annotates a field whose type is better explained in words of its own."""

    message: str


def Unsupported(why: str, neutral: tuple[Any, ...] = ()) -> PlainValidator:  # noqa: N802 (it annotates, like Field)
    """Annotates a parameter that is known but not supported: it may be null or one of the `neutral` values."""

    def check(value: Any) -> Any:
        if value not in neutral:
            raise PydanticCustomError("unsupported", "not supported: {why}", {"why": why})
        return value

    schema = {**_one_of(neutral), "description": f"Not supported: {why}."}
    return PlainValidator(check, json_schema_input_type=Annotated[Any, WithJsonSchema(schema)])


def _one_of(values: tuple[Any, ...]) -> Json:
    """JSON schema of a value that is one of these, as generators of clients read it: an enum has scalars alone."""
    scalars = [value for value in values if not isinstance(value, list | dict)]
    parts = [{"enum": scalars}] if scalars else []
    parts += [_like(value) for value in values if isinstance(value, list | dict)]
    return parts[0] if len(parts) == 1 else {"anyOf": parts} if parts else {"type": "null"}


def _like(value: Any) -> Json:
    """JSON schema of a list of scalars, or of an object that has them."""
    if isinstance(value, list):
        length: Json = {"maxItems": len(value), "minItems": len(value)} if value else {"maxItems": 0}
        return {"type": "array", "items": {"enum": value} if value else {}, **length}
    fields = {name: {"enum": [part]} for name, part in value.items()}
    return {"type": "object", "properties": fields, "required": list(value), "additionalProperties": False}


Ignored = Annotated[Any, WithJsonSchema({"description": "Ignored."})]
"""A parameter that cannot change the answer."""
