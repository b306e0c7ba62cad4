from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.weights_server import WeightsServer, weights_server


@pytest.fixture(scope="module")
def _server_of_the_module() -> Iterator[WeightsServer]:
    with weights_server() as server:
        yield server


@pytest.fixture
def server(_server_of_the_module: WeightsServer) -> WeightsServer:
    _server_of_the_module.asked.clear()
    return _server_of_the_module
