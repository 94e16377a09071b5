"""Request bodies of the busiest routes, read without FastAPI's second pass over every field.

The answer to a bad body is the same as everywhere: a problem with a pointer for each fault.
"""

from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

B = TypeVar("B", bound=BaseModel)


async def read(request: Request, model: type[B]) -> B:
    """The body as ``model``. Raises RequestValidationError."""
    body = await request.body()
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from error


def described(model: type[BaseModel]) -> dict[str, Any]:
    """The body's part of the OpenAPI document, for a route's ``openapi_extra``."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _without_definitions(schema)}}}
    }


def _without_definitions(schema: dict[str, Any]) -> dict[str, Any]:
    definitions = schema.pop("$defs", {})

    def inlined(part: Any) -> Any:
        if isinstance(part, dict):
            if isinstance(name := part.get("$ref"), str):
                return inlined(definitions[name.rpartition("/")[2]])
            return {key: inlined(value) for key, value in part.items()}
        return [inlined(value) for value in part] if isinstance(part, list) else part

    found: dict[str, Any] = inlined(schema)
    return found
