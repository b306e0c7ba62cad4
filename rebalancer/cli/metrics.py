"""``rebalancer metrics``: the figures that the API shows to Prometheus."""

from __future__ import annotations

import click

from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit


@click.command()
@json_option
@click.pass_obj
def command(options: Options, *, as_json: bool) -> None:
    """Print every figure in Prometheus' text format; they stand in Redis."""
    from rebalancer.api.metrics import exposition

    with options.queue() as queue:
        text = exposition(queue, now=now()).decode()
    if not as_json:
        click.echo(text, nl=False)
        return
    from prometheus_client.parser import text_string_to_metric_families

    emit(
        [
            {"name": sample.name, "labels": sample.labels, "value": sample.value}
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]
    )
