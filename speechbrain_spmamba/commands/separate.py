"""``spmamba separate``: the voices of recordings of any length.

The paths of what was written go to standard output, a line of report for each
recording to standard error; all of it stands in `separate_messages.py`. With
``--output -`` standard output gets the sound itself. Exit status: 0, 1 if a
recording could not be separated, 2 if nothing could begin.
"""

import os
import re
import sys
from dataclasses import fields
from typing import get_args

from speechbrain_spmamba.commands.device import add_device
from speechbrain_spmamba.commands.trust import add_trust
from speechbrain_spmamba.recordings.options import SeparationOptions

HELP = "Separate recordings: files, folders, patterns or standard input."


def add_arguments(parser):
    """Declares the options.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of this command.
    """
    parser.add_argument(
        "files",
        nargs="+",
        help="mixtures: files, folders, patterns; - is standard input",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        help="output folder; - is standard output, a channel a speaker",
    )
    parser.add_argument("-m", "--model", required=True, help="model folder")
    _add_separation(parser)
    parser.add_argument(
        "--rate",
        choices=["keep", "model"],
        default="keep",
        help="sample rate of the outputs: of the input, or of the model",
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="files separated side by side"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is there"
    )
    add_device(parser)
    add_trust(parser)


def _add_separation(parser):
    """Declares the ``SeparationOptions``, in their own words."""
    entry = r"^ {4}(\w+) : .*\n((?: {8}.*\n)+)"
    entries = re.findall(entry, SeparationOptions.__doc__ or "", re.MULTILINE)
    words = {name: " ".join(text.split()) for name, text in entries}
    for field in fields(SeparationOptions):
        keys = {"help": words.get(field.name), "default": field.default}
        if field.default is False:
            keys["action"] = "store_true"
        elif field.default is True:
            continue  # keep_rate is --rate keep
        else:
            keys["type"] = (*get_args(field.type), field.type)[0]
            if field.default is not None:
                keys["help"] = f"{keys['help']} ({field.default})"
        parser.add_argument("--" + field.name.replace("_", "-"), **keys)


def run(arguments):
    """Carries the command out.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.

    Returns
    -------
    int
        0, or 1 if a recording could not be separated.
    """
    from joblib import Parallel, delayed

    from speechbrain_spmamba.commands.distributed import (
        highest_status,
        own_device,
        rank_and_world_size,
    )
    from speechbrain_spmamba.commands.inputs import STANDARD, find_inputs
    from speechbrain_spmamba.commands.jobs import Job, loaded, separate_one
    from speechbrain_spmamba.commands.separate_messages import (
        error_line,
        print_result,
    )
    from speechbrain_spmamba.files.names import shown

    inputs, errors = find_inputs(arguments.files, arguments.output)
    to_stdout, jobs = arguments.output == "-", arguments.jobs
    if to_stdout and len(inputs) > 1:
        raise ValueError(
            f"{len(inputs)} recordings cannot share standard output; give "
            "one, or an output folder"
        )
    if jobs < 1:
        raise ValueError(f"--jobs is {jobs}; give 1 or more")
    chosen = vars(SeparationOptions()).keys() & vars(arguments).keys()
    options = SeparationOptions(
        **{name: getattr(arguments, name) for name in chosen},
        keep_rate=arguments.rate == "keep",
    )
    job = Job(
        arguments.model,
        own_device(arguments.device),
        arguments.trust,
        options,
        arguments.overwrite,
        to_stdout,
        bar=jobs == 1 and sys.stderr.isatty(),
    )
    # Once here, so that a wrong model or setting is an error of the command.
    loaded.cache_clear()
    model, _ = loaded(job.model, job.device, job.trust)
    options.check_speakers(model.hparams.num_spks)
    names = [recording.source for recording in inputs]
    if STANDARD in names:
        jobs = 1  # other processes have another standard input
    elif not any(map(os.path.lexists, names)):
        missing = [f"{shown(name)} does not exist" for name in names]
        raise ValueError("; ".join(errors + missing))
    rank, world_size = rank_and_world_size()
    errors = errors if rank == 0 else []
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
