"""The tools that the runner does itself, one module each: a definition and a function of the arguments and the roots.

They can do no more than the agent's own code could; what they add is that a path cannot lead out of the roots, a FIFO cannot hang them,
and a result cannot be larger than the model can take. `native` lists them.
"""
