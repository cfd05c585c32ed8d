"""What is read of a node, what is reckoned, and what the tools say of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympozium_skill_llmfit import LlmfitSkill
from sympozium_skill_llmfit.fitting import KEPT_FREE, best, named, need
from sympozium_skill_llmfit.models import BITS, MODELS, QUANTISATIONS
from sympozium_skill_llmfit.node import GIB, read_node

from sympozium_core.resources.skill_folder import read_skill_folder
from sympozium_core.testing.tool_client import ToolClient


def test_this_machine_is_read() -> None:
    node = read_node()
    assert node.cpus == os.sysconf("SC_NPROCESSORS_ONLN") or node.cpus >= 1
    assert node.memory == pytest.approx(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), rel=0.01)
    assert 0 < node.available <= node.memory


def gpu(root: Path, address: str, vendor: str, kind: str, **files: str) -> None:
    folder = root / "sys/bus/pci/devices" / address
    folder.mkdir(parents=True)
    for name, text in {"vendor": vendor, "class": kind, "device": "0x2684", **files}.items():
        (folder / name).write_text(text + "\n")


def test_gpus_are_found_and_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    gpu(tmp_path, "0000:01:00.0", "0x10de", "0x030000")
    gpu(tmp_path, "0000:02:00.0", "0x1002", "0x038000", mem_info_vram_total=str(16 * GIB))
    gpu(tmp_path, "0000:03:00.0", "0x8086", "0x020000")
    information = tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0/information"
    information.parent.mkdir(parents=True)
    information.write_text("Model: \t\t NVIDIA GeForce RTX 4090\nIRQ: 1\n")
    node = read_node(tmp_path)
    assert [(each.name, each.memory) for each in node.gpus] == [
        ("NVIDIA GeForce RTX 4090", None),
        ("AMD device 2684", 16 * GIB),
    ]
    assert "gpu_memory" in node.notes[0]


def test_the_arithmetic_of_a_model_that_is_known() -> None:
    (llama,) = named("llama3.1:8b")
    found = need(llama, "q4_k_m", 8192)
    assert found.cache == 2 * 32 * 8 * 128 * 2 * 8192 == GIB
    assert found.weights == pytest.approx(4.9e9, rel=0.02), "what the file of this model comes to"
    assert need(llama, "f16", 8192).weights == pytest.approx(16.06e9, rel=0.01)
    assert need(llama, "q4_k_m", 8192, sessions=4).cache == 4 * GIB


@given(st.sampled_from(MODELS), st.floats(0, 200), st.floats(0, 200), st.integers(512, 200_000), st.integers(1, 8))
def test_what_fits_really_has_room(model: Any, memory: float, video: float, context: int, sessions: int) -> None:
    fit = best(model, memory * GIB, video * GIB, context, sessions)
    room = {"GPU": video, "CPU": memory, "none": max(video, memory)}[fit.place] * GIB * (1 - KEPT_FREE)
    assert fit.free == pytest.approx(room - fit.need.total)
    assert (fit.free >= 0) == (fit.place != "none")
    assert fit.need.context <= model.context
    more = best(model, memory * GIB, (video + 10) * GIB, context, sessions)
    assert not (fit.place == "GPU" and more.place != "GPU"), "more memory never makes it worse"


def test_finer_quantisations_need_more() -> None:
    assert list(BITS.values()) == sorted(BITS.values(), reverse=True)
    for model in MODELS:
        sizes = [need(model, quantisation, 4096).total for quantisation in QUANTISATIONS]
        assert sizes == sorted(sizes, reverse=True)
        assert model.active <= model.parameters


def test_the_tools(server: ToolClient) -> None:
    assert "CPUs" in server.done("node_resources")
    lines = server.done("model_fit", gpu_memory=26, memory=32).splitlines()
    assert lines[0].startswith("for 1 x 8192 tokens, with 26.0 GiB of GPU memory")
    places = [line.partition(":")[0] for line in lines[1:]]
    assert places == sorted(places, key=["GPU", "CPU", "does not fit"].index)
    assert any(line.startswith("GPU: Qwen2.5 Coder 32B") and "q4_k_m" in line for line in lines)
    assert any(line.startswith("does not fit: Llama 3.3 70B") for line in lines)
    said = server.done("model_memory", model="llama3.1:8b", context=8192)
    assert "Llama 3.1 8B (llama3.1:8b), q4_k_m: " in said
    assert "2 x 32 layers x 8 heads x 128 x 2 bytes" in said
    assert "made for 8192" in server.done("model_memory", model="gemma2:9b", context=100_000)


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("model_fit", {"model": "gpt-4o"}, "the table; it has"),
        ("model_fit", {"context": 1}, "512 to 1000000"),
        ("model_fit", {"sessions": 0}, "1 to 64"),
        ("model_fit", {"gpu_memory": -1}, "above 0"),
        ("model_memory", {"model": "qwen"}, "give one of"),
        ("model_memory", {"model": "phi4", "quantisation": "q2"}, "one of f16"),
    ],
)
def test_what_does_not_fit_is_refused(server: ToolClient, tool: str, arguments: dict[str, Any], says: str) -> None:
    assert says in server.refused(tool, **arguments)


def test_the_pack_asks_for_nothing_and_speaks_of_its_tools(server: ToolClient) -> None:
    pack = read_skill_folder(LlmfitSkill().folder())
    assert not any(pack["spec"]["sidecar"].get(field) for field in ("rbac", "clusterRBAC", "hostAccess", "secretRef"))
    (skill,) = pack["spec"]["skills"]
    assert set(skill["requires"]["tools"]) == {tool.name for tool in server.manifest().tools}
