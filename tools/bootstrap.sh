#!/usr/bin/env bash
# Makes .venv from the locks: every package by exact version and hash, then govbus itself from this folder.
# An environment that works is kept and brought up to date.
# Where the machine lacks something, the first line printed says what, the second how to get it.
set -euo pipefail
cd "$(dirname "$0")/.."

missing() {
  printf 'missing: %s\nget it:  %s\n' "$1" "$2" >&2
  exit 1
}

is_python_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# The first command that is a Python new enough. A version manager may offer names that do not run, so each is tried.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
    if is_python_new_enough "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

# Prints how far pip is, one line on a terminal, nothing elsewhere; the whole output goes to the log.
show_progress() {
  local total="$1" terminal=0
  if [ -t 1 ]; then terminal=1; fi
  awk -v total="$total" -v terminal="$terminal" -v log_file=.venv/install.log '
    { print >> log_file }
    /^Collecting / { count++; if (terminal) printf "\r  %d of %d packages: %-40.40s", count, total, $2 }
    /^Installing collected/ { if (terminal) printf "\r  %-60s", "writing them to .venv" }
    END { if (terminal) printf "\r%64s\r", "" }'
}

install() {
  local total="$1"
  shift
  .venv/bin/python -m pip install --disable-pip-version-check --no-input --default-timeout=120 --retries=5 "$@" 2>&1 |
    show_progress "$total" || {
    tail -n 25 .venv/install.log >&2
    printf 'could not install; the whole output is in .venv/install.log. Is the network up?\n' >&2
    exit 1
  }
}

# Makes an empty virtual environment, after checking that this machine can.
make_environment() {
  local python
  python="$(find_python)" || missing \
    "Python 3.11 or newer (found: $(python3 --version 2>/dev/null || echo none))" \
    "on Debian or Ubuntu: sudo apt-get install python3 python3-venv; on macOS: brew install python; \
or name one: make PYTHON=/path/to/python3"
  "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || missing \
    "the venv module of $("$python" --version)" \
    "on Debian or Ubuntu: sudo apt-get install python3-venv (or python3.X-venv for that version)"
  printf 'Making .venv with %s\n' "$("$python" --version)"
  rm -rf .venv
  "$python" -m venv .venv
}

if ! { is_python_new_enough .venv/bin/python && .venv/bin/python -m pip --version; } >/dev/null 2>&1; then
  make_environment
fi
printf 'Installing what the locks name into .venv (about a minute the first time)\n'
: >.venv/install.log
install "$(grep -c '^[a-z]' locks/dev.txt)" --require-hashes --requirement locks/dev.txt
install 1 --no-deps --require-hashes --requirement locks/demo.txt
install 1 --no-deps --no-build-isolation --editable .
touch .venv/installed
