#!/bin/sh
# Installs wheels of /dist into this image, compiles them, and takes everything away that only an installation needs.
#   install.sh [--without PACKAGE] PIP ARGUMENTS …
set -eu

without=
if [ "$1" = --without ]; then
    without=$2
    shift 2
fi
pip install --no-index --find-links=/dist --no-cache-dir --no-compile --root-user-action=ignore --disable-pip-version-check "$@"
if [ -n "$without" ]; then
    pip uninstall --yes --quiet --root-user-action=ignore "$without"
fi

# The root of a container cannot be written: what is not compiled now would be compiled at every start. The images are never changed, so
# no start has to compare times.
site=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
python3 -m compileall -q --invalidation-mode unchecked-hash "$site"

# A skill may ask who it is.
grep -q ':1000:' /etc/passwd || echo 'sympozium:x:1000:1000::/tmp:/bin/sh' >>/etc/passwd

rm -rf "$site"/pip "$site"/pip-* "$site"/setuptools* "$site"/wheel* /usr/local/bin/pip* /usr/share/python-wheels \
    /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/idlelib /root/.cache
