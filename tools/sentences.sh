#!/bin/sh
# After a change of sentences: put the new ones into every catalogue with an empty msgstr, drop those that are gone.
set -eu
cd "$(dirname "$0")/.."

template=marketplace/translations/messages.pot
# Unless told which folders to leave out, Babel leaves out those that start with _: our macros.
.venv/bin/pybabel --quiet extract --ignore-dirs '.*' -F babel.cfg -k lazy_gettext --no-wrap --sort-by-file \
    --add-location=file -o "$template" .
for catalogue in marketplace/translations/*/LC_MESSAGES/*.po; do
    language=$(basename "$(dirname "$(dirname "$catalogue")")")
    # Guessed translations of changed sentences would be wrong sentences that look right.
    .venv/bin/pybabel --quiet update -i "$template" -o "$catalogue" -l "$language" --no-wrap --no-fuzzy-matching \
        --ignore-obsolete --ignore-pot-creation-date
done
