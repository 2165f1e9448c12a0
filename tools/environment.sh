#!/bin/sh
# Make .venv hold what `demo` or `test` needs: tools/environment.sh demo|test
# Leaves .venv/ready-demo (and ready-test), so that make calls it again only when the needs change.
set -eu
cd "$(dirname "$0")/.."
need=$1

stop() {
    printf '\n%s\n' "$*" >&2
    exit 1
}

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1
}

find_python() {
    # constraints.txt was resolved for 3.11 to 3.14: a newer one may want to compile half of the packages.
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if fits "$name"; then
            command -v "$name"
            return
        fi
    done
    stop 'Python 3.11, 3.12, 3.13 or 3.14 is needed and none was found. Debian: sudo apt-get install python3. macOS: https://www.python.org/downloads/'
}

create() {
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        # Debian keeps these modules in a package of their own.
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "Installing $package"
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
        else
            stop "Your Python has no venv module. Type: sudo apt-get install $package    and start again."
        fi
    fi
    echo "Making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
}

# A folder that was moved, or whose Python was removed, has a .venv that cannot start.
here=$(pwd -P)
if ! fits .venv/bin/python || [ "$(.venv/bin/python -c 'import sys; print(sys.prefix)')" != "$here/.venv" ]; then
    create
fi

echo "Installing what the $need needs (a few minutes the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$need]" ||
    stop 'The installation failed; the lines above say why. It needs the internet the first time.'

touch .venv/ready-demo
[ "$need" = demo ] || touch ".venv/ready-$need"
