#!/usr/bin/env bash
# bash infra/test.sh [--full] [pytest arguments]
# Sets up the environments, then lint, types and tests. --full adds the long kill, chaos and soak runs.
set -euo pipefail
cd "$(dirname "$0")/.."
bash infra/setup.sh
export PATH="$PWD/.venv/bin:$PATH" OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore::FutureWarning
marks='not full'
if [ "${1:-}" = --full ]; then
    marks=''
    shift
fi
ruff check .
ruff format --check .
mypy
exec pytest -m "$marks" "$@"
