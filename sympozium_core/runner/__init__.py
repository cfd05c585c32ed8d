"""The program in the agent's container: ask the model, carry out tool calls, hand over a result. Standard library only.

`main` waits for the task and starts `loop`; `conversation` is what the model sees; `tools` are the native tools, one a file; `server_calls`
reach the tool servers as files. Nothing of the run is in its environment, and it holds no credential.
"""
