"""``spmamba evaluate``: scores of a model folder on a test set."""

from speechbrain_spmamba.commands.options import Device, Output, Trust, Whole


def evaluate(
    model: str,
    manifest: str,
    /,
    *,
    output: Output,
    data_root: str,
    examples: Whole = 0,
    whole: bool = False,
    diarization: bool = False,
    metrics: str = "[si_snr, sdr, sir, sar]",
    device: Device = None,
    trust: Trust = False,
) -> None:
    """Score a model on a test set: of all, by number of talkers, over time.

    Arguments
    ---------
    model : str
        Model folder, see `spmamba export`, a model of the package, see
        `spmamba models`, or of the Hugging Face Hub.
    manifest : str
        CSV file of the test set. It may have fewer sources than the model
        has outputs, which should then be silent.
    output : str
        Results folder.
    data_root : str
        What $data_root means in the manifest.
    examples : int
        Mixtures whose estimates are written, too.
    whole : bool
        Separate each mixture at once. Without, one that is longer than a
        window is separated in windows, as `spmamba separate` does.
    diarization : bool
        Also score who speaks when: the diarization error rate.
    metrics : str
        Of si_snr, sdr, sir, sar, pesq, stoi, estoi and dnsmos, see
        docs/scores.md.
    device, trust
        See ``commands.options``.
    """
    from functools import partial

    from tqdm import tqdm

    from speechbrain_spmamba.commands.model import load_model
    from speechbrain_spmamba.files.checksums import file_sum
    from speechbrain_spmamba.files.names import shown
    from speechbrain_spmamba.loading.loader import make_dataset
    from speechbrain_spmamba.scoring.choice import (
        check_metrics,
        read_metrics,
    )
    from speechbrain_spmamba.scoring.evaluate import Evaluation, summary_lines
    from speechbrain_spmamba.scoring.loss import pit
    from speechbrain_spmamba.scoring.silence import (
        pairwise_neg_si_snr_or_level,
    )
    from speechbrain_spmamba.weights.model_folder import find_weights

    metrics = read_metrics(metrics)
    separator = load_model(model, device, trust)
    sample_rate = separator.hparams.sample_rate
    check_metrics(metrics, sample_rate)
    items = make_dataset(manifest, data_root, sample_rate)
    evaluation = Evaluation(output, sample_rate, examples, diarization, metrics)
    for item in tqdm(items, desc="evaluating", disable=None):
        mix, src = item["mix_sig"].unsqueeze(0), item["src_sig"].unsqueeze(0)
        src = _with_silence(src, separator.hparams.num_spks, manifest)
        try:
            est = _separate(separator, mix, whole)
        except ValueError as error:
            raise ValueError(f"'{shown(item['id'])}': {error}") from None
        pairwise = partial(pairwise_neg_si_snr_or_level, mix=mix)
        _, order = pit(pairwise, est, src)
        evaluation.add([item["id"]], mix, est, src, order)
    weights = find_weights(model)
    tested = {"name": model}
    if weights:  # none of a model of the Hub
        tested["sha256"] = file_sum(weights)
    print("\n".join(summary_lines(evaluation.finish(tested))))
    print(f"  scores: {evaluation.folder}")


def _with_silence(src, outputs, manifest):
    """References ``[1, T, S]`` with a silent one for each further output."""
    import torch.nn.functional as F

    sources = src.shape[2]
    if sources > outputs:
        raise ValueError(
            f"manifest {manifest} has {sources} sources a mixture, the model "
            f"separates {outputs}; use other data or another model"
        )
    return F.pad(src, (0, outputs - sources))


def _separate(separator, mix, whole):
    """Estimates ``[1, T, S]`` of a mixture, see ``evaluate``."""
    from speechbrain_spmamba.recordings.options import SeparationOptions

    rate = separator.hparams.sample_rate
    options = SeparationOptions().for_model(separator.hparams)
    window, _ = options.window_samples(rate)
    # Recordings are mixed down to one channel; all of several are asked for.
    if whole or mix.dim() > 2 or mix.shape[1] <= window:
        return separator.separate_batch(mix).cpu()
    return separator.separate_array(mix[0], rate).unsqueeze(0)
