"""A model and its ONNX file in turns, on one thread: seconds and their ratio.

    OMP_NUM_THREADS=1 python benchmarks/onnx_speed.py

ONNX Runtime computes the file (extra [onnx]), the backend cpu the model. Of the
causal model a second is separated hop by hop, by the file and by the stream.
"""

import os
import tempfile

import torch
from measure import Table, in_turns

from speechbrain_spmamba.deploy.onnx_file import open_session, write_onnx
from speechbrain_spmamba.deploy.step import run_steps
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.models import build_model

RUNS = 5


def models():
    """Name -> a model."""
    for name in ("voices-8k-3", "voices-8k-2-live"):
        yield name, WaveformSeparation.from_hparams(name).mods.separator
    for system in ("conv_tasnet", "spmamba"):
        torch.manual_seed(0)
        yield f"{system}, published size", build_model(system)


def calls(model, session, seconds):
    """The two that take turns."""
    mix = torch.randn(1, int(seconds * model.sample_rate))

    def ours():
        with torch.inference_mode():
            if not getattr(model, "causal", None):
                return model(mix)
            stream, hop = model.stream(), model.stft.hop_length
            for block in mix.split(hop, 1):
                stream.feed(block)
            return stream.flush()

    def file():
        if getattr(model, "causal", None):
            return run_steps(session, mix.numpy(), [1])
        return session.run(None, {"mix": mix.numpy()})

    return {"cpu": ours, "onnx": file}


def main():
    """Measures all, a second and four."""
    threads = int(os.environ.get("OMP_NUM_THREADS", 1))
    torch.set_num_threads(threads)
    table = Table("onnx", "cpu")
    with tempfile.TemporaryDirectory() as folder:
        for name, model in models():
            path = f"{folder}/model.onnx"
            error = write_onnx(model.eval(), path)
            session = open_session(path, threads)
            runs = 1 if name.startswith("spmamba") else RUNS
            for seconds in (1, 4):
                found = in_turns(calls(model, session, seconds), runs)
                case = f"{name}, {seconds} s"
                table.add(case, found, "cpu", {"onnx": error})


if __name__ == "__main__":
    main()
