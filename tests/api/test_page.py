"""Every block of docs/python.md is run, one after the other, as a reader would."""

import subprocess
import sys

from tests.docs.test_pages import FILE, blocks


def test_the_page_runs(project):
    program = ""
    for language, text in blocks("python.md"):
        assert language == "python"
        if (name := FILE.match(text)) is not None:
            (project / name[1]).write_text(text)
        else:
            program += text
    (project / "page.py").write_text(program)
    ran = subprocess.run([sys.executable, "page.py"], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    assert "0 problems" in ran.stdout
    assert "1 of 1 rounds of rest_em finished" in ran.stdout
    assert "README.md" in ran.stdout
