"""``spmamba separate``: the voices of audio files."""

import sys

from speechbrain_spmamba.commands.device import add_device, load_model

HELP = "Separate audio files."


def add_arguments(parser):
    """Declares the options.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of this command.
    """
    parser.add_argument("files", nargs="+", help="mixtures")
    parser.add_argument("-o", "--output", required=True, help="output folder")
    parser.add_argument("-m", "--model", required=True, help="model folder")
    parser.add_argument(
        "--subtype",
        choices=["PCM_16", "PCM_24", "PCM_32", "FLOAT"],
        help="sample format; by default that of the input",
    )
    add_device(parser)


def run(arguments):
    """Carries the command out.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.

    Returns
    -------
    int
        0, or 2 if a file could not be separated.
    """
    from speechbrain_spmamba.cli import last_line
    from speechbrain_spmamba.inference import output_paths

    targets = {}
    for file in arguments.files:
        target = output_paths(file, arguments.output, 1)[0]
        if target in targets:
            raise ValueError(
                f"{file} and {targets[target]} would both become {target}; "
                "separate them into different folders"
            )
        targets[target] = file
    model = load_model(arguments.model, arguments.device)
    failed = 0
    for file in arguments.files:
        try:
            est = model.separate_file(file, arguments.output, arguments.subtype)
        except (ValueError, OSError) as error:
            print(f"error: {last_line(error)}", file=sys.stderr)
            failed = 2
            continue
        for path in output_paths(file, arguments.output, est.shape[1]):
            print(path)
    return failed
