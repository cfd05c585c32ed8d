"""The recipe of images with the installed plugins. That it builds, and that its images work, is tried by ``tests/kubernetes/test_third_party.py``."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from sympozium_core.errors import Permanent
from sympozium_core.registry.image_recipe import Sources, recipe
from sympozium_core.registry.requirements import closure
from tests.registry.conftest import Packages

ROOT = Path(__file__).parents[2]
OURS = Sources("registry.example.com/base:1", "registry.example.com/sympozium-skill:1")


def stages(text: str) -> dict[str, str]:
    """The instructions of each, by its name."""
    return {part.partition("\n")[0].rpartition(" ")[2]: part for part in text.split("\nFROM ")[1:]}


def test_what_is_installed_is_pinned_with_all_that_it_needs() -> None:
    found = stages(recipe(OURS))
    assert list(found) == ["pip", "control-plane", "skill", "skill-kubectl", "skill-git"]
    assert found["control-plane"].startswith("registry.example.com/base:1 AS")
    assert "    sympozium-provider-openai==0.1.0 \\\n" in found["control-plane"]
    assert f"    mcp=={version('mcp')} \\\n" in found["control-plane"]
    assert "sympozium-core==" not in "".join(found.values()), "the images have the core"
    assert " kubernetes==" not in "".join(found.values()), "what only the core needs is there, or was left out"
    for target in ("skill", "skill-kubectl", "skill-git"):
        assert found[target].startswith(f"registry.example.com/sympozium-{target}:1 AS")
        assert "sympozium-skill-mcp==0.1.0" in found[target]
        assert "sympozium-skill-shell" not in found[target], "its code can come as a volume"
        assert "sympozium-provider-openai" not in found[target], "a sidecar needs no provider"


def test_the_control_plane_knows_what_the_image_of_skills_has() -> None:
    (line,) = [line for line in recipe(OURS).splitlines() if line.endswith(">>/opt/sympozium/skill-image")]
    assert "sympozium_skill_mcp-0.1.0-py3-none-any.whl sympozium_skill_software_dev-0.1.0-py3-none-any.whl" in line


def test_where_the_wheels_come_from_is_said() -> None:
    text = recipe(OURS)
    assert f"#   pip wheel --no-deps --wheel-dir wheels {ROOT}/skills/shell\n" in text, "no index has what came from a folder"
    assert "--mount=type=bind,source=wheels,target=/wheels" in text
    assert "--no-index" not in text
    alone = recipe(Sources(python="registry.example.com/python:1", wheels="dist"))
    assert "FROM registry.example.com/python:1 AS pip\n" in alone
    assert "--mount=type=bind,source=dist,target=/wheels" in alone
    assert "--find-links /wheels --no-index \\\n" in alone
    assert f"FROM ghcr.io/sympozium-ai/sympozium-control-plane:{version('sympozium-core')} AS control-plane\n" in alone


@pytest.mark.parametrize("image", ["registry.example.com/skill", "registry.example.com/skill@sha256:" + 64 * "0"])
def test_images_beside_one_without_a_tag_cannot_be_found(image: str) -> None:
    with pytest.raises(Permanent, match="has no tag"):
        recipe(Sources(skill_base=image))


def test_needs_are_followed_through_extras_and_in_circles(packages: Packages) -> None:
    for name, needs in {
        "acme-one": [
            "Acme_Two[fast] >=1,<2",
            "acme-none; python_version < '3'",
            'acme-three; extra == "test"',
            "sympozium-core>=0.1",
        ],
        "acme-two": ["acme.one", 'acme-four; extra == "fast"', 'acme-three; extra == "slow"'],
        "acme-three": [],
        "acme-four": [],
    }.items():
        packages.install(name, {})
        metadata = packages.directory / f"{name.replace('-', '_')}-1.0.dist-info/METADATA"
        lines = "".join(f"Requires-Dist: {need}\n" for need in needs)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}")
    assert closure(["acme-one"]) == {"acme-four": "1.0", "acme-one": "1.0", "acme-two": "1.0"}
