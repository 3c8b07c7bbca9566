"""Tables of stores before format 3, which have maps and structs as JSON, are read as newer ones.

The files in format_2/ were written by a version that had them so.
"""

import shutil
from functools import partial
from pathlib import Path

import pytest

from selftrain_assets.domain.identity import row_key
from selftrain_assets.domain.types import Problem, Row
from selftrain_assets.pipeline.inputs import problems_digest
from selftrain_assets.store.database import Database
from selftrain_assets.store.lookup import nth
from selftrain_assets.store.tables import file_digest, read_table
from tests import lab

OLDER = Path(__file__).with_name("format_2")
RECORDS = {"problems": Problem, "rows": Row}
PROBLEMS_DIGEST, ROW_KEY = "f1f810caca42655d972ef8043b1c880e", "10310e6040146496a2987b50bc59cd5c"


def older(name):
    path = OLDER / f"{name}.parquet"
    return read_table(path, RECORDS[name], file_digest(path))


def test_problems_have_the_same_solutions_and_digest():
    problems = older("problems")
    assert [problem.solutions and [*problem.solutions] for problem in problems] == [
        None,
        ["text", "code"],
        ["text", "code"],
        None,
        None,
        None,
        ["code", "text"],
    ]
    assert problems[-1].solutions == {"text": "Zwei “Stück”.", "code": "1 + 1\n"}
    assert problems_digest(problems) == PROBLEMS_DIGEST


def test_rows_have_the_same_sections_and_keys():
    row, plain = older("rows")
    assert row.sections == [
        {"length": 5, "factor": 0.0},
        {"length": 4, "factor": 1.5},
        {"length": 2, "factor": 1.0},
    ]
    assert plain.sections is None
    assert row.key == ROW_KEY
    for each in (row, plain):
        assert each.key == row_key(
            each.prompt,
            each.completion,
            each.weight,
            each.source,
            each.sample_key,
            each.sections,
            ended_by=each.ended_by,
        )


@pytest.mark.parametrize("name", RECORDS)
def test_sql_reads_older_and_newer_files_together(store, tmp_path, name):
    record, records, path = RECORDS[name], older(name), OLDER / f"{name}.parquet"
    newer = tmp_path / "newer.parquet"
    assert read_table(newer, record, lab.write_table(newer, record, records)) == records
    with store.workspace() as ws:
        relation = ws.read(record, [path, newer, path])
        assert [*ws.records(relation)] == records * 3
        types = ws.column_types(relation)
    with Database(tmp_path) as db:
        scopes = [({"experiment": "lab", "scope": p.stem}, p) for p in (path, newer)]
        db.view_by_scope("listed", record, scopes)
        rows = db.dicts("SELECT * EXCLUDE (experiment, scope) FROM listed")
        assert [record(**row) for row in rows] == records * 2
        view_types = {column: kind for column, kind, *_ in db.execute("DESCRIBE listed")}
    assert view_types.items() >= types.items()
    assert [record(**nth(record, path, n)) for n in range(len(records))] == records


@pytest.mark.parametrize("name", RECORDS)
def test_an_older_table_with_the_same_content_is_kept(store, name):
    """Manifests list its bytes."""
    path, record, records = OLDER / f"{name}.parquet", RECORDS[name], older(name)
    folder = store.scope("lab", "iter-001")
    folder.mkdir(parents=True)
    shutil.copy(path, folder / f"{name}-{'d' * 16}.parquet")
    written = store.write_table("lab", "iter-001", name, "d" * 32, record, records)
    assert written == (f"{name}-{'d' * 16}.parquet", len(records), file_digest(path))
    with store.workspace() as ws:
        relation = ws.load_records(records, record)
        columns = ws.column_types(relation)
        write = partial(store.write_relation, "lab", "iter-002", name, ws, relation, [*columns][:1])
        (file, *_), _ = write()
        shutil.copy(path, store.scope("lab", "iter-002") / file)
        assert write()[0] == (file, len(records), file_digest(path))
