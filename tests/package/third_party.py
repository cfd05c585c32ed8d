"""What a third party does, with the wheels of this checkout alone: writes packages, tests them with what we ship, and has an agent use them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.package.processes import run

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "third-party"
KINDS = ("skill", "provider", "channel", "sandbox", "memory", "harness", "hook")
SCRIPT = {
    "conversations": [
        {
            "turns": [
                {
                    "tools": [
                        {"name": "write_file", "arguments": {"path": "/workspace/a.csv", "content": "name,size\na,1\nb,3\n"}},
                        {"name": "sha256_text", "arguments": {"text": "to be or not"}},
                    ]
                },
                {
                    "tools": [
                        {"name": "csv_summary", "arguments": {"file": "a.csv", "column": "size"}},
                        {"name": "sha256_file", "arguments": {"path": "/workspace/a.csv"}},
                    ]
                },
                {"text": "The mean is 2."},
            ]
        }
    ]
}
INSTANCE = """
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumInstance
metadata: {name: analyst}
spec:
  provider: {name: lm-studio, model: practice, baseURL: ADDRESS}
  skills: [csv-tables, checksum]
  policy: permissive
"""


class ThirdParty:
    """Somebody with a clean environment in which Sympozium is installed from wheels, and the tools of their trade."""

    def __init__(self, scratch: Path, python: str, environment: Mapping[str, str]) -> None:
        self._python, self._sympozium = python, str(Path(python).with_name("sympozium"))
        self._environment = dict(environment)
        self._work = scratch / "third-party"
        self._work.mkdir()

    def work(self) -> None:
        constraints = ["-c", str(ROOT / "constraints.txt")]
        tools = ["sympozium-core[test]", "mypy", "ruff", "setuptools", "wheel"]
        run([self._python, "-m", "pip", "install", "--quiet", *constraints, *tools])
        self._examples()
        for kind in KINDS:
            self._new(kind)

    def _examples(self) -> None:
        shutil.copytree(EXAMPLES, self._work / "examples")
        checksum, table = (self._work / "examples" / name for name in ("acme-skill-checksum", "acme-skill-csv"))
        run(["go", "build", "-C", str(checksum / "server"), "-o", "../src/acme_skill_checksum/checksum-server", "."])
        for package in (table, checksum):
            self._install(package)
            self._prove(package)
        words = str(self._work / "examples/acme-skill-words")
        assert "nothing to say" in run([self._sympozium, "skills", "lint", words], env=self._environment)
        tried = run([self._sympozium, "skills", "test", words], env=self._environment, cwd=self._work)
        assert "2 calls, 0 not as they should be" in tried, tried
        self._agent()
        self._remove("acme-skill-csv", "acme-skill-checksum")
        print("skills of a third party, in Python and in Go, pass their suites and serve an agent; one in shell answers")

    def _new(self, kind: str) -> None:
        run([self._sympozium, "plugins", "new", kind, "brand-new", "--directory", str(self._work)], env=self._environment)
        package = self._work / f"sympozium-{kind}-brand-new"
        self._install(package)
        self._prove(package)
        if kind == "skill":
            tried = run([self._sympozium, "skills", "test", str(package)], env=self._environment, cwd=self._work)
            assert "2 calls, 0 not as they should be" in tried, tried
            assert "nothing to say" in run([self._sympozium, "skills", "lint", str(package)], env=self._environment)
        self._remove(f"sympozium-{kind}-brand-new")
        print(f"a new {kind} installs, and passes ruff, mypy and its suite")

    def _install(self, package: Path) -> None:
        """As a wheel, so that what a wheel lacks is missed."""
        wheels = self._work / f"{package.name}-wheels"
        run(
            [
                self._python,
                "-m",
                "pip",
                "wheel",
                "--quiet",
                "--no-deps",
                "--no-build-isolation",
                "-w",
                str(wheels),
                str(package),
            ]
        )
        run([self._python, "-m", "pip", "install", "--quiet", "--no-deps", *map(str, wheels.glob("*.whl"))])

    def _remove(self, *names: str) -> None:
        run([self._python, "-m", "pip", "uninstall", "--quiet", "--yes", *names])

    def _prove(self, package: Path) -> None:
        typed = ["src", *(["tests"] if any((package / "tests").glob("*.py")) else [])]
        for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy", *typed]):
            run([self._python, "-m", *command], cwd=package, env=self._environment)
        out = run([self._python, "-m", "pytest", "-q", "--sympozium-conformance"], cwd=package, env=self._environment)
        passed = int(out.strip().splitlines()[-1].split(" passed")[0].split()[-1])
        assert passed >= 25, f"{package.name}: only {passed} checks\n{out}"

    def _agent(self) -> None:
        """A run whose model says what a script says."""
        (self._work / "script.yaml").write_text(yaml.safe_dump(SCRIPT))
        words = [
            "-m",
            "sympozium_core.testing.servers.lm_studio",
            "--model",
            "practice",
            "--script",
            str(self._work / "script.yaml"),
        ]
        server = subprocess.Popen([self._python, *words], stdout=subprocess.PIPE, text=True, env=self._environment)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            (self._work / "agent.yaml").write_text(INSTANCE.replace("ADDRESS", address))
            run([self._sympozium, "apply", "-f", str(self._work / "agent.yaml")], env=self._environment)
            shown = run([self._sympozium, "run", "--instance", "analyst", "sum it up"], env=self._environment, cwd=self._work)
        finally:
            server.terminate()
            server.communicate()
        assert "ok: 13372360" in shown, shown
        assert '"mean": 2.0' in shown, shown
        assert "The mean is 2." in shown, shown


def main() -> None:
    """``python -m tests.package.third_party FOLDER PYTHON``: in an environment that has the wheels already."""
    scratch, python = Path(sys.argv[1]).resolve(), sys.argv[2]
    scratch.mkdir(exist_ok=True)
    path = f"{Path(python).parent}:{os.environ['PATH']}"
    ThirdParty(scratch, python, {**os.environ, "SYMPOZIUM_DATA_DIR": str(scratch / "data"), "PATH": path}).work()


if __name__ == "__main__":
    main()
