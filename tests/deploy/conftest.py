"""Files that several tests read; made once, for it takes seconds."""

import pytest
import torch

from speechbrain_spmamba.models import build_model
from tests.small_models import SMALL


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """``written(name, **changes)``: a small model and its file."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from speechbrain_spmamba.deploy.onnx_file import write_onnx

    folder, made = tmp_path_factory.mktemp("onnx"), {}

    def write(name, **changes):
        key = name, *changes.items()
        if key not in made:
            torch.manual_seed(0)
            model = build_model(name, **SMALL[name] | changes).eval()
            path = folder / f"{len(made)}.onnx"
            write_onnx(model, path, licence="cc-by-4.0")
            made[key] = model, path
        return made[key]

    return write
