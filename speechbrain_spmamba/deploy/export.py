"""A training run, a model folder or a model of the package as an ONNX file.

From ``spmamba export --onnx``; to `deploy.onnx_file`.
"""

import tempfile
from pathlib import Path

from speechbrain_spmamba.builtin.models import CARD_FILE, find_model
from speechbrain_spmamba.deploy.onnx_file import packages, write_onnx
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.yaml_text import load, plain
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.weights.export import export
from speechbrain_spmamba.weights.model_card import known_license

SUFFIX, FILE = ".onnx", "model.onnx"


def export_onnx(
    source: str | Path,
    output: str | Path,
    license: str | None = None,
    overwrite: bool = False,
    trust: bool = False,
) -> tuple[Path, float]:
    """Makes an ONNX file of a model.

    Arguments
    ---------
    source : str or Path
        Output folder of ``train.py``, of which the best checkpoint is taken,
        a model folder, a model of the package, or a name on the Hub.
    output : str or Path
        The file, ``*.onnx``, or a folder for ``model.onnx``.
    license : str, optional
        Licence of the weights; by default what their model card says.
    overwrite : bool
        Replace the file.
    trust : bool
        Build whatever the settings say, which may run any code.

    Returns
    -------
    path : Path
        The file.
    error : float
        See ``write_onnx``.

    Raises
    ------
    ValueError
        There is no such model, it has no such form, the file is there
        already, or the licence is none.
    """
    packages()
    license = None if license is None else known_license(license)
    path = Path(output)
    if path.suffix != SUFFIX:
        path = path / FILE
    if path.exists() and not overwrite:
        raise ValueError(
            f"{path} exists; choose another name, or replace it with "
            "--overwrite"
        )
    with tempfile.TemporaryDirectory() as folder:
        if (Path(source) / "save").exists():
            source = export(source, folder, license=license, trust=trust)
        model = WaveformSeparation.from_hparams(
            source, safe=not trust, run_opts={"device": "cpu"}
        )
        license = license or card_licence(find_model(source))
    return path, write_onnx(model.mods.separator, path, license)


def card_licence(folder):
    """What the model card of a folder says of the licence, or None."""
    path = Path(folder) / CARD_FILE
    if not path.is_file():
        return None
    parts = read_text(path).split("---\n", 2)
    try:
        front = plain(load(parts[1])) if len(parts) > 1 else None
    except ValueError:
        return None
    return front.get("license") if isinstance(front, dict) else None
