"""The built-in policies: the same for a cluster and for one machine, and what the seeds say of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sympozium_core.resources import builtin, load

DEPLOYED = Path(__file__).parents[2] / "deploy/policies"


def test_a_cluster_gets_the_same_policies(tmp_path: Path) -> None:
    builtin.write_policies(tmp_path)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    deployed = {path.name: path.read_text(encoding="utf-8") for path in DEPLOYED.iterdir()}
    assert written == deployed, "run: python -m sympozium_core.resources.builtin deploy/policies"


@pytest.mark.parametrize("name", builtin.POLICIES)
def test_each_is_valid_and_says_nothing_idle(name: str) -> None:
    policy = builtin.builtin_policy(name)
    loaded = load.read(policy)
    assert loaded.normal["metadata"]["name"] == name
    assert loaded.warnings == []


@pytest.mark.parametrize("name", ["permissive", "default", "restrictive"])
def test_the_templates_hold_all_that_the_seed_says(name: str) -> None:
    seeds = Path(__file__).parents[1] / "compat/seeds/000-policies.yaml"
    by_name = {
        document["metadata"]["name"]: document["spec"] for document in yaml.safe_load_all(seeds.read_text(encoding="utf-8"))
    }
    policy = builtin.builtin_policy(name)
    assert policy is not None
    assert {key: policy["spec"][key] for key in by_name[name]} == by_name[name]


@pytest.mark.parametrize(
    ("name", "cpu", "memory", "depth", "concurrent", "gates"),
    [
        ("permissive", "8", "16Gi", 5, 10, (True, True, True, True)),
        ("default", "4", "8Gi", 3, 5, (True, True, False, True)),
        ("restrictive", "2", "4Gi", 2, 3, (True, True, False, False)),
        ("network-isolated", "4", "8Gi", 3, 5, (True, True, False, True)),
    ],
)
def test_numbers_are_those_of_the_original(
    name: str, cpu: str, memory: str, depth: int, concurrent: int, gates: tuple[bool, ...]
) -> None:
    spec = load.normalise(builtin.builtin_policy(name))["spec"]
    assert (spec["sandboxPolicy"]["maxCPU"], spec["sandboxPolicy"]["maxMemory"]) == (cpu, memory)
    assert spec["subagentPolicy"] == {"maxDepth": depth, "maxConcurrent": concurrent}
    order = ("code-execution", "sub-agents", "browser-automation", "file-access")
    assert tuple(spec["featureGates"][gate] for gate in order) == gates


def test_there_is_no_other() -> None:
    assert builtin.builtin_policy("../default") is None
