from __future__ import annotations

from tests.processor.conftest import redis, system

__all__ = ["redis", "system"]
