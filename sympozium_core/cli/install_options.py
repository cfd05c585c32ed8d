"""What `install` and `upgrade` let an operator choose, and what is chosen when he says nothing: as it is on the cluster, else the usual."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sympozium_core.contracts.cluster import Object
    from sympozium_core.installation.options import Images, Options
    from sympozium_core.installer.installed import Installed

TIMEOUT = 300.0
IMAGES = ("control_plane", "runner", "skill", "nats")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="let the server check everything, change nothing")
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT,
        metavar="SECONDS",
        help="how long to wait until everything works (default: 300)",
    )
    parser.add_argument("--force-conflicts", action="store_true", help="take over fields that somebody else has changed")
    images = parser.add_argument_group("images")
    images.add_argument(
        "--registry", metavar="PREFIX", help="where the images of the release are, such as registry.example.com/sympozium"
    )
    for name in IMAGES:
        words = name.replace("_", " ")
        images.add_argument(
            f"--image-{name.replace('_', '-')}", metavar="IMAGE", help=f"the image of the {words}, with its tag or digest"
        )
    images.add_argument(
        "--image-pull-policy", dest="pull_policy", choices=("Always", "IfNotPresent", "Never"), help="default: IfNotPresent"
    )
    images.add_argument(
        "--image-pull-secret",
        dest="pull_secrets",
        action="append",
        metavar="NAME",
        help="a Secret of namespace sympozium-system; may be given again",
    )
    _add_sizes(parser.add_argument_group("size"))
    _add_bus(parser.add_argument_group("event bus"))
    parser.add_argument(
        "--cert-manager", action=argparse.BooleanOptionalAction, default=None, help="let cert-manager make the certificates"
    )


def _add_sizes(group: argparse._ArgumentGroup) -> None:
    for name, what in (("controller", "one works, the others stand by"), ("gateway", "at least"), ("webhook", "at least")):
        group.add_argument(f"--{name}-replicas", type=int, metavar="N", help=f"pods of the {name}: {what} (default: 2)")
    for name, most in (("gateway", 10), ("webhook", 6)):
        group.add_argument(
            f"--{name}-max-replicas",
            type=int,
            metavar="N",
            help=f"pods of the {name} under load; no autoscaler if it is --{name}-replicas (default: {most})",
        )
    group.add_argument("--max-concurrent-runs", type=int, metavar="N", help="runs at once; more wait in Queued (default: 1000)")
    group.add_argument(
        "--max-run-history", type=int, metavar="N", help="finished runs that are kept of each instance (default: 50)"
    )


def _add_bus(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--storage-class", dest="nats_storage_class", metavar="NAME", help="of the bus's volume (default: the cluster's)"
    )
    group.add_argument("--storage", dest="nats_storage", metavar="SIZE", help="of the bus's volume (default: 10Gi)")
    group.add_argument(
        "--sync-always",
        dest="nats_sync_always",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="write each message to the disk before it is acknowledged: nothing is lost with a node, at about half the rate",
    )
    group.add_argument(
        "--nats-url", metavar="URL", help="use a NATS of your own, such as tls://nats.example.com:4222, and install none"
    )
    group.add_argument(
        "--nats-keys",
        type=Path,
        metavar="FOLDER",
        help="with --nats-url: account-signing.seed, which signs the users of runs, and the credentials of our own users, "
        "controller.seed, gateway.seed and system.seed; ca.crt if the system does not trust its certificate",
    )


_SAME_NAME = (
    *("controller_replicas", "gateway_replicas", "gateway_max_replicas", "webhook_replicas", "webhook_max_replicas"),
    *(
        "max_concurrent_runs",
        "max_run_history",
        "nats_storage_class",
        "nats_storage",
        "nats_sync_always",
        "nats_url",
        "cert_manager",
    ),
)


def chosen(arguments: argparse.Namespace, before: Installed | None) -> Options:
    """Raises Refused for what cannot be, Permanent for images that an upgrade cannot guess."""
    from sympozium_core.installation.options import Options, check
    from sympozium_core.installer.installed import own_version

    given = {name: getattr(arguments, name) for name in _SAME_NAME if getattr(arguments, name) is not None}
    if arguments.nats_keys is not None:
        given["nats_ca"] = (arguments.nats_keys / "ca.crt").exists()
    if before is not None and before.options is not None:
        options = replace(before.options, version=own_version(), images=_images(arguments, before), **given)
    else:
        options = Options(own_version(), _images(arguments, None), **given)
    check(options)
    return options


def _images(arguments: argparse.Namespace, before: Installed | None) -> Images:
    old = before.options.images if before is not None and before.options is not None else None
    images = _usual_images(arguments, before, old)
    more: dict[str, Any] = {name: getattr(arguments, f"image_{name}") for name in _named(arguments)}
    if old is not None:
        more |= {"pull_policy": old.pull_policy, "pull_secrets": old.pull_secrets}
    if arguments.pull_policy is not None:
        more["pull_policy"] = arguments.pull_policy
    if arguments.pull_secrets is not None:
        more["pull_secrets"] = tuple(arguments.pull_secrets)
    return replace(images, **more)


def _usual_images(arguments: argparse.Namespace, before: Installed | None, old: Images | None) -> Images:
    """Those of this release, from where the installation has its images; or the very same, where the version is the same."""
    from sympozium_core.errors import Permanent
    from sympozium_core.installation.options import REGISTRY, released_images
    from sympozium_core.installer.installed import own_version

    version = own_version()
    if arguments.registry or before is None or old is None:
        return released_images(version, arguments.registry or REGISTRY)
    if before.version == version:
        return old
    registry = _registry(old, before.version)
    missing = [f"--image-{name.replace('_', '-')}" for name in IMAGES if name not in _named(arguments)]
    if registry is None and missing:
        raise Permanent(
            f"version {before.version} was installed with images of your own, which are not of version {version}",
            hint=f"name those of {version} with {', '.join(missing)}; or --registry",
        )
    return released_images(version, registry or REGISTRY)


def _named(arguments: argparse.Namespace) -> list[str]:
    return [name for name in IMAGES if getattr(arguments, f"image_{name}")]


def _registry(images: Images, version: str) -> str | None:
    """Where the images of a release come from; None where they were named one by one."""
    from sympozium_core.installation.options import released_images

    registry = images.control_plane.rpartition("/")[0]
    released = released_images(version, registry)
    return registry if all(getattr(images, name) == getattr(released, name) for name in IMAGES) else None


def brought(arguments: argparse.Namespace, options: Options) -> Sequence[Object]:
    """What the operator brings himself: the keys of his own bus. Raises Permanent for a file that is missing or no key."""
    from sympozium_core.installer.bus_keys import read_keys

    return [] if options.own_bus or arguments.nats_keys is None else [read_keys(options, arguments.nats_keys)]
