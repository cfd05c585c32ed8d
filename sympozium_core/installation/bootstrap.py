"""The Job that makes what has to be there first and must be in no manifest: keys of the bus and the first certificates.

It leaves alone what is there, so it may run as often as anybody likes. Kubernetes changes no Job: its name changes with what it does.
"""

from __future__ import annotations

import hashlib
import json

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import JOB
from sympozium_core.contracts.cluster import Object
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import Process, make, pod_template, system_env, variables
from sympozium_core.installation.rbac import account
from sympozium_core.installation.rights import BOOTSTRAP

RETRIES = 10


def job(options: Options) -> Object:
    env = system_env(options)
    if options.own_bus:
        env[names.ENV_BUS_KEYS] = "make"
    if options.cert_manager:
        env[names.ENV_CA_SECRET] = names.SECRET_WEBHOOK_TLS
    process = Process(
        BOOTSTRAP,
        options.images.control_plane,
        options.webhook,
        args=[BOOTSTRAP],
        env=variables(env),
        service_account=account(BOOTSTRAP),
    )
    template = pod_template(options, process)
    template["spec"]["restartPolicy"] = "OnFailure"
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:8]
    spec = {"backoffLimit": RETRIES, "template": template}
    return make(options, JOB, f"{account(BOOTSTRAP)}-{digest}", BOOTSTRAP, {"spec": spec})
