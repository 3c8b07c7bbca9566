"""Every column of every table says what it is, and nothing else is said."""

from dataclasses import fields

from selftrain_assets.dagster.metadata import TABLES
from selftrain_assets.domain.columns import COLUMNS


def test_each_column_is_described():
    assert {f.name for _, record, _ in TABLES.values() for f in fields(record)} == {*COLUMNS}
