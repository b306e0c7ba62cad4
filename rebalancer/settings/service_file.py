"""Read rebalancer.yaml, and complete it from the environment and secret files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from rebalancer.settings import environment
from rebalancer.settings.document import NOTHING, BadValueError, Item, read
from rebalancer.settings.files import Files
from rebalancer.settings.kinds import section
from rebalancer.settings.problems import InvalidSettingsError, Problem
from rebalancer.settings.service import MODE_PORTS, Service


def load_service(files: Files, environ: Mapping[str, str] | None = None) -> Service:
    """Read rebalancer.yaml and the environment only. Raises ``InvalidSettingsError``."""
    try:
        return read_service(files, os.environ if environ is None else environ)
    except BadValueError as bad:
        raise InvalidSettingsError(bad.problems) from None


def read_service(files: Files, environ: Mapping[str, str]) -> Service:
    """The same for ``load``. Raises ``BadValueError``."""
    there = files.config_named or files.config.exists()
    root, problems = environment.applied(read(files.config) if there else NOTHING, environ)
    try:
        service = _completed(section(Service)(root), root, files, environ)
    except BadValueError as bad:
        raise BadValueError(*problems, *bad.problems) from None
    if problems:
        raise BadValueError(*problems)
    return service


def _completed(
    service: Service, root: Item, files: Files, environ: Mapping[str, str]
) -> Service:
    """Check keys against one another, choose the port, fetch the secret."""
    problems: list[Problem] = []
    mode = service.trading_mode
    port = service.gateway.port or MODE_PORTS[mode][0]
    if any(port in ports for other, ports in MODE_PORTS.items() if other != mode):
        place = root.at("gateway", "port")
        expected = f"another port: this one is not for trading_mode {mode}"
        problems.append(place.problem(str(port), expected))
    if service.retry.max_delay_seconds < service.retry.retry_delay_seconds:
        place = root.at("retry", "max_delay_seconds")
        shown = f"{service.retry.max_delay_seconds:g}"
        expected = f"at least retry_delay_seconds ({service.retry.retry_delay_seconds:g})"
        problems.append(place.problem(shown, expected))
    redis = service.redis
    try:
        password = environment.redis_password(
            redis.password_file,
            root.at("redis", "password_file"),
            beside=files.config.parent,
            environ=environ,
        )
    except BadValueError as bad:
        problems.extend(bad.problems)
        password = ""
    if redis.username and not password:
        expected = "a password for it: redis.password_file, or the credential redis_password"
        problems.append(root.at("redis", "username").problem("no password", expected))
    if password:
        redis = dataclasses.replace(redis, url=redis.with_password(password))
    if problems:
        raise BadValueError(*problems)
    gateway = dataclasses.replace(service.gateway, port=port)
    return dataclasses.replace(service, redis=redis, gateway=gateway)
