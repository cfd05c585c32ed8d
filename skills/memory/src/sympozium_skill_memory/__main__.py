"""``python -m sympozium_skill_memory``: the tool server."""

from sympozium_skill_memory.server import serve

if __name__ == "__main__":
    serve()
