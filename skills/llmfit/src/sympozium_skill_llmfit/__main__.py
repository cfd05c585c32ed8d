"""``python -m sympozium_skill_llmfit``: the tool server."""


def main() -> None:
    from sympozium_core.sidecar.server import Server
    from sympozium_skill_llmfit.tools import model_fit, model_memory, node_resources

    Server("llmfit", [node_resources, model_fit, model_memory]).serve()


if __name__ == "__main__":
    main()
