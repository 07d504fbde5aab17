#!/usr/bin/env bash
# Exports runs and trains them again in plain PyTorch, which has to come to the same losses (scripts/replicate.py).
# PROGRAM: another build of the program; PYTHON: a Python with PyTorch 1.13 or later. Where there is none, CI on Debian, as root,
# installs Debian's package: 152 MB for the processor alone, where the wheels bring 4.7 GB for GPUs. Elsewhere nothing is compared.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
[ -n "${PROGRAM:-}" ] || make --no-print-directory build
program=$(realpath "${PROGRAM:-target/release/trainability}")

find_torch() {
    for python in "${PYTHON:-python3}" "${PEER_PYTHON:-python3}" results/bench/peer-venv/bin/python /usr/bin/python3; do
        if "$python" -c 'import torch' 2>/dev/null; then return; fi
    done
    python=
}
find_torch
if [ -z "$python" ] && [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3-torch; } \
        >"${TMPDIR:-/tmp}/python3-torch.log" 2>&1 || true
    find_torch
fi
if [ -z "$python" ]; then
    echo "No Python here has PyTorch, so no run is trained again with it; PYTHON=... names one, pip install torch brings it"
    exit
fi
[[ $python != */* ]] || python=$(realpath --no-symlinks "$python")

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
number=0
export_run() {
    for precision in f32 f64; do
        number=$((number + 1))
        "$program" export-run "$root/configs/$1.json" --run "$2" --out $number --set training.precision=$precision "${@:3}" \
            >log 2>&1 || { cat log >&2; exit 1; }
    done
}

# Five tasks of forty updates.
short=(--set stream.tasks=5 --set stream.epochs=8)
for arm in relu/constant relu/as_run crelu/constant l2_adam/constant l2_loss/constant wasserstein/constant; do
    export_run small $arm/seed-0 "${short[@]}"
done
for kind in label_permutation pixel_permutation; do
    export_run smoke-streams relu@kind=$kind@transition=0/cosine/seed-1
done
export_run smoke-optimizers relu@optimizer=sgd/constant/seed-0
export_run smoke-optimizers adamw@optimizer=adam/cosine/seed-0
export_run smoke-convolutional relu/constant/seed-0
"$python" "$root/scripts/replicate.py" --quiet $(seq $number)
