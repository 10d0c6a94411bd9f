"""The network of published weights: which system, and its arguments.

Names may have something before them: "audio_model." (look2hear's Lightning
files), "module." (distributed training), "separator." (ESPnet).
"""

from speechbrain_spmamba.published import (
    afrcnn,
    bsrnn,
    conv_tasnet,
    dprnn,
    spmamba,
    sudormrf,
    tdanet,
    tf_gridnet,
)

# Each with SIGNATURE, NAMES, convert and measure, see the package.
SYSTEMS = {
    "spmamba": spmamba,
    "tf_gridnet": tf_gridnet,
    "bsrnn": bsrnn,
    "tdanet": tdanet,
    "afrcnn": afrcnn,
    "sudormrf": sudormrf,
    "conv_tasnet": conv_tasnet,
    "dprnn": dprnn,
}
# Where a flattened setting of the network may stand, among settings of all
# else: an optimizer has an eps, too.
OF_NETWORKS = ("net", "model", "separator", "arch")
OF_DATA = ("data",)  # which have a rate, too


def find_network(weights, system=None, prefix=None):
    """The system that weights belong to, and what stands before their names.

    Arguments
    ---------
    weights : dict
        Name -> tensor.
    system : str, optional
        The system that is expected.
    prefix : str, optional
        What stands before the names, if the file has several networks.

    Returns
    -------
    str
        A key of ``SYSTEMS``.
    dict
        The weights of that network under their published names.

    Raises
    ------
    ValueError
        No known network, another one, or several.

    Example
    -------
    >>> import torch
    >>> weights = {"audio_model.sm.0.proj_1x1.conv.bias": torch.zeros(1)}
    >>> find_network(weights)
    ('sudormrf', {'sm.0.proj_1x1.conv.bias': tensor([0.])})
    """
    found = {
        (name, key[: key.index(module.SIGNATURE)])
        for name, module in SYSTEMS.items()
        for key in weights
        if key.startswith(module.SIGNATURE) or f".{module.SIGNATURE}" in key
    }
    if prefix is not None:
        found = {(name, start) for name, start in found if start == prefix}
    fitting = sorted(x for x in found if system in (None, x[0]))
    if not fitting:
        names = ", ".join(sorted({name for name, _ in found}))
        what = f"weights of {names}" if names else "no network that is known"
        raise ValueError(
            f"the file has {what}; expected {system or ', '.join(SYSTEMS)}; "
            f"its names begin with {', '.join(list(weights)[:2])}"
        )
    if len(fitting) > 1:
        starts = " and ".join(f"'{start}'" for _, start in fitting)
        raise ValueError(
            f"the file has {len(fitting)} networks, their names begin with "
            f"{starts}; choose with --prefix"
        )
    name, start = fitting[0]
    return name, {
        key.removeprefix(start): tensor.detach()
        for key, tensor in weights.items()
        if key.startswith(start)
    }


def find_arguments(settings, names):
    """Arguments of a network among settings of any depth.

    Arguments
    ---------
    settings : dict
        E.g. "model_args", "hyper_parameters", or a YAML file of the run;
        what is nested may also be flattened with "_".
    names : dict
        Published name -> ours.

    Returns
    -------
    dict
        Our name -> number.

    Example
    -------
    >>> settings = {"audionet": {"audionet_config": {"stride": 64}}, "eps": 1}
    >>> find_arguments(settings, {"stride": "hop_length", "n_fft": "n_fft"})
    {'hop_length': 64}
    """
    numbers = dict(_flatten(settings))
    found = {}
    for published, ours in names.items():
        keys = [
            key
            for key in numbers
            if key == published
            or key.endswith(f"_{published}")
            and any(
                word in key.removesuffix(published)
                for word in (*OF_NETWORKS, *OF_DATA * (ours == "sample_rate"))
            )
        ]
        if keys and ours not in found:
            found[ours] = numbers[min(keys, key=len)]
    return found


def _flatten(tree, path=""):
    """Pairs of "a_b_c" and the number that is there."""
    for key, value in tree.items():
        name = f"{path}{key}"
        if isinstance(value, dict):
            yield from _flatten(value, f"{name}_")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield name, value
