"""The page of all keys and the editors' schemas are what the classes say, and no less."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_type_hints

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from rebalancer.settings import reference, schema
from rebalancer.settings.document import parse

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "packaging" / "examples"
KEYS = [
    pytest.param(cls, field, id=f"{cls.__name__}.{field.name}")
    for _, _, cls in reference._SECTIONS
    for field in reference.fields(cls)
]


class EditorsYaml(yaml.SafeLoader):
    """YAML 1.2, which editors read: ``on`` is a word there and ``23:45`` no number."""


EditorsYaml.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("merge", r"^<<$", "<"),
):
    EditorsYaml.add_implicit_resolver(
        f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first)
    )


def as_editors_read(text: str) -> Any:
    return yaml.load(text, Loader=EditorsYaml)


def test_the_page_is_up_to_date() -> None:
    said = (ROOT / "docs" / "reference" / "accounts-keys.md").read_text()
    assert said == reference.page(), "see its first lines"


@pytest.mark.parametrize("name", schema.SCHEMAS)
def test_the_schemas_are_up_to_date(name: str) -> None:
    path = ROOT / "packaging" / "schemas" / f"{name}.schema.json"
    assert path.read_text() == schema.written(name), "python -m rebalancer.settings.schema"
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))


@pytest.mark.parametrize("name", schema.SCHEMAS)
def test_the_examples_keep_to_their_schema_and_name_it(name: str) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text()
    jsonschema.validate(as_editors_read(text), schema.SCHEMAS[name]())
    hint = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert hint is not None
    assert (EXAMPLES / hint[1]).is_file()


@pytest.mark.parametrize(("cls", "field"), KEYS)
def test_every_example_is_accepted_here_and_in_editors(
    cls: type, field: dataclasses.Field[Any]
) -> None:
    text = reference.example(cls, field)
    field.metadata["kind"](parse(text, "example.yaml"))
    hint = schema.of_type(get_type_hints(cls)[field.name])
    jsonschema.validate(as_editors_read(text), hint)


@pytest.mark.parametrize(
    "text",
    [
        "accounts: [{account_id: DU1, type: paper, what_if: on, max_order_value: off}]",
        "[{account_id: DU1, type: paper, strategy_name:, schedule: {at: 15:30}}]",
        "accounts: [{account_id: DU1, type: paper, targets: {file: a.csv}}]",
        "accounts: [{account_id: DU1, type: paper, targets: {conid:756733: 12.5 %}}]",
        "accounts: [{account_id: DU1, type: paper, targets: {VWCE@IBIS2/EUR: .5}}]",
    ],
)
def test_what_is_read_is_not_underlined(text: str) -> None:
    jsonschema.validate(as_editors_read(text), schema.accounts())


@pytest.mark.parametrize(
    "text",
    [
        "accounts: [{account_id: DU1, type: paper, enbaled: true}]",
        "accounts: [{account_id: DU1, type: peper}]",
        "accounts: [{type: paper}]",
        "accounts: [{account_id: DU1, type: paper, targets: {vti: 1}}]",
        "accounts: [{account_id: DU1, type: paper, targets: {VTI: 60}}]",
        "accounts: [{account_id: DU1, type: paper, targets: {file: a.csv, VTI: 1}}]",
        "accounts: [{account_id: DU1, type: paper, targets: {api: {}}}]",
    ],
)
def test_what_is_wrong_is_underlined(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(as_editors_read(text), schema.accounts())
