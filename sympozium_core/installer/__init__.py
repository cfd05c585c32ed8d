"""Carries an installation out on a cluster: applies it, waits for it, says why it does not work, examines it, takes it away."""
