"""The recipe of the images that have this machine's plugins, each pinned: what is installed here is what a cluster gets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from urllib.parse import urlsplit

from sympozium_core.names import GROUP_MEMORIES, GROUP_SKILLS
from sympozium_core.registry.catalogue import installed

REGISTRY = "ghcr.io/sympozium-ai"
CORE = "sympozium-core"
PYTHON = "docker.io/library/python:3.13-slim"
"""What the images of a release are made from."""
PIP = "/usr/local/lib/python3.13/site-packages"


@dataclass(frozen=True)
class Pinned:
    """One installed distribution that brings plugins."""

    name: str
    version: str
    folder: str
    """Where it was installed from, on this machine; empty for one that an index has."""
    serves: bool
    """Whether it brings a skill or a memory backend, which run in the skills' image too."""


def recipe(base: str = "") -> str:
    """A Containerfile with two targets, ``control-plane`` and ``skill``. `base` takes the place of the control plane's image."""
    release = version(CORE)
    plugins = _pinned()
    lines = [
        f"# Sympozium {release} with the plugins of one machine, as they were there when this was written.",
        "#   docker build --target control-plane -t registry.example.com/sympozium-control-plane:mine .",
        "#   docker build --target skill -t registry.example.com/sympozium-skill:mine .",
        "# then: sympozium install, with both as --image; see docs/how-to/install-on-a-cluster.md",
    ]
    local = [each for each in plugins if each.folder]
    if local:
        lines += [
            "# No index has these, because they were installed from a folder: put their wheels into ./wheels first.",
            *(f"#   pip wheel --no-deps --wheel-dir wheels {each.folder}" for each in local),
        ]
    images = {
        "control-plane": (base or f"{REGISTRY}/sympozium-control-plane:{release}", plugins),
        "skill": (f"{REGISTRY}/sympozium-skill:{release}", [each for each in plugins if each.serves]),
    }
    lines += ["", f"FROM {PYTHON} AS python"]
    for target, (image, wanted) in images.items():
        lines += ["", f"FROM {image} AS {target}", *_installing(wanted)]
    return "\n".join(lines) + "\n"


def _installing(plugins: list[Pinned]) -> list[str]:
    """With the pip of the image that the base was made from: there is none in it, and none is left behind."""
    if not plugins:
        return ["# there is nothing to add"]
    wheels = any(each.folder for each in plugins)
    return [
        "USER 0:0",
        *(["COPY wheels/ /wheels/"] if wheels else []),
        f"RUN --mount=type=bind,from=python,source={PIP},target=/pip \\",
        "    PYTHONPATH=/pip python3 -m pip install --no-cache-dir --root-user-action ignore \\",
        *(["        --find-links /wheels \\"] if wheels else []),
        *(f"        {each.name}=={each.version} \\" for each in plugins[:-1]),
        f"        {plugins[-1].name}=={plugins[-1].version}",
        "USER 1000:1000",
    ]


def _pinned() -> list[Pinned]:
    serving = {entry.distribution for entry in installed([GROUP_SKILLS, GROUP_MEMORIES])}
    found = {entry.distribution: entry.version for entry in installed()}
    return [Pinned(name, found[name], _folder(name), name in serving) for name in sorted(found)]


def _folder(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/direct-url/"""
    try:
        text = distribution(name).read_text("direct_url.json")
        url = urlsplit(json.loads(text)["url"]) if text else None
    except (PackageNotFoundError, ValueError, KeyError, TypeError):
        return ""
    return url.path if url is not None and url.scheme == "file" else ""
