"""``python -m sympozium_skill_github_gitops.credential get``: git's credential helper. The token goes from the Secret to git over a pipe: it is in
no argument, no environment and no file of a repository."""

from __future__ import annotations

import sys


def main() -> int:
    from sympozium_core.sidecar.definition import ToolError
    from sympozium_skill_github_gitops.settings import token

    asked = sys.stdin.read(64 * 1024)
    if sys.argv[1:] != ["get"] or "path=" in asked:
        return 0
    try:
        print(f"username=x-access-token\npassword={token()}")
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
