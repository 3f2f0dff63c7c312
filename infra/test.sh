#!/usr/bin/env bash
# bash infra/test.sh [--full] [pytest arguments]
# Sets up the environments, then lint, types and tests. --full adds the long kill, chaos and soak runs, and writes
# what they did to tests/results.
set -euo pipefail
cd "$(dirname "$0")/.."
bash infra/setup.sh

# The report is looked at in a browser. Where there is none and none can be had, that test is skipped.
have_browser() { command -v chromium-headless-shell || command -v chromium || command -v google-chrome; }
if ! have_browser >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    {
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell fonts-dejavu-core
    } >/dev/null 2>&1 || printf 'no Chromium could be installed; the browser test will be skipped\n' >&2
fi
export PATH="$PWD/.venv/bin:$PATH" OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore::FutureWarning
marks='not full'
record=()
if [ "${1:-}" = --full ]; then
    marks='' record=(--record tests/results)
    shift
fi
ruff check .
ruff format --check .
mypy
# Two processes; a file stays whole, so that its fixtures are made once, and the long ones come first.
exec pytest -n 2 --dist loadfile --no-loadscope-reorder -m "$marks" "${record[@]}" "$@"
