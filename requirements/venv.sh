# shellcheck shell=bash
# Makes and keeps `.venv` from a lock. Sourced by flash.sh, tests/run and tests/bump; never run by itself.
#
#   make_venv gateway    what runs a gateway (requirements/gateway.lock)
#   make_venv dev        that and the test tools (requirements/dev.lock, the same versions)
#
# When the stamp in .venv matches, it costs a few milliseconds and starts neither Python nor pip.
# WITNESSMARK_PYTHON names the interpreter for a new .venv. Everything said goes to stderr.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv

say() { printf '%s\n' "$*" >&2; }
stop() { say "$*"; exit 2; }

# Install Debian packages when we may; otherwise say the exact command and fail.
install_debian() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    local log
    log=$(mktemp)
    say "Installing from Debian: $*"
    if (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@") >"$log" 2>&1; then
      rm -f "$log"
    else
      tail -n 20 "$log" >&2
      return 1
    fi
  else
    say "Missing on this machine. On Debian or Ubuntu: sudo apt-get install --no-install-recommends $*"
    return 1
  fi
}

python_fits() { "$1" -I -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Print the first Python >= 3.11 that can make virtual environments.
find_python() {
  local name
  for name in "${WITNESSMARK_PYTHON:-python3}" python3 python3.13 python3.12 python3.11 python3.14 /usr/bin/python3; do
    if command -v "$name" >/dev/null && python_fits "$name"; then
      command -v "$name"
      return 0
    fi
  done
  return 1
}

stamp_of() { # the lock's name: one line that changes whenever the environment must be made anew
  printf '%s %s %s\n' "$1" "$root" "$(cat "$root/requirements/$1.lock" "$root/pyproject.toml" | sha256sum | cut -d' ' -f1)"
}

is_current() { [ -x "$venv/bin/python" ] && grep -qxF "$(stamp_of "$1")" "$venv/.stamp" 2>/dev/null; }

make_venv() {
  is_current "$1" && return 0
  exec 9<"$root"
  flock 9 # two starts at once: the second waits, then finds the work done
  is_current "$1" || fill_venv "$1" 9>&-
  exec 9<&-
}

fill_venv() {
  local lock=$1 python pip
  if [ -n "${WITNESSMARK_PYTHON:-}" ] || ! python_fits "$venv/bin/python" || ! grep -qF " $root " "$venv/.stamp" 2>/dev/null; then
    python=$(find_python) || {
      install_debian python3 python3-venv || stop "Python 3.11 or newer with its venv module is needed."
      python=$(find_python) || stop "This Debian has no Python 3.11 or newer: install one and set WITNESSMARK_PYTHON to its path."
    }
    say "Making .venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" >&2 || stop "Could not make .venv"
  fi
  rm -f "$venv/.stamp"
  pip=("$venv/bin/python" -I -m pip --quiet --disable-pip-version-check --no-input)
  say "Installing requirements/$lock.lock (once; a minute or so) ..."
  "${pip[@]}" install --require-hashes --no-deps --prefer-binary -r "$root/requirements/$lock.lock" >&2 ||
    stop "The install failed (no network, or a file whose hash is not the locked one?). Nothing was started; run the same command again."
  "${pip[@]}" install --no-deps --no-build-isolation --editable "$root" >&2 || stop "Could not install the project itself"
  stamp_of "$lock" >"$venv/.stamp.new"
  if [ "$lock" = dev ]; then stamp_of gateway >>"$venv/.stamp.new"; fi # the dev lock holds all of the gateway's
  mv "$venv/.stamp.new" "$venv/.stamp"
}
