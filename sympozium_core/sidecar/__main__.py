"""``python -m sympozium_core.sidecar NAME TOOLS``: serves declared tools, ``{"tools": […]}`` or a file that holds it, as the server NAME."""

import sys


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    from sympozium_core.errors import SympoziumError
    from sympozium_core.sidecar.declared import load_declared
    from sympozium_core.sidecar.server import Server

    try:
        server = Server(sys.argv[1], load_declared(sys.argv[2]))
    except (SympoziumError, OSError, ValueError) as error:
        print(f"these tools cannot be served: {error}", file=sys.stderr)
        return 1
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
