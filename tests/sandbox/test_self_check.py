"""The self-test holds here, and notices when a control is missing."""

import io
import sys

import pytest

import sandbox.engine
from sandbox import Pool, PoolSettings, UnsafeError
from sandbox.__main__ import main
from sandbox.self_check import static_checks

TAKEN_AWAY = [
    ({"read_only": False}, "root file system is read-only|only the scratch folder"),
    ({"security_opt": ["no-new-privileges", "seccomp=unconfined"]}, "own system call filter"),
    ({"tmpfs": {"/tmp": "rw,mode=1777", "/dev/shm": sandbox.engine.TMPFS}}, "scratch is capped"),
    ({"tmpfs": {"/tmp": "rw,mode=1777", "/dev/shm": "rw,mode=1777"}}, "/dev/shm is capped"),
    ({"binds": ["/etc:/data:ro"]}, "no folder of the host"),
    ({"mem_limit": None, "memswap_limit": None}, "memory limit"),
    ({"auto_remove": False}, "removed when it ends"),
]


def test_every_control_takes_effect(pool):
    checks = static_checks(pool.workers[0])
    assert len(checks) > 30
    assert [check for check in checks if not check.ok] == []


@pytest.mark.parametrize(("change", "named"), TAKEN_AWAY)
def test_a_missing_control_stops_everything(docker_engine, monkeypatch, change, named):
    original = sandbox.engine.host_config

    def weaker(client, settings):
        create = client.api.create_host_config
        monkeypatch.setattr(
            client.api, "create_host_config", lambda **options: create(**(options | change))
        )
        return original(client, settings)

    monkeypatch.setattr(sandbox.engine, "host_config", weaker)
    with pytest.raises(UnsafeError, match=named):
        Pool(PoolSettings(workers=1, engines=(docker_engine,))).__enter__()


def test_doctor_prints_a_table_and_ends_well(docker_engine, monkeypatch, capsys):
    # the hostile programs have tests of their own
    monkeypatch.setattr("sandbox.doctor.behaviour_checks", lambda worker: [])
    arguments = ["--host", docker_engine.host] if docker_engine.host else []
    assert main([*arguments, "doctor", "--base", "local"]) == 0
    assert ", 0 without effect" in capsys.readouterr().out


def test_run_prints_what_the_file_prints(docker_engine, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    path = tmp_path / "p.py"
    path.write_text("print('hello')\n6 * 7")
    arguments = ["--host", docker_engine.host] if docker_engine.host else []
    assert main([*arguments, "run", "--base", "local", str(path)]) == 0
    assert capsys.readouterr().out == "hello\n42\n"


@pytest.mark.parametrize(
    ("program", "shown"),
    [("10**5000", "a very long integer\n"), ("print('\\x1b[2J\\u202e')", "\\x1b[2J\\u202e\n")],
)
def test_run_shows_whatever_a_program_makes(
    docker_engine, tmp_path, capsys, monkeypatch, program, shown
):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    path = tmp_path / "p.py"
    path.write_text(program)
    arguments = ["--host", docker_engine.host] if docker_engine.host else []
    assert main([*arguments, "run", "--base", "local", str(path)]) == 0
    assert capsys.readouterr().out == shown


def test_without_an_engine_the_command_says_so(capsys):
    assert main(["--host", "unix:///nowhere/docker.sock", "doctor"]) == 2
    assert "no Docker engine answers" in capsys.readouterr().err
