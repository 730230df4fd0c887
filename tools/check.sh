#!/usr/bin/env bash
# Everything a checkout needs to be trusted, cheapest first; ends at the first problem and says which step it was.
#   tools/check.sh static   format, lint, types, layers
#   tools/check.sh all      those, then every test on a real Kafka, then the coverage of the core
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"

core='govbus/errors.py,govbus/document/*,govbus/signing/*,govbus/message_log/*'
core="$core,govbus/schemas/*,govbus/routing/*,govbus/registry/*"
core_percent_min=95

step() {
  local name="$1"
  shift
  printf '\n=== %s\n' "$name"
  "$@" || {
    printf '\n=== FAILED: %s\n    command: %s\n' "$name" "$*"
    exit 1
  }
}

static_checks() {
  step 'Format (make fmt mends it)' ruff format --check .
  step 'Lint' ruff check .
  step 'Types' mypy
  step 'Layers' lint-imports
}

tests() {
  rm -f .coverage .coverage.*
  step 'Tests' coverage run -m pytest
  coverage combine --quiet
  step "Coverage of the core, branches included, at least $core_percent_min %" \
    coverage report --include="$core" --fail-under="$core_percent_min"
}

case "${1:-all}" in
  static) static_checks ;;
  all)
    command -v openssl >/dev/null || {
      printf 'missing: the openssl command line, which tests check signatures with\n' >&2
      printf 'get it:  bash tools/system_packages.sh\n' >&2
      exit 1
    }
    command -v softhsm2-util >/dev/null || {
      printf 'missing: softhsm2-util, whose tokens tests keep keys on\n' >&2
      printf 'get it:  bash tools/system_packages.sh\n' >&2
      exit 1
    }
    static_checks
    tests
    ;;
  *)
    printf 'expected static or all, found %s\n' "$1" >&2
    exit 2
    ;;
esac
printf '\n=== All checks passed\n'
