"""The description of the API, OpenAPI 3.1, made of its routes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, get_args

from pydantic import AliasChoices, BaseModel
from pydantic.json_schema import models_json_schema

from rebalancer import __version__
from rebalancer.api.auth import COOKIE
from rebalancer.api.idempotency import HEADER, KEY
from rebalancer.api.problem import MEDIA_TYPE, PROBLEMS
from rebalancer.api.routes import JSON, PATH, Resource, Route

_REF = "#/components/schemas/{model}"

#: What any route may answer.
_EVERYWHERE = ("bad-request", "foreign-origin", "wrong-host", "no-redis", "too-large")
_WITH_TOKEN = ("no-token", "too-many-failures")

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong, as RFC 9457 has it.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "remedy": {"type": "string", "description": "What to do about it."},
        "errors": {
            "type": "array",
            "description": "Each fault of a request that is not valid.",
            "items": {
                "type": "object",
                "properties": {
                    "in": {"enum": ["path", "query", "body"]},
                    "name": {"type": "string"},
                    "text": {"type": "string"},
                },
                "required": ["in", "name", "text"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}


def describe(resources: Iterable[Resource]) -> dict[str, Any]:
    """Return the description of all routes of the resources."""
    resources = list(resources)
    routes = [route for resource in resources for route in resource.routes]
    models = {
        model: None
        for route in routes
        for model in (*route.answers.values(), route.body)
        if isinstance(model, type)
    }
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template=_REF
    )
    defined = schemas.get("$defs", {})
    for name, model in _with_parts(models).items():
        _remark(defined[name], model)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rebalancer",
            "version": __version__,
            "description": "Rebalances IBKR accounts to model portfolios. Times are Unix "
            "seconds, decimals are text.",
        },
        "tags": [{"name": one.name, "description": one.about} for one in resources],
        "paths": paths,
        "components": {
            "schemas": {**defined, "Problem": PROBLEM},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


def _with_parts(models: Iterable[type[BaseModel]]) -> dict[str, type[BaseModel]]:
    """These models and those that they are made of, by name."""
    found: dict[str, type[BaseModel]] = {}
    left = list(models)
    while left:
        model = left.pop()
        if model.__name__ in found:
            continue
        found[model.__name__] = model
        for field in model.model_fields.values():
            left += _models_in(field.annotation)
    return found


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _remark(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Describe each member by the remark that stands above it in the model."""
    said: list[str] = []
    for line in inspect.getsource(model).splitlines():
        text = line.strip()
        if text.startswith("#:"):
            said.append(text.removeprefix("#:").strip())
        elif (name := text.partition(":")[0]) in model.model_fields and said:
            alias = model.model_fields[name].validation_alias
            shown = str(alias.choices[0]) if isinstance(alias, AliasChoices) else name
            schema["properties"][shown]["description"] = " ".join(said)
            said = []
        else:
            said = []


def _operation(route: Route) -> dict[str, Any]:
    first, _, rest = (route.view.__doc__ or "").strip().partition("\n\n")
    found: dict[str, Any] = {
        "tags": [route.tag],
        "operationId": route.endpoint.replace(".", "_").replace("-", "_"),
        "summary": " ".join(first.split()).rstrip("."),
        "parameters": _parameters(route),
        "responses": _responses(route),
        "security": [] if route.access == "open" else [{"token": []}, {"session": []}],
    }
    if rest:
        found["description"] = "\n".join(line.strip() for line in rest.splitlines())
    if route.body is not None:
        required = any(field.is_required() for field in route.body.model_fields.values())
        content = {JSON: {"schema": {"$ref": _REF.format(model=route.body.__name__)}}}
        found["requestBody"] = {"required": required, "content": content}
    return found


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": PATH[name].json_schema()}
        for name in PATH
        if "{" + name + "}" in route.path
    ]
    if route.query is not None:
        schema = route.query.model_json_schema()
        _remark(schema, route.query)
        for name, value in schema["properties"].items():
            required = name in schema.get("required", ())
            found.append({"name": name, "in": "query", "required": required, "schema": value})
    if route.repeatable:
        about = "Sent twice with the same key, the request is done once and answered the same."
        key = {"type": "string", "pattern": f"^{KEY}$"}
        found.append(
            {
                "name": HEADER,
                "in": "header",
                "required": False,
                "schema": key,
                "description": about,
            }
        )
    return found


def _responses(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, answer in route.answers.items():
        phrase = HTTPStatus(status).phrase
        found[str(status)] = {"description": phrase, "content": _content(answer)}
    kinds = [*_EVERYWHERE, *route.problems, "invalid"]
    if route.access != "open":
        kinds += _WITH_TOKEN
    if route.access == "operator":
        kinds += ["read-only", "no-csrf-token"]
    if route.body is not None:
        kinds.append("no-json")
    titles: dict[int, list[str]] = {}
    for kind in dict.fromkeys(kinds):
        status, title = PROBLEMS[kind]
        titles.setdefault(status, []).append(title)
    problem = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    for status, said in sorted(titles.items()):
        if str(status) in found:
            found[str(status)]["content"].update(problem)
        else:
            found[str(status)] = {"description": "; ".join(said), "content": dict(problem)}
    return found


def _content(answer: type[BaseModel] | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {answer: {"schema": {"type": "string"}}}
    return {JSON: {"schema": {"$ref": _REF.format(model=answer.__name__)}}}
