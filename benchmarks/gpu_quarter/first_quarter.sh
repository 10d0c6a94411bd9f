#!/bin/bash
# What is worth knowing of a GPU in a quarter of an hour, on a bare machine
# without a network. From the repository's root:
#
#   bash benchmarks/gpu_quarter/first_quarter.sh setup|measure|train|all
#
# DRY=1 tries it on a CPU, in tiny sizes. Two folders travel with the tree:
# .gpu/ holds mamba_ssm.tar.gz (the source archive) and corpus/{speech,noise},
# .whl/ the wheels. What comes is appended to files under $OUT at once; every
# stage has its own time limit, and none stops another.
HERE=$(cd "$(dirname "$0")" && pwd); ROOT=$(pwd); STAGE=${1:-all}
OUT=${OUT:-$ROOT/.gpu/out}; mkdir -p "$OUT"
PY=${PYTHON:-python3}; DEV=cuda; [ -n "$DRY" ] && DEV=cpu
LOG=$OUT/log.txt; T0=$(date +%s)
TEMP=$(dirname "$(mktemp -u)") # outlives a call, unlike what travels
SITE=${SITE:-$TEMP/site}; WORK=${WORK:-$TEMP/work}; mkdir -p "$WORK"
export PYTHONUNBUFFERED=1 PYTHONPATH=$SITE:$ROOT OMP_NUM_THREADS=4
export TRITON_CACHE_DIR=${TRITON_CACHE_DIR:-$WORK/triton} OUT DEV DRY
say() { echo "[$(($(date +%s) - T0)) s] $*" | tee -a "$LOG"; }
stage() { # name, seconds, command...
    local name=$1 limit=$2; shift 2; say "== $name (at most $limit s)"
    timeout -k 5 "$limit" "$@" >>"$LOG" 2>&1; say "== $name: exit $?"
}
setup() {
    [ -d "$SITE/speechbrain" ] || $PY -m pip install -q --no-index --no-deps \
        --no-compile --no-cache-dir --upgrade --target "$SITE" .whl/*.whl >>"$LOG" 2>&1
    $PY - >>"$LOG" 2>&1 <<'PYEOF'
import sys, torch, numpy, triton
print(sys.version, "torch", torch.__version__, "numpy", numpy.__version__, "triton", triton.__version__)
import speechbrain_spmamba.models
if torch.cuda.is_available(): print(torch.cuda.get_device_properties(0))
PYEOF
    say "setup: exit $?"; nvidia-smi >>"$LOG" 2>&1 || true
}
build() { # (d) mamba-ssm's scan, real bf16 only, sm_90; in the background
    local d=$WORK/mamba; rm -rf "$d"; mkdir -p "$d"
    tar xzf "$ROOT/.gpu/mamba_ssm.tar.gz" -C "$d" --strip-components=1 || return 1
    $PY "$HERE/build_mamba_ssm.py" "$d" >"$WORK/build.log" 2>&1
    echo "build: exit $?" >>"$WORK/build.log"; tail -3 "$WORK/build.log" >>"$LOG"
}
prepare() { # mixtures for (e); in the background
    $PY "$HERE/probe.py" prepare "$HERE/small_gpu.yaml" "$ROOT/.gpu/corpus" "$WORK" \
        >"$WORK/prepare.log" 2>&1; say "prepare: exit $?"
}
measure() {
    build & BUILD=$!
    stage "a tests" 100 $PY -m pytest -q -m gpu -n ${JOBS:-8} -p no:cacheprovider \
        --no-header -o addopts= tests/ops/triton/test_gpu.py \
        tests/ops/test_backends.py tests/models/test_spmamba.py
    stage "b scan" 60 $PY "$HERE/probe.py" scan
    stage "c model" 110 $PY "$HERE/probe.py" model
    stage "c profile" 45 $PY "$HERE/probe.py" profile
    say "waiting for the build"; for i in $(seq ${BUILD_WAIT:-60}); do
        kill -0 $BUILD 2>/dev/null || break; sleep 1; done
    stage "d mamba_ssm scan" 40 env PYTHONPATH=$WORK/mamba_site:$PYTHONPATH $PY "$HERE/probe.py" scan published
    stage "d published model" 50 env PYTHONPATH=$WORK/mamba_site:$PYTHONPATH $PY "$HERE/probe.py" published
}
train() {
    local o=$WORK/run; [ -d "$WORK/mix" ] || prepare
    ( while sleep 15; do keep "$o"; done ) & local K=$!
    stage "e training" ${TRAIN_S:-260} $PY train.py "$HERE/small_gpu.yaml" \
        --device "$([ -n "$DRY" ] && echo cpu || echo cuda:0)" \
        --data_folder "$ROOT/.gpu/corpus" --mixture_folder "$WORK/mix" \
        --output_folder "$o" ${TRAIN_ARGS:-}
    kill $K 2>/dev/null; keep "$o"
}
keep() { # log, history and the best weights, as one file under 16 MiB
    mkdir -p "$WORK/keep"; cp "$1"/history.csv "$1"/train_log.txt "$1"/hyperparams.yaml "$WORK/keep/" 2>/dev/null
    cp -r "$1"/test "$WORK/keep/" 2>/dev/null; rm -f "$WORK"/keep/test/*/*.wav
    local c=$(ls -d "$1"/save/CKPT* 2>/dev/null | tail -1); [ -n "$c" ] && cp "$c"/*.yaml "$c"/separator* "$WORK/keep/" 2>/dev/null
    tar czf "$WORK/train.tgz" -C "$WORK" keep 2>/dev/null && mv "$WORK/train.tgz" "$OUT/train.tgz"
}
setup
case $STAGE in
    setup) ;;
    measure) prepare & P=$!; measure; wait $P 2>/dev/null ;;
    train) train ;;
    all) prepare & P=$!; measure; wait $P 2>/dev/null; train ;;
esac
say "done"; [ -f "$OUT/results.jsonl" ] && tail -c 6000 "$OUT/results.jsonl"; tail -40 "$LOG"
