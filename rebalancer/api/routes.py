"""From a request to a view and back: parsed, checked, answered as documented.

A resource is a list of routes. A route names the models of its query, its body and its answers;
requests that fit none are refused here, answers that fit none fail here, and ``openapi.py``
describes the API from the same objects. So the description is true.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from flask import Flask, Request, Response, request
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rebalancer.api import auth, guard, idempotency
from rebalancer.api.auth import Access
from rebalancer.api.problem import ProblemError

JSON = "application/json"


class Asked(BaseModel):
    """What comes from a caller: exactly these members, exactly these types."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """What we answer."""

    model_config = ConfigDict(frozen=True)


AccountId = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{2,20}$", examples=["U1234567"])]
EventId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@+-]{1,128}$", examples=["a1b2c3d4"])]
Scope = Annotated[
    str,
    Field(
        pattern=r"^(all|(account|symbol):[A-Za-z0-9._@:/ -]{1,64})$",
        examples=["all", "account:U1234567", "symbol:SPY"],
    ),
]

#: The parts of paths that vary: what each looks like.
PATH: Mapping[str, TypeAdapter[str]] = {
    "kind": TypeAdapter(Literal["standard", "timestamp", "body"]),
    "account_id": TypeAdapter(AccountId),
    "event_id": TypeAdapter(EventId),
    "scope": TypeAdapter(Scope),
}


class Answer(NamedTuple):
    """What a view answers, if it is more than a model with status 200."""

    model: BaseModel
    status: int = 200
    headers: Mapping[str, str] = {}


View = Callable[..., BaseModel | Answer | Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    #: As OpenAPI writes it: ``/accounts/{account_id}``.
    path: str
    view: View
    access: Access
    #: Status -> what is answered then; text is a media type.
    answers: Mapping[int, type[BaseModel] | str]
    #: Kinds of problem that are this route's own.
    problems: tuple[str, ...] = ()
    query: type[Asked] | None = None
    body: type[Asked] | None = None
    #: Looks at the request before anything of it is read.
    gate: Callable[[Request], None] | None = None
    tag: str = ""

    @property
    def endpoint(self) -> str:
        """Its name in Flask."""
        return f"{self.tag}.{self.view.__name__}"

    @property
    def repeatable(self) -> bool:
        """Whether it heeds an Idempotency-Key."""
        return self.method == "POST" and self.access == "operator"


@dataclass(slots=True)
class Resource:
    """Routes that belong together."""

    name: str
    about: str
    routes: list[Route] = field(default_factory=list)

    def route(
        self,
        method: str,
        path: str,
        answers: Mapping[int, type[BaseModel] | str],
        *,
        access: Access | None = None,
        problems: tuple[str, ...] = (),
        query: type[Asked] | None = None,
        body: type[Asked] | None = None,
        gate: Callable[[Request], None] | None = None,
    ) -> Callable[[View], View]:
        """Declare a view. Without ``access``, who reads may GET and operators the rest."""
        needed: Access = access or ("reader" if method == "GET" else "operator")

        def declare(view: View) -> View:
            made = Route(
                method, path, view, needed, answers, problems, query, body, gate, self.name
            )
            self.routes.append(made)
            return view

        return declare


def register(app: Flask, resources: list[Resource]) -> None:
    """Make the resources' routes an application's."""
    for resource in resources:
        for route in resource.routes:
            app.add_url_rule(
                route.path.replace("{", "<").replace("}", ">"),
                route.endpoint,
                _handler(route),
                methods=[route.method],
                provide_automatic_options=False,
            )


def _handler(route: Route) -> Callable[..., Response]:
    def handle(**path: str) -> Response:
        auth.admit(request, route.access)
        if route.gate is not None:
            route.gate(request)
        arguments: dict[str, Any] = _path(path)
        if route.query is not None:
            arguments["query"] = _query(route.query, request)
        elif request.args:
            _refuse(("query", next(iter(request.args)), "is not known here"))
        if route.body is not None:
            arguments["body"] = _body(route.body, request)

        def carry_out() -> Response:
            return _response(route, route.view(**arguments))

        return idempotency.once(request, carry_out) if route.repeatable else carry_out()

    return handle


def _response(route: Route, found: BaseModel | Answer | Response) -> Response:
    if isinstance(found, Response):
        return found
    answer = found if isinstance(found, Answer) else Answer(found)
    if not isinstance(answer.model, route.answers[answer.status]):  # type: ignore[arg-type]
        raise TypeError(f"{route.endpoint} answers what is not documented")
    response = Response(answer.model.model_dump_json(), answer.status, mimetype=JSON)
    response.headers.update(answer.headers)
    return response


def _refuse(*errors: tuple[str, str, str]) -> None:
    listed = [{"in": place, "name": name, "text": text} for place, name, text in errors]
    first = f"{errors[0][0]} {errors[0][1]}: {errors[0][2]}"
    raise ProblemError("invalid", first, remedy="/docs has what is expected.", errors=listed)


def _valid(place: str, error: ValidationError) -> None:
    _refuse(
        *(
            (place, ".".join(map(str, found["loc"])), found["msg"])
            for found in error.errors(include_url=False, include_context=False)
        )
    )


def _path(parts: Mapping[str, str]) -> dict[str, Any]:
    for name, value in parts.items():
        try:
            PATH[name].validate_python(value)
        except ValidationError as error:
            _refuse(("path", name, error.errors(include_url=False)[0]["msg"]))
    return dict(parts)


def _query(model: type[Asked], asked: Request) -> Asked:
    doubled = [name for name, values in asked.args.lists() if len(values) > 1]
    if doubled:
        _refuse(("query", doubled[0], "is given twice"))
    try:
        return model.model_validate(dict(asked.args))
    except ValidationError as error:
        _valid("query", error)
        raise


def _body(model: type[Asked], asked: Request) -> Asked:
    raw = asked.get_data()
    guard.check_size(len(raw))
    if not raw and not any(field.is_required() for field in model.model_fields.values()):
        return model()
    if asked.mimetype != JSON:
        raise ProblemError("no-json", f"Content-Type has to be {JSON}.")
    try:
        return model.model_validate(parsed(raw), strict=True)
    except ValidationError as error:
        _valid("body", error)
        raise


def parsed(raw: bytes) -> Any:
    """Read a body as JSON, strictly: no NaN, nothing nested without end.

    Raises:
        ProblemError: it is none.
    """
    try:
        return json.loads(raw.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ProblemError("bad-request", f"The body is not JSON: {error}") from None


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")
