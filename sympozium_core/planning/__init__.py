"""Pure functions from resources to decisions: which policy holds, whether a run may be, what it will consist of, how one is made.

No clock, no network, no files: everything comes in as arguments, so every rule is a line in a table of a test. `factory` builds every
AgentRun there is; `policy` decides; `review` refuses with every reason at once; `plan` makes the RunPlan.
"""
