"""The command line: one file a command, and what several of them share (`target`, `output`, `failures`).

`main` imports only the module of the command that was typed, and each module imports what is dear inside `run`: help and completion stay
instant. Exit codes are in `failures`.
"""
