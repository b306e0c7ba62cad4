"""What a rebalance may be asked for, as the API takes it; ``core.request`` gives the rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from rebalancer.api.routes import Asked

# Texts, too, in the digits that core.request takes: other sources write exact numbers so.
_Percent = (
    Annotated[float, Field(ge=0, le=100)]
    | Annotated[str, Field(pattern=r"^(100|[0-9]{1,2}(\.[0-9]{1,18})?)$")]
)
_Relative = (
    Annotated[float, Field(ge=0, le=1000)]
    | Annotated[str, Field(pattern=r"^(1000|[0-9]{1,3}(\.[0-9]{1,18})?)$")]
)
_AMOUNT = r"^([1-9][0-9]{0,14}(\.[0-9]{1,18})?|0\.[0-9]{0,9}[1-9][0-9]{0,8})$"


class When(Asked):
    """Rebalance only if one of these thresholds is exceeded, in percent."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    #: Of a symbol's weight from its target, in points of the whole.
    drift_exceeds_percent: _Percent = 0.0
    #: The same in percent of the target.
    drift_exceeds_relative_percent: _Relative = 0.0
    #: Of cash beyond what reserve and target leave in cash, in points of the whole.
    uninvested_cash_exceeds_percent: _Percent = 0.0


class Asks(Asked):
    """How to rebalance; nothing: bring the account to its target."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "required": ["raise_cash"],
                "anyOf": [{"required": ["mode"]}, {"required": ["when"]}],
            }
        }
    )

    #: buy-only: invest the cash above the reserve, sell nothing.
    mode: Literal["full", "buy-only"] = "full"
    #: Have so much cash above the reserve: sell just enough, buy nothing. Goes alone.
    raise_cash: (
        Annotated[float, Field(gt=0, le=1e15)] | Annotated[str, Field(pattern=_AMOUNT)]
    ) = 0.0
    when: When = When()
    #: For people.
    note: Annotated[str, Field(max_length=500)] = ""

    def data(self) -> Mapping[str, Any]:
        """What was asked, as an event carries it."""
        return self.model_dump(exclude_unset=True)


#: Commands other than a rebalance take a note and nothing else.
ONLY_REBALANCES: dict[str, Any] = {
    "anyOf": [
        {"properties": {"exec_command": {"enum": ["rebalance", "print-rebalance"]}}},
        {"properties": {"data": {"properties": {"note": True}, "additionalProperties": False}}},
    ]
}
