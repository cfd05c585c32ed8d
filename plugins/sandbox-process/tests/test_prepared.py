"""The prepared program: started by a fork, it must be what executing it would have been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, os, signal, sys
report = {
    "argv": sys.argv, "name": __name__, "environment": dict(os.environ), "pid": os.getpid(),
    "wakeup": signal.set_wakeup_fd(-1), "secret": "loaded" in globals(),
}
print(json.dumps(report))
sys.stderr.write("to the error stream")
code = os.environ.get("CODE", "")
sys.exit(int(code) if code else "a message")
"""

FORK = """
import os, sys
sys.path.insert(0, sys.argv[1])
from sympozium_sandbox_process import prepared
command = [sys.executable, "-m", sys.argv[2]]
prepared.prepare(command)
assert prepared.runs(command) is (sys.argv[3] == "yes"), prepared.runs(command)
assert not prepared.runs([*command, "more"])
if sys.argv[3] == "yes":
    if os.fork() == 0:
        prepared.run(command, {"CODE": sys.argv[4], "ONLY": "this"})
    _, status = os.wait()
    sys.exit(os.waitstatus_to_exitcode(status))
"""

SOURCE = str(Path(__file__).parents[1] / "src")


def forked(tmp_path: Path, module: str, loadable: str = "yes", code: str = "7") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SECRET": "of the launcher"}
    return subprocess.run(
        [
            sys.executable,
            "-S",
            "-E",
            "-s",
            "-c",
            f"import os; os.environ['PYTHONPATH'] = {str(tmp_path)!r}\n{FORK}",
            SOURCE,
            module,
            loadable,
            code,
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def package(tmp_path: Path) -> str:
    folder = tmp_path / "a_program"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "__main__.py").write_text("import a_program.work\nif __name__ == '__main__':\n    a_program.work.main()\n")
    (folder / "work.py").write_text("def main():\n    exec(" + repr(PROGRAM) + ", {'__name__': '__main__'})\n")
    return "a_program"


def test_it_runs_as_itself_in_its_own_environment(tmp_path: Path, package: str) -> None:
    done = forked(tmp_path, package)
    report = json.loads(done.stdout)
    assert report["environment"] == {"CODE": "7", "ONLY": "this"}
    assert report["name"] == "__main__"
    assert report["argv"][0].endswith("__main__.py")
    assert report["wakeup"] == -1
    assert done.returncode == 7
    assert done.stderr == "to the error stream"


def test_an_exit_with_a_message_is_a_failure(tmp_path: Path, package: str) -> None:
    assert forked(tmp_path, package, code="").returncode == 1


def test_one_that_fails_tells_why(tmp_path: Path, package: str) -> None:
    (tmp_path / package / "work.py").write_text("def main():\n    raise RuntimeError('out of order')\n")
    done = forked(tmp_path, package)
    assert done.returncode == 1
    assert "RuntimeError: out of order" in done.stderr


@pytest.mark.parametrize(
    "broken", ["raise RuntimeError('at import')", "import nothing_of_that_name", "import sys; sys.exit(3)"]
)
def test_one_that_cannot_be_loaded_is_left_to_be_executed(tmp_path: Path, package: str, broken: str) -> None:
    (tmp_path / package / "__main__.py").write_text(broken)
    done = forked(tmp_path, package, loadable="no")
    assert done.returncode == 0, done.stderr


def test_other_commands_are_never_prepared(tmp_path: Path) -> None:
    assert forked(tmp_path, "no_such_package", loadable="no").returncode == 0
