from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
BROKEN = ("samples/agentrun_sample.yaml", "samples/sympoziuminstance_sample.yaml")


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    release = HERE / "v0.8.0"
    manifests = [
        path for folder in ("samples", "policies", "skills", "personas") for path in sorted((release / folder).glob("*.yaml"))
    ]
    sets = {
        "valid": [path for path in manifests if path.relative_to(release).as_posix() not in BROKEN],
        "broken": [path for path in manifests if path.relative_to(release).as_posix() in BROKEN],
        "seed": sorted((HERE / "seeds").glob("*.yaml")),
    }
    for name, paths in sets.items():
        if name in metafunc.fixturenames:
            found = [(f"{path.stem}-{index}", document) for path in paths for index, document in enumerate(documents(path))]
            assert found, f"no manifests for {name} under {HERE}"
            metafunc.parametrize(name, [document for _, document in found], ids=[label for label, _ in found])
    if "release_crd" in metafunc.fixturenames:
        paths = sorted((release / "crd").glob("*.yaml"))
        assert len(paths) == 7
        metafunc.parametrize("release_crd", [documents(path)[0] for path in paths], ids=[path.stem for path in paths])
