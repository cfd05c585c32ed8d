"""What can be wrong with an installation, one check a function; `examination.CHECKS` is the list."""
