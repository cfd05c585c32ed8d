"""Conditions of tool rules: CEL over the arguments of one call. `argv` reads a command, `expression` compiles and evaluates, `examined` is a call.

Nothing here is imported before a policy has a condition: `contracts.plan` decides, and is handed a call that can tell whether a condition holds.
"""
