"""``spmamba separate``: the voices of recordings of any length.

The paths of what was written go to standard output, a line of report for each
recording to standard error; all of it stands in `separate_messages.py`. With
``--output -`` standard output gets the sound itself. What ``--stream`` does
stands in `stream.py`. Exit status: 0, 1 if a
recording could not be separated, 2 if nothing could begin.
"""

import os
import sys
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from speechbrain_spmamba.commands.options import Device, Output, Trust, Whole
from speechbrain_spmamba.recordings.options import SeparationOptions


@Parameter(name="*")
@dataclass(frozen=True)
class _Options(SeparationOptions):
    __doc__ = SeparationOptions.__doc__
    batch: Whole | None = None
    channel: Whole | None = None
    speakers: Whole | None = None
    keep_rate: Annotated[bool, Parameter(parse=False)] = True  # --rate keep


def separate(
    files: list[str],
    /,
    *,
    output: Output | None = None,
    model: Annotated[str | None, Parameter(alias="-m")] = None,
    options: _Options = _Options(),
    rate: Literal["keep", "model"] = "keep",
    stream: bool = False,
    raw: Whole | None = None,
    rttm: bool = False,
    labels: bool = False,
    json: bool = False,
    jobs: Whole = 1,
    overwrite: bool = False,
    device: Device = None,
    trust: Trust = False,
) -> int:
    """Separate recordings: files, folders, patterns or standard input.

    Arguments
    ---------
    files : list of str
        Mixtures: files, folders, patterns; - is standard input.
    output : str, optional
        Output folder, by default the current one, or of a stream standard
        output; - is standard output, a channel an output of the model,
        whoever speaks.
    model : str, optional
        Model folder, a model of the package, or of the Hugging Face Hub; by
        default the package's, see `spmamba models`.
    options : SeparationOptions
        How they are separated.
    rate : str
        Sample rate of the outputs: of the input, or of the model.
    stream : bool
        Separate standard input as it comes, with a causal model: WAV of 16,
        24 or 32-bit PCM in, voices out after its latency; no end is needed.
        What is too loud for the output is clipped.
    raw : int, optional
        Rate in Hz of a stream without a header, in and out: signed 16-bit
        samples, the lower byte first, one channel in, one a speaker out.
    rttm : bool
        Write who speaks when beside the voices, as RTTM.
    labels : bool
        The same as a label track of Audacity, .txt.
    json : bool
        The same as JSON, with what is known of each talker.
    jobs : int
        Files separated side by side.
    overwrite : bool
        Replace what is there.
    device, trust
        See ``commands.options``.

    Returns
    -------
    int
        0, or 1 if a recording could not be separated.
    """
    from joblib import Parallel, delayed

    from speechbrain_spmamba.builtin.models import DEFAULT, LIVE
    from speechbrain_spmamba.commands.distributed import (
        highest_status,
        own_device,
        rank_and_world_size,
    )
    from speechbrain_spmamba.commands.inputs import STANDARD, find_inputs
    from speechbrain_spmamba.commands.jobs import Job, loaded, separate_one
    from speechbrain_spmamba.commands.separate_messages import (
        default_model_line,
        error_line,
        print_result,
    )
    from speechbrain_spmamba.files.names import shown

    if raw is not None and not stream:
        raise ValueError("--raw is for streams; add --stream")
    if options.embedding is not None and not trust:
        raise ValueError(
            f"--embedding {shown(options.embedding)} builds what its YAML file "
            "says, which may run any code; add --trust if you trust it as you "
            "would a program"
        )
    to_stdout = output == "-" or (stream and output is None)
    asked = {"rttm": rttm, "labels": labels, "json": json}
    forms = tuple(form for form, wanted in asked.items() if wanted)
    if forms and (to_stdout or stream):
        raise ValueError(
            f"--{forms[0]} is written beside the voices of a recording; leave "
            "it out, or give --output FOLDER and no --stream"
        )
    chosen = {**asdict(options), "keep_rate": rate == "keep"}
    job = Job(
        model or (LIVE if stream else DEFAULT),
        own_device(device),
        trust,
        SeparationOptions(**chosen),
        overwrite,
        to_stdout,
        bar=jobs == 1 and sys.stderr.isatty(),
        forms=forms,
    )
    if stream:
        from speechbrain_spmamba.commands.stream import (
            check_stream,
            separate_stream,
        )

        check_stream(files, jobs, job.options, to_stdout)
        return separate_stream(job, output, raw, introduce=model is None)
    inputs, errors = find_inputs(files, output or ".")
    if to_stdout and len(inputs) > 1:
        raise ValueError(
            f"{len(inputs)} recordings cannot share standard output; give "
            "one, or an output folder"
        )
    if jobs < 1:
        raise ValueError(f"--jobs is {jobs}; give 1 or more")
    # Once here, so that a wrong model or setting is an error of the command.
    loaded.cache_clear()
    separator, _ = loaded(job.model, job.device, job.trust)
    job.options.for_model(separator.hparams).check_speakers(
        separator.hparams.num_spks
    )
    if options.embedding is not None:
        separator.speaker_encoder(options.embedding)
    names = [recording.source for recording in inputs]
    if STANDARD in names:
        jobs = 1  # other processes have another standard input
    elif not any(map(os.path.lexists, names)):
        missing = [f"{shown(name)} does not exist" for name in names]
        raise ValueError("; ".join(errors + missing))
    rank, world_size = rank_and_world_size()
    errors = errors if rank == 0 else []
    if model is None and rank == 0:
        print_result(default_model_line())
    for reason in errors:
        print_result(error_line(reason))
    failed = bool(errors)
    work = Parallel(n_jobs=jobs, return_as="generator")
    for done, line, paths in work(
        delayed(separate_one)(recording, job)
        for recording in inputs[rank::world_size]
    ):
        failed |= not done
        print_result(line, paths)
    return highest_status(int(failed))
