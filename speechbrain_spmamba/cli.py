"""The command ``spmamba``: prepare, evaluate, export, separate."""

import argparse
import functools
import json
import logging
import sys

logger = logging.getLogger(__name__)


def one_line_errors(main):
    """Turns errors that a user can cause into one line and exit status 2.

    The whole traceback goes to the log of the run, where there is one.

    Arguments
    ---------
    main : callable
        Program; a ValueError or OSError in it ends the process.

    Returns
    -------
    callable
        The program with its errors caught.

    Example
    -------
    >>> def main():
    ...     raise ValueError("x.wav does not exist")
    >>> one_line_errors(main)()
    Traceback (most recent call last):
        ...
    SystemExit: 2
    """

    @functools.wraps(main)
    def wrapper(*args, **kwargs):
        try:
            return main(*args, **kwargs)
        except (ValueError, OSError) as error:
            logger.debug("stopped by an error", exc_info=True)
            print(f"error: {_last_line(error)}", file=sys.stderr)
            sys.exit(2)

    return wrapper


def _last_line(error):
    """The message; of an error from a loader's worker, its own message."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    message = lines[-1] if lines else type(error).__name__
    return message.removeprefix("ValueError: ")


@one_line_errors
def main(argv=None):
    """Runs the command line.

    Arguments
    ---------
    argv : list of str, optional
        Arguments; by default those of the process.
    """
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    sys.exit(arguments.run(arguments))


def _parser():
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="spmamba", description="Speech separation with SPMamba."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name, run, text):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    prepare = add("prepare", _prepare, "Make mixtures and their manifests.")
    prepare.add_argument(
        "what",
        metavar="WHAT",
        help="data set (echo2mix, librimix, wham, wsj0mix, echo2mix-released, "
        "echoset, lrs2-2mix, custom, mixtures, synthetic), or YAML file of an "
        "experiment, or inspect",
    )
    prepare.add_argument(
        "words",
        metavar="...",
        nargs=argparse.REMAINDER,
        help="OUT --key value for a set (`spmamba prepare SET --help`), "
        "--key value for an experiment, DIR for a look",
    )

    evaluate = add("evaluate", _evaluate, "Score a model on a test set.")
    evaluate.add_argument("model", help="model folder, see `spmamba export`")
    evaluate.add_argument("manifest", help="CSV file of the test set")
    evaluate.add_argument(
        "-o", "--output", required=True, help="results folder"
    )
    evaluate.add_argument(
        "--data_root", required=True, help="what $data_root means in it"
    )
    evaluate.add_argument("--examples", type=int, default=0, metavar="N")
    evaluate.add_argument("--device", help="cpu, cuda, cuda:1, mps ...")

    export = add("export", _export, "Make a model folder of a training run.")
    export.add_argument("results", help="output folder of train.py")
    export.add_argument("output", help="the model folder")

    separate = add("separate", _separate, "Separate audio files.")
    separate.add_argument("files", nargs="+", help="mixtures")
    separate.add_argument("-o", "--output", required=True, help="output folder")
    separate.add_argument("-m", "--model", required=True, help="model folder")
    separate.add_argument(
        "--subtype",
        choices=["PCM_16", "PCM_24", "PCM_32", "FLOAT"],
        help="sample format; by default that of the input",
    )
    separate.add_argument("--device", help="cpu, cuda, cuda:1, mps ...")
    return parser


# torch and speechbrain take seconds to import: `spmamba --help` need not wait.


def _prepare(arguments):
    from speechbrain_spmamba.prepare.command import run

    run(arguments.what, arguments.words)


def _evaluate(arguments):
    from tqdm import tqdm

    from speechbrain_spmamba.evaluate import Evaluation
    from speechbrain_spmamba.loader import make_dataset
    from speechbrain_spmamba.loss import pairwise_neg_si_snr, pit

    model = _load_model(arguments)
    rate = model.hparams.sample_rate
    items = make_dataset(
        arguments.manifest, arguments.data_root, rate, model.hparams.num_spks
    )
    evaluation = Evaluation(arguments.output, rate, arguments.examples)
    for item in tqdm(items, desc="evaluating"):
        mix, src = item["mix_sig"].unsqueeze(0), item["src_sig"].unsqueeze(0)
        est = model.separate_batch(mix).cpu()
        _, order = pit(pairwise_neg_si_snr, est, src)
        evaluation.add([item["id"]], mix, est, src, order)
    summary = evaluation.finish()
    print(json.dumps(summary, indent=2))


def _export(arguments):
    from speechbrain_spmamba.export import export

    print(export(arguments.results, arguments.output))


def _separate(arguments):
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
    model = _load_model(arguments)
    failed = 0
    for file in arguments.files:
        try:
            est = model.separate_file(file, arguments.output, arguments.subtype)
        except (ValueError, OSError) as error:
            print(f"error: {_last_line(error)}", file=sys.stderr)
            failed = 2
            continue
        for path in output_paths(file, arguments.output, est.shape[1]):
            print(path)
    return failed


def _load_model(arguments):
    """The model of a command with --device."""
    from speechbrain_spmamba.inference import WaveformSeparation

    run_opts = {"device": arguments.device} if arguments.device else None
    return WaveformSeparation.from_hparams(arguments.model, run_opts=run_opts)


if __name__ == "__main__":
    main()
