#!/bin/sh
# Do our requests and the simulator's answers conform to Mollie's published specification? The client that Mollie
# generates from it is the judge; it calls its package `mollie`, as our library does, so it gets a virtualenv of its own.
set -eu
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m venv "$folder/judge"
"$folder/judge/bin/pip" --quiet --disable-pip-version-check install 'mollie-api-py==1.10.20'
.venv/bin/python -m tests.conformance.record > "$folder/exchanges.jsonl"
"$folder/judge/bin/python" tests/conformance/judge.py < "$folder/exchanges.jsonl"
