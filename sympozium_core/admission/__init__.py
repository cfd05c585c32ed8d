"""What is decided before an object is stored: its shape, then the rules of its kind, one kind a file.

`reviewer` is the way in: a call within the process when embedded, a webhook on a cluster. It reads through the same informers as the
controllers and decides with the pure functions of `planning`, so a run is refused here for the same reasons as later.
"""
