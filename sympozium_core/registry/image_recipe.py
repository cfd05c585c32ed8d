"""The recipe of the images that have this machine's plugins, each pinned: what is installed here is what a cluster gets."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from urllib.parse import urlsplit

from sympozium_core.errors import Permanent
from sympozium_core.names import GROUP_MEMORIES, GROUP_SKILLS
from sympozium_core.registry.archive import archive_of
from sympozium_core.registry.catalogue import installed
from sympozium_core.registry.requirements import CORE, closure, normal

REGISTRY = "ghcr.io/sympozium-ai"
PYTHON = "docker.io/library/python:3.13-slim"
"""What the images of a release are made from."""
WHEELS = "wheels"
SKILL_VARIANTS = ("kubectl", "git")
"""Images of skills that have more than Python; they are looked for beside the image without, under its tag."""
_LIST = "/opt/sympozium/skill-image"
_PIP = "cp -r \"$(pip --version | sed 's|.* from \\(.*\\)/pip (.*|\\1|')\" /pip/packages"
"""Wherever that image has it: a folder, or a wheel that Python imports from."""


@dataclass(frozen=True)
class Sources:
    """What the images are made from; empty: the images of this version, and Python's own."""

    base: str = ""
    """Of the control plane."""
    skill_base: str = ""
    """The image of skills; those with kubectl and with git are looked for beside it, under the same tag."""
    python: str = ""
    """An image with pip, of any Python: the others have none."""
    wheels: str = ""
    """A folder of the build's context with every wheel that is needed: no index is asked then."""


def recipe(sources: Sources) -> str:
    """A Containerfile: target ``control-plane``, and where a skill needs it, targets ``skill``, ``skill-kubectl`` and ``skill-git``.

    Raises:
        Permanent: The image of skills is not named by a tag.
    """
    release = version(CORE)
    plugins = closure({entry.distribution for entry in installed()})
    skills = _untransportable()
    stages = [("control-plane", sources.base or f"{REGISTRY}/sympozium-control-plane:{release}", plugins)]
    if skills:
        skill = sources.skill_base or f"{REGISTRY}/sympozium-skill:{release}"
        images = {"skill": skill, **{f"skill-{variant}": _beside(skill, variant) for variant in SKILL_VARIANTS}}
        stages += [(target, image, closure(skills)) for target, image in images.items()]
    local = {name: folder for name in plugins if (folder := _folder(name))}
    lines = [*_head(release, [target for target, *_ in stages]), *_wheels(sources, local)]
    lines += ["", f"FROM {sources.python or PYTHON} AS pip", f"RUN mkdir /pip && {_PIP}"]
    for target, image, wanted in stages:
        listed = skills if target == "control-plane" else []
        lines += ["", f"FROM {image} AS {target}", *_installing(wanted, sources.wheels, bool(local), listed)]
    return "\n".join(lines) + "\n"


def _head(release: str, targets: list[str]) -> Iterator[str]:
    yield f"# Sympozium {release} with the plugins of one machine, as they were there when this was written. Build each target, all under one tag:"
    for target in targets:
        yield f"#   docker build --target {target} -t registry.example.com/sympozium-{target}:mine ."
    chosen = [target for target in targets if target in ("control-plane", "skill")]
    yield "# then: sympozium install " + " ".join(
        f"--image-{target} registry.example.com/sympozium-{target}:mine" for target in chosen
    )


def _wheels(sources: Sources, local: dict[str, str]) -> Iterator[str]:
    if sources.wheels:
        yield f"# Every wheel that is installed comes from ./{sources.wheels}."
    elif local:
        yield f"# No index has these, because they were installed from a folder: put their wheels into ./{WHEELS} first."
    for folder in local.values():
        yield f"#   pip wheel --no-deps --wheel-dir {sources.wheels or WHEELS} {folder}"


def _installing(wanted: dict[str, str], wheels: str, local: bool, listed: Iterable[str]) -> list[str]:
    """With a pip that is not in the image, and is not left there. Everything is named, so pip adds nothing of its own: what the core needs is
    there, or was left out of that image on purpose."""
    folder = wheels or (WHEELS if local else "")
    mounts = ["--mount=type=bind,from=pip,source=/pip,target=/pip"]
    mounts += [f"--mount=type=bind,source={folder},target=/wheels"] if folder else []
    where = ["--find-links /wheels"] if folder else []
    where += ["--no-index"] if wheels else []
    options = " ".join(["--no-deps", "--no-cache-dir", "--root-user-action ignore", *where])
    words = [*(f"{mount} \\" for mount in mounts), f"PYTHONPATH=/pip/packages python3 -m pip install {options} \\"]
    words += [f"    {name}=={pinned} \\" for name, pinned in wanted.items()]
    words[-1] = words[-1].removesuffix(" \\")
    if names := " ".join(shlex.quote(_wheel(name)) for name in listed):
        words[-1] += " \\"
        words.append(f"&& printf '%s\\n' {names} >>{_LIST}")
    return ["USER 0:0", f"RUN {words[0]}", *(f"    {word}" for word in words[1:]), "USER 1000:1000"]


def _wheel(name: str) -> str:
    """As `archive.read_list` reads it: what the image of skills has."""
    return f"{name.replace('-', '_')}-{version(name)}-py3-none-any.whl"


def _untransportable() -> list[str]:
    """Distributions with a skill or a memory backend whose code cannot come to its sidecar as a volume, so that the image of skills has to have it."""
    found = set()
    backends = {normal(entry.distribution): entry.value for entry in installed([GROUP_MEMORIES])}
    for entry in installed([GROUP_SKILLS, GROUP_MEMORIES]):
        brought = [entry.value, *(backends[name] for name in closure({entry.distribution}) if name in backends)]
        try:
            archive_of(*(value.partition(":")[0] for value in brought))
        except Permanent:
            found.add(normal(entry.distribution))
    return sorted(found)


def _beside(image: str, variant: str) -> str:
    place, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    if not tag or "@" in last:
        raise Permanent(
            f"--skill-base is {image[:200]!r}, which has no tag",
            hint="name it such as registry.example.com/sympozium-skill:1.0: those with kubectl and git are looked for beside it",
        )
    return f"{place}{slash}{name}-{variant}:{tag}"


def _folder(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/direct-url/"""
    try:
        text = distribution(name).read_text("direct_url.json")
        url = urlsplit(json.loads(text)["url"]) if text else None
    except (PackageNotFoundError, ValueError, KeyError, TypeError):
        return ""
    return url.path if url is not None and url.scheme == "file" else ""
