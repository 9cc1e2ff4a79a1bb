#!/usr/bin/env bash
# Put Witnessmark somewhere and start it. Today: on this machine, with a simulated filling line.
set -euo pipefail

usage() {
  cat >&2 <<'TXT'
flash.sh sim [--for SECONDS] [--state DIR] [--json] [--port P] [--speed X] [--seed N]
    Install what is missing into .venv, start a simulated plant, a gateway that witnesses it and a witness that
    cosigns it, and print the page's address. Runs until Ctrl-C. Everything stays on this machine.
    --for SECONDS: stop so long after the gateway's start and verify what it wrote: exit code 0 holds, 1 a claim fails,
    2 cannot tell. With --json, the only line on stdout is then one JSON object with the figures and the verdict.
flash.sh gateway | image
    Not in this release.
TXT
}

# shellcheck source=requirements/venv.sh
. "$(dirname "${BASH_SOURCE[0]}")/requirements/venv.sh"

verb=${1:-}
[ $# -gt 0 ] && shift
case $verb in
  sim)
    make_venv gateway
    exec "$venv/bin/python" -I -m runtime demo "$@"
    ;;
  gateway | image)
    stop "flash.sh $verb comes with a later release; this one has: flash.sh sim"
    ;;
  -h | --help | help)
    usage
    ;;
  *)
    usage
    exit 2
    ;;
esac
