#!/usr/bin/env bash
# bash infra/quickstart.sh [--fresh] [--run FOLDER] [key=value ...]
# Sets up the environments, then the whole flow on this machine; see `--help`.
set -euo pipefail
cd "$(dirname "$0")/.."
bash infra/setup.sh
export PATH="$PWD/.venv/bin:$PATH"
exec python -m infra.quickstart "$@"
