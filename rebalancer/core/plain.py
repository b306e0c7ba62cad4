"""Values as what JSON knows, for everybody who shows them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def plain(value: Any) -> Any:
    """Return what JSON knows: dataclasses become objects, decimals text, sets sorted lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, Decimal):
        return format(value, "f")
    # JSON has no NaN and no infinity.
    known = math.isfinite(value) if isinstance(value, float) else True
    known = known and isinstance(value, (str, int, float, bool, type(None)))
    return value if known else str(value)
