"""``python -m sympozium_skill_shell``: the tool server."""

from sympozium_skill_shell.server import serve

if __name__ == "__main__":
    serve()
