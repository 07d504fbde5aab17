#!/usr/bin/env bash
# Trains two tiny sweeps, reports on both, and computes the verdicts of that report a second time, with numpy and scipy; reads
# their event files with TensorBoard, and their rows with the notebook in examples/.
# Takes a minute or two on two cores. PROGRAM: another build of the program; PYTHON: another Python, 3.11 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-python3}
[ -n "${PROGRAM:-}" ] || make --no-print-directory build
program=$(realpath "${PROGRAM:-target/release/trainability}")

# The packages that are there, or those of scripts/requirements.txt in a folder of their own.
needed='import matplotlib, numpy, polars, scipy.stats, tensorboard.backend.event_processing.event_accumulator'
if ! "$python" -c "$needed" 2>/dev/null; then
    own=target/verify-python
    if ! "$own/bin/python" -c "$needed" 2>/dev/null; then
        "$python" -m venv --clear "$own"
        "$own/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
            --requirement scripts/requirements.txt
    fi
    python=$root/$own/bin/python
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
run() { "$program" "$@" >log 2>&1 || { cat log >&2; exit 1; }; }

# Event files hold the same numbers where a run has none at first, and where it is stopped and goes on.
run sweep "$root/configs/verify.json" --only 'crelu/*/*' --seeds 1,4
"$program" sweep "$root/configs/verify.json" --only 'crelu/*/*' --log tensorboard >log 2>&1 &
until compgen -G 'results/verify/runs/*/*/*/tasks.csv.partial' >/dev/null; do sleep .05; done
kill -TERM $!
code=0
wait $! || code=$?
[ $code -eq 143 ] || { cat log >&2; exit 1; }

# What no claim asks for is left out: the schedulers on top of other methods.
for arms in '*/constant*/*' 'crelu/*/*' 'l2_*/*/*' 'wasserstein/*/*'; do
    run sweep "$root/configs/verify.json" --only "$arms" --log tensorboard
done
run replay results/verify
run sweep "$root/configs/verify-replay.json"
run report results/verify results/verify-replay --out both --plots plots

# The runs that show how a report grows are read as any others.
cargo run --quiet --manifest-path "$root/Cargo.toml" -p trainability-report --example synthetic -- made-up 40 4 >/dev/null
run report made-up
run export made-up --format parquet

"$python" "$root/scripts/verify_tensorboard.py" results/verify
run export results/verify
SWEEP=results/verify "$python" "$root/scripts/run_notebook.py" "$root/examples/read_a_sweep.ipynb" pictures
for table in ordering claims; do
    echo "$table.csv, computed a second time:"
    "$python" "$root/scripts/verify_$table.py" results/verify results/verify-replay --out both
done
