"""``spmamba evaluate``: scores of a model folder on a test set."""

from speechbrain_spmamba.commands.device import add_device, load_model
from speechbrain_spmamba.commands.trust import add_trust

HELP = "Score a model on a test set."


def add_arguments(parser):
    """Declares the options.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        Of this command.
    """
    parser.add_argument("model", help="model folder, see `spmamba export`")
    parser.add_argument("manifest", help="CSV file of the test set")
    parser.add_argument("-o", "--output", required=True, help="results folder")
    parser.add_argument(
        "--data_root", required=True, help="what $data_root means in it"
    )
    parser.add_argument("--examples", type=int, default=0, metavar="N")
    add_device(parser)
    add_trust(parser)


def run(arguments):
    """Carries the command out.

    Arguments
    ---------
    arguments : argparse.Namespace
        The options.
    """
    from functools import partial
    from pathlib import Path

    from tqdm import tqdm

    from speechbrain_spmamba.files.checksums import file_sum
    from speechbrain_spmamba.files.names import shown
    from speechbrain_spmamba.loading.loader import make_dataset
    from speechbrain_spmamba.scoring.evaluate import Evaluation, summary_lines
    from speechbrain_spmamba.scoring.loss import (
        pairwise_neg_si_snr_or_level,
        pit,
    )
    from speechbrain_spmamba.weights.model_folder import WEIGHTS_FILE

    model = load_model(arguments.model, arguments.device, arguments.trust)
    rate = model.hparams.sample_rate
    items = make_dataset(
        arguments.manifest, arguments.data_root, rate, model.hparams.num_spks
    )
    evaluation = Evaluation(arguments.output, rate, arguments.examples)
    for item in tqdm(items, desc="evaluating", disable=None):
        mix, src = item["mix_sig"].unsqueeze(0), item["src_sig"].unsqueeze(0)
        try:
            est = model.separate_batch(mix).cpu()
        except ValueError as error:
            raise ValueError(f"'{shown(item['id'])}': {error}") from None
        pairwise = partial(pairwise_neg_si_snr_or_level, mix=mix)
        _, order = pit(pairwise, est, src)
        evaluation.add([item["id"]], mix, est, src, order)
    weights = Path(arguments.model) / WEIGHTS_FILE
    tested = {"name": arguments.model}  # of the Hub, or a folder
    if weights.is_file():
        tested["sha256"] = file_sum(weights)
    print("\n".join(summary_lines(evaluation.finish(tested))))
    print(f"  scores: {evaluation.folder}")
