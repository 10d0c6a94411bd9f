"""``spmamba separate``: the voices of recordings of any length.

The paths of what was written go to standard output, a line of report for each
recording to standard error. With ``--output -`` standard output gets the sound
itself. Exit status: 0, 1 if a recording could not be separated, 2 if nothing
could begin.
"""

import os
import sys

from speechbrain_spmamba.commands.device import add_device
from speechbrain_spmamba.commands.trust import add_trust, trusted

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
    parser.add_argument(
        "--window", type=float, help="seconds separated at once (10)"
    )
    parser.add_argument(
        "--overlap", type=float, help="seconds that windows share (2)"
    )
    parser.add_argument(
        "--batch", type=int, help="windows separated together (1; 4 on a GPU)"
    )
    parser.add_argument(
        "--format", choices=["wav", "flac"], default="wav", help="of outputs"
    )
    parser.add_argument(
        "--subtype",
        choices=["PCM_16", "PCM_24", "PCM_32", "FLOAT"],
        help="sample format; by default that of the input",
    )
    parser.add_argument(
        "--rate",
        choices=["keep", "model"],
        default="keep",
        help="sample rate of the outputs: of the input, or of the model",
    )
    parser.add_argument(
        "--channel",
        type=int,
        help="channel that is separated, from 1; by default the mean of all",
    )
    parser.add_argument(
        "--speakers", type=int, help="write only so many, the most active ones"
    )
    parser.add_argument(
        "--mixture-consistent",
        action="store_true",
        help="make the outputs sum to the mixture",
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="files separated side by side"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace what is there"
    )
    add_device(parser)
    add_trust(parser)


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
        rank_and_size,
        worst_of_all,
    )
    from speechbrain_spmamba.commands.jobs import loaded, separate_one
    from speechbrain_spmamba.commands.targets import STANDARD, find_targets
    from speechbrain_spmamba.files.names import shown
    from speechbrain_spmamba.recordings.separation import check_speakers

    targets, errors = find_targets(arguments.files, arguments.output)
    if arguments.output == "-" and len(targets) > 1:
        raise ValueError(
            f"{len(targets)} recordings cannot share standard output; give "
            "one, or an output folder"
        )
    jobs = arguments.jobs
    if jobs < 1:
        raise ValueError(f"--jobs is {jobs}; give 1 or more")
    if STANDARD in arguments.files:
        jobs = 1  # other processes have another standard input
    names = [target.source for target in targets]
    nothing = STANDARD not in names and not any(map(os.path.lexists, names))
    rank, size = rank_and_size()
    targets, errors = targets[rank::size], errors if rank == 0 else []
    settings = _settings(arguments)
    # Once here, so that a wrong model or setting is an error of the command.
    loaded.cache_clear()
    model, _ = loaded(settings.model, settings.device, settings.trust)
    check_speakers(model.hparams.num_spks, settings.speakers)
    _check(settings, model.hparams.sample_rate)
    if nothing:
        missing = [f"{shown(name)} does not exist" for name in names]
        raise ValueError("; ".join(errors + missing))
    for line in errors:
        print(f"error: {line}", file=sys.stderr)
    failed = bool(errors)
    work = Parallel(n_jobs=jobs, return_as="generator")
    for done, line, paths in work(
        delayed(separate_one)(target, settings) for target in targets
    ):
        failed |= not done
        print(line, file=sys.stderr)
        _print_paths(paths)
    return worst_of_all(int(failed))


def _settings(arguments):
    """The options of the command line, in one value."""
    from speechbrain_spmamba.commands.distributed import own_device
    from speechbrain_spmamba.commands.jobs import Settings

    options = {
        "window": arguments.window,
        "overlap": arguments.overlap,
        "mixture_consistent": arguments.mixture_consistent,
        "channel": arguments.channel,
    }
    options = {k: v for k, v in options.items() if v is not None}
    return Settings(
        model=arguments.model,
        device=own_device(arguments.device),
        kind=arguments.format,
        subtype=arguments.subtype,
        keep_rate=arguments.rate == "keep",
        speakers=arguments.speakers,
        overwrite=arguments.overwrite,
        bar=arguments.jobs == 1 and sys.stderr.isatty(),
        batch=arguments.batch,
        to_stdout=arguments.output == "-",
        options=tuple(sorted(options.items())),
        trust=trusted(arguments),
    )


def _check(settings, rate):
    """Raises ValueError for settings that no recording could have."""
    from speechbrain_spmamba.recordings.channels import Mixdown
    from speechbrain_spmamba.recordings.pending import check_format
    from speechbrain_spmamba.recordings.streams import (
        OVERLAP,
        WINDOW,
        window_samples,
    )

    options = dict(settings.options)
    window_samples(
        options.get("window", WINDOW), options.get("overlap", OVERLAP), rate
    )
    if settings.subtype is not None:
        check_format(settings.kind, settings.subtype, rate, 1)
    Mixdown(options.get("channel"))
    if settings.batch is not None and settings.batch < 1:
        raise ValueError(f"--batch is {settings.batch}; give 1 or more")


def _print_paths(paths):
    """Prints paths as bytes: names need not be valid text."""
    for path in paths:
        sys.stdout.buffer.write(os.fsencode(path) + os.linesep.encode())
    sys.stdout.buffer.flush()
