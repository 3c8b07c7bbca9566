"""Every column of every table that people see says what it is, and nothing else is said."""

from dataclasses import fields

from selftrain_assets.domain.columns import COLUMNS
from selftrain_assets.pipeline.stages import every_stage


def test_each_column_is_described():
    described = set()
    for stage in every_stage().values():
        if stage.tables:
            record, _ = stage.shown_as or (stage.tables[0].record, "")
            own = stage.tables[0].columns
            described |= {field.name for field in fields(record)} - own.keys()
    assert described == {*COLUMNS}
