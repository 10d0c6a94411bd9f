#!/bin/sh
# All measurements of one device: sh benchmarks/all.sh cpu | cuda
# PYTHON names the interpreter.
set -e
device=${1:?cpu or cuda}
python=${PYTHON:-python}
cd "$(dirname "$0")/.."

# What depends on the vector instructions of a processor.
kernels() {
    "$python" benchmarks/scan.py --runs 5 "$@"
    "$python" benchmarks/scan.py --runs 3 --backward --shapes 1 "$@"
    "$python" benchmarks/block.py --runs 3 "$@"
    OMP_NUM_THREADS=1 "$python" benchmarks/limits.py "$@"
}

if [ "$device" = cuda ]; then
    # Tests, scan and model, a stage at a time: none stops the others.
    "$python" benchmarks/gpu_quarter/quarter.py measure benchmarks/results
    "$python" benchmarks/block.py --device cuda --seconds 4 --runs 10
else
    kernels
    for part in inference step; do
        "$python" benchmarks/model.py --only $part --runs 3 --published-runs 1
    done
    # Most processors have no AVX-512.
    if grep -qs avx512bw /proc/cpuinfo; then
        kernels --isa avx2
    fi
    OMP_NUM_THREADS=1 "$python" benchmarks/small_step.py
    OMP_NUM_THREADS=1 "$python" benchmarks/prepare.py
    OMP_NUM_THREADS=1 "$python" benchmarks/long.py
    OMP_NUM_THREADS=1 "$python" benchmarks/resampling.py
    OMP_NUM_THREADS=1 "$python" benchmarks/scoring.py
    OMP_NUM_THREADS=1 "$python" benchmarks/startup.py
fi
"$python" benchmarks/launches.py
"$python" benchmarks/memory.py
"$python" benchmarks/gpu_tables.py
"$python" -m speechbrain_spmamba.cli complexity --measure --device "$device" \
    -o results/complexity
for kind in json csv md; do
    cp "results/complexity/complexity.$kind" \
        "benchmarks/results/complexity_$device.$kind"
done
