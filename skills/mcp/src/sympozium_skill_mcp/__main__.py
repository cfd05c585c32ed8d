"""``python -m sympozium_skill_mcp``: the tool server."""

from sympozium_skill_mcp.server import serve

if __name__ == "__main__":
    serve()
