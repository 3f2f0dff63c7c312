#!/usr/bin/env bash
# bash infra/setup.sh                 makes the two environments of this checkout, or finds them made:
#   .venv          everything: packing, training, tests, local servers
#   .venv-serving  what a registered model needs: no ray, no deepspeed
# bash infra/setup.sh FOLDER EXTRAS   makes one environment, with these extras of pyproject.toml ('' for none)
# All are pinned by infra/constraints.txt. Run again after a change of pins; it installs what differs.
set -euo pipefail
cd "$(dirname "$0")/.."

# cpu: the vendor's own wheels without CUDA, 0.2 GB instead of 3 GB; auto: those where there is no NVIDIA GPU.
TORCH_BUILD=${TORCH_BUILD:-auto}
TORCH_CPU_INDEX=${TORCH_CPU_INDEX:-https://download.pytorch.org/whl/cpu}

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

[ $# = 0 ] || [ $# = 2 ] || die "found $# arguments, wanted none, or FOLDER EXTRAS"
[[ $TORCH_BUILD =~ ^(auto|cpu|cuda)$ ]] || die "TORCH_BUILD=$TORCH_BUILD: wanted auto, cpu or cuda"

find_python() {
    for name in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
        [ -n "$name" ] && command -v "$name" >/dev/null || continue
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    die "no Python 3.11 to 3.13 found; on Debian or Ubuntu: apt-get install python3 python3-venv"
}

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

install_torch() { # PIP
    local pip=$1 version
    version=$(sed -n 's/^torch==//p' infra/constraints.txt)
    if [ "$TORCH_BUILD" = cuda ] || { [ "$TORCH_BUILD" = auto ] && has_gpu; }; then
        "$pip" install -q -c infra/constraints.txt torch
        return
    fi
    "$pip" install -q -c infra/constraints.txt "torch==$version+cpu" 2>/dev/null && return
    case $(uname -s)-$(uname -m) in
        Linux-x86_64) "$pip" install -q -c infra/constraints.txt --extra-index-url "$TORCH_CPU_INDEX" "torch==$version+cpu" ;;
        *) "$pip" install -q -c infra/constraints.txt torch ;; # only built without CUDA there
    esac
}

make_environment() { # FOLDER EXTRAS
    local folder=$1 extras=$2 stamp wanted
    stamp=$folder/.facscale-stamp
    wanted=$(cat pyproject.toml infra/constraints.txt infra/setup.sh | sha256sum)
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
    say "making $folder (a few minutes the first time)"
    [ -x "$folder/bin/python" ] || "$python" -m venv "$folder" \
        || die "cannot make an environment: on Debian or Ubuntu, apt-get install python3-venv"
    local pip=$folder/bin/pip
    "$pip" install -q -c infra/constraints.txt setuptools wheel
    install_torch "$pip"
    if [[ $extras == *train* ]]; then
        # DeepSpeed's build looks for torch; no kernel is compiled (DS_BUILD_OPS=0).
        DS_BUILD_OPS=0 "$pip" install -q -c infra/constraints.txt --no-build-isolation deepspeed
    fi
    "$pip" install -q -c infra/constraints.txt --no-build-isolation -e ".${extras:+[$extras]}"
    printf '%s' "$wanted" >"$stamp"
}

python=$(find_python)
"$python" -c 'import ensurepip, venv' 2>/dev/null \
    || die "$python has no venv; on Debian or Ubuntu: apt-get install python3-venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
if [ $# = 2 ]; then
    make_environment "$1" "$2"
else
    make_environment .venv train,onnx,local,server,test,manifests
    make_environment .venv-serving ''
fi
