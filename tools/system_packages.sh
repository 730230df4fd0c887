#!/usr/bin/env bash
# Installs the Debian packages that the tests use, where this is root's Debian; says the command where it is not.
set -euo pipefail

packages=()
command -v openssl >/dev/null || packages+=(openssl)
command -v make >/dev/null || packages+=(make)
command -v python3 >/dev/null || packages+=(python3)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
command -v softhsm2-util >/dev/null || packages+=(softhsm2)
python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || packages+=(python3-venv)

if [ ${#packages[@]} -eq 0 ]; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  printf 'missing: %s\nget it:  with the package manager of this system\n' "${packages[*]}" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  printf 'missing: %s\nget it:  sudo apt-get install %s\n' "${packages[*]}" "${packages[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet
apt-get install --yes --no-install-recommends "${packages[@]}"
