"""The control plane's own certificates: `authority` makes them (pure), `controller` keeps them where they are read."""
