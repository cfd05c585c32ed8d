#!/bin/sh
# Installs the command `sympozium` for this user, with all bundled plugins; given again, it upgrades. Needs Python 3.11 or newer.
#
#   curl -fsSL https://raw.githubusercontent.com/sympozium-ai/sympozium/main/deploy/install.sh | sh
#
# With pipx where there is one, else in a virtual environment of its own. Nothing outside of your home is touched. In the environment:
#   SYMPOZIUM_VERSION   the version (default: the newest)
#   SYMPOZIUM_WHEELS    a folder with wheels of Sympozium, instead of the package index
#   SYMPOZIUM_HOME      where the virtual environment is made (default: ~/.local/share/sympozium/program); chosen, pipx is not used
#   SYMPOZIUM_BIN       where the command is linked to then (default: ~/.local/bin)
#   PYTHON              the interpreter (default: the newest that is found)
set -eu

CORE=sympozium-core
PLUGINS="
sympozium-memory-sqlite
sympozium-provider-azure-openai
sympozium-provider-lm-studio
sympozium-provider-ollama
sympozium-provider-openai
sympozium-provider-replay
sympozium-sandbox-bubblewrap
sympozium-sandbox-kubernetes
sympozium-sandbox-process
sympozium-skill-code-review
sympozium-skill-github-gitops
sympozium-skill-incident-response
sympozium-skill-k8s-ops
sympozium-skill-llmfit
sympozium-skill-mcp
sympozium-skill-memory
sympozium-skill-shell
sympozium-skill-software-dev
sympozium-skill-sre-observability
"

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

find_python() {
    for candidate in ${PYTHON:-} python3.14 python3.13 python3.12 python3.11 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer with venv was not found; install it, or name one with PYTHON=/path/to/python3"
}

# What pip is asked for: a name, or the wheel of that name.
wanted() {
    if [ -n "${SYMPOZIUM_WHEELS:-}" ]; then
        file=$(printf '%s' "$1" | tr - _)
        for wheel in "$SYMPOZIUM_WHEELS/$file-"*.whl; do
            [ -f "$wheel" ] || fail "no wheel of $1 in $SYMPOZIUM_WHEELS"
            printf '%s\n' "$wheel"
        done
    else
        printf '%s\n' "$1${SYMPOZIUM_VERSION:+==$SYMPOZIUM_VERSION}"
    fi
}

with_pipx() {
    say "installing with pipx …"
    core=$(wanted $CORE)
    set --
    for plugin in $PLUGINS; do
        found=$(wanted "$plugin")
        set -- "$@" "$found"
    done
    pipx install --quiet --force "$core"
    pipx inject --quiet --force $CORE "$@"
    command -v sympozium >/dev/null 2>&1 || say "sympozium is not on your PATH: pipx ensurepath"
}

with_venv() {
    home=${SYMPOZIUM_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/sympozium/program}
    bin=${SYMPOZIUM_BIN:-$HOME/.local/bin}
    set --
    for package in $CORE $PLUGINS; do
        found=$(wanted "$package")
        set -- "$@" "$found"
    done
    say "installing into $home …"
    if ! "$home/bin/python" -c '' >/dev/null 2>&1; then
        python=$(find_python)
        "$python" -m venv --clear "$home"
    fi
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "$@"
    mkdir -p "$bin"
    ln -sf "$home/bin/sympozium" "$bin/sympozium"
    case ":$PATH:" in
    *":$bin:"*) ;;
    *) say "add $bin to your PATH:  export PATH=\"$bin:\$PATH\"" ;;
    esac
    "$bin/sympozium" version
}

# In a function, so that nothing is done by a script that arrives cut.
main() {
    if [ -z "${SYMPOZIUM_HOME:-}" ] && command -v pipx >/dev/null 2>&1; then
        with_pipx
    else
        with_venv
    fi
    say "sympozium demo shows an agent at work; sympozium install puts the control plane on a cluster"
}

main "$@"
