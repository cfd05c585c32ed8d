"""``python -m sympozium_core.sidecar NAME TOOLS``: serves declared tools, ``{"tools": […]}`` or a file that holds it, as the server NAME.

Without both, in a pod: what the SkillPack of this sidecar declares.
"""

import os
import sys

from sympozium_core.names import ENV_SKILL_PACK, ENV_SKILL_TOOLS


def main() -> int:
    words = sys.argv[1:] or [os.environ[name] for name in (ENV_SKILL_PACK, ENV_SKILL_TOOLS) if os.environ.get(name)]
    if len(words) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    from sympozium_core.errors import SympoziumError
    from sympozium_core.sidecar.declared import load_declared
    from sympozium_core.sidecar.server import Server

    try:
        server = Server(words[0], load_declared(words[1]))
    except (SympoziumError, OSError, ValueError) as error:
        print(f"these tools cannot be served: {error}", file=sys.stderr)
        return 1
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
