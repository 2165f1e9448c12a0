#!/bin/sh
# Compile each catalogue of translations that changed since it was last compiled.
set -eu
cd "$(dirname "$0")/.."

for catalogue in marketplace/translations/*/LC_MESSAGES/*.po; do
    [ -e "$catalogue" ] || continue
    compiled=${catalogue%.po}.mo
    if [ -z "$(find "$compiled" -newer "$catalogue" 2>/dev/null)" ]; then
        .venv/bin/pybabel --quiet compile -i "$catalogue" -o "$compiled"
    fi
done
