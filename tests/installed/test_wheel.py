"""The package as others get it: from a wheel, in an empty folder, far from the checkout."""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("selftrain_assets", "sandbox", "pyproject.toml", "README.md", "LICENSE")
BUILD = "import sys; from setuptools import build_meta as m; getattr(m, sys.argv[1])(sys.argv[2])"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with the wheel and the source distribution, built from a copy of the checkout."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for part in PARTS:
        origin = ROOT / part
        copy = shutil.copytree if origin.is_dir() else shutil.copy
        copy(origin, source / part)
    for kind in ("build_wheel", "build_sdist"):
        command = [sys.executable, "-c", BUILD, kind, str(target)]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
    return target


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """An environment with the wheel, and the libraries of this one but not its checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    wheel = next(built.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(packages), str(wheel)], check=True)
    libraries = {sysconfig.get_paths()["purelib"], *(p for p in sys.path if "site-packages" in p)}
    (packages / "libraries.pth").write_text("\n".join(sorted(libraries)) + "\n")
    return folder / "bin" / "python", packages


def files(folder):
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix not in (".pyc",)
    } - {"__pycache__"}


def test_wheel_and_source_have_every_file_of_the_package(built):
    wheel = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    tracked = subprocess.run(
        ["git", "ls-files", "selftrain_assets", "sandbox"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(tracked) - wheel == set()
    assert set(tracked) - source == set()


def test_a_project_runs_on_the_wheel_alone(installed, tmp_path):
    python, packages = installed
    before = files(packages)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SELFTRAIN_", "PYTHONPATH"))}
    environment = kept | {"PYTHONDONTWRITEBYTECODE": "1", "DAGSTER_HOME": ""}

    def run(*command, cwd=tmp_path, code=0):
        done = subprocess.run(
            [str(python), *command], cwd=cwd, env=environment, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    selftrain = ("-m", "selftrain_assets.cli")
    where = run("-c", "import selftrain_assets, sandbox; print(selftrain_assets.__file__)")
    assert Path(where.strip()).is_relative_to(packages)
    refusal = run(*selftrain, "status", code=2)
    assert "selftrain init my-project" in refusal
    assert "SELFTRAIN_HOME" in refusal

    run(*selftrain, "init", "my-project")
    root = tmp_path / "my-project"
    summary, _ = json.JSONDecoder().raw_decode(
        run(*selftrain, "run", "first", "--rounds", "1", "--json", cwd=root)
    )
    assert summary["iterations"]
    assert (root / "runs" / "experiments" / "first" / "iter-001" / "checkpoint.json").is_file()
    dg = ("-c", "from dagster_dg_cli.cli import main; main()")
    assert "All definitions loaded successfully" in run(*dg, "check", "defs", cwd=root)
    run(*dg, "scaffold", "defs", "selftrain_assets.SelfTraining", "second", cwd=root)
    assert (root / "defs" / "second" / "defs.yaml").is_file()
    assets = asked(python, root, environment | {"DAGSTER_HOME": str(root)})
    assert "first/checkpoint" in assets
    assert files(packages) == before


def asked(python, root, environment):
    """Keys of the assets that the web server of Dagster's UI gives by GraphQL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(python), "-m", "dagster_webserver", "-w", "workspace.yaml", "-p", str(port)]
    server = subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": "{ assetNodes { assetKey { path } } }"}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        end = time.monotonic() + 120
        while True:
            try:
                answer = json.load(urllib.request.urlopen(request, timeout=60))
                return {"/".join(n["assetKey"]["path"]) for n in answer["data"]["assetNodes"]}
            except OSError:
                assert time.monotonic() < end
                assert server.poll() is None
                time.sleep(0.5)
    finally:
        server.terminate()
        server.wait(60)
