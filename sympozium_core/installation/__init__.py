"""What an installation on a cluster consists of, as plain objects: the one source of `sympozium install`, ``deploy/manifests`` and the Helm chart.

Pure functions of `options.Options`, one concern a file; `render.everything` puts them in the order in which they are applied.
"""
