"""The life of a run: a table from phase to function (`phases`), one module a phase, each idempotent.

`context` holds what all of them need; `attempts` starts pods; `journal` reads what bridge and gateway say; `outcome` turns an end into a
phase and a reason of the closed list.
"""
