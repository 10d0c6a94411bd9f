"""What every model does with its input wave: check it, level it, measure it.

Shared so that all models keep the same promises: clear errors, silence in
gives silence out, and padding that is never looked at.

From every `forward` in `models`, before anything else, and back to it.
"""

import torch


def take_mixture(
    module: torch.nn.Module,
    mix: torch.Tensor,
    lengths: torch.Tensor | None,
    dtype: torch.dtype,
    num_mics: int = 1,
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """What every model does first: checks, and zeros behind each item's end.

    Arguments
    ---------
    module : torch.nn.Module
        The model that asks.
    mix : torch.Tensor
        ``[B, T]``, or ``[B, T, M]`` for M microphones.
    lengths : torch.Tensor or None
        Relative lengths in (0, 1], shape ``[B]``.
    dtype : torch.dtype
        Of the model's weights.
    num_mics : int
        Microphones that the model was built for.

    Returns
    -------
    mix : torch.Tensor
        Shape ``[B, T, M]``.
    count : torch.Tensor or None
        Samples of each item, shape ``[B]``; None without lengths.
    valid : torch.Tensor or None
        Boolean, shape ``[B, T, 1]``; None without lengths.

    Raises
    ------
    ValueError
        See ``check_mixture`` and ``count_samples``.

    Example
    -------
    >>> mix, lengths = torch.ones(2, 4), torch.tensor([1.0, 0.5])
    >>> model = torch.nn.Identity()
    >>> mix, count, valid = take_mixture(model, mix, lengths, torch.float32)
    >>> mix[..., 0].tolist()
    [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]]
    """
    values = may_read_values(module, mix)
    mix = check_mixture(mix, num_mics, values).to(dtype)
    if lengths is None:
        return mix, None, None
    count = count_samples(lengths.to(mix.device), mix.shape[1], values)
    valid = valid_mask(count, mix.shape[1]).unsqueeze(-1)
    return mix * valid, count, valid


def check_mixture(
    mix: torch.Tensor, num_mics: int = 1, values: bool = True
) -> torch.Tensor:
    """Brings a mixture to ``[B, T, M]`` or says what is wrong with it.

    Arguments
    ---------
    mix, num_mics
        See ``take_mixture``.
    values : bool
        Whether to look at the samples, see ``may_read_values``.

    Returns
    -------
    torch.Tensor
        Shape ``[B, T, M]``.

    Raises
    ------
    ValueError
        Wrong number of axes or microphones, no samples, or a sample that is
        not finite (the message names the first such item).

    Example
    -------
    >>> check_mixture(torch.zeros(2, 100)).shape
    torch.Size([2, 100, 1])
    """
    if mix.dim() == 2:
        mix = mix.unsqueeze(-1)
    if mix.dim() != 3 or mix.shape[-1] != num_mics:
        wanted = "[B, T]" if num_mics == 1 else f"[B, T, {num_mics}]"
        raise ValueError(
            f"mixture has shape {list(mix.shape)}; expected {wanted}: "
            f"batch, samples{', microphones' if num_mics > 1 else ''}"
        )
    if mix.numel() == 0:
        raise ValueError(
            f"mixture has shape {list(mix.shape)}: give at least one sample"
        )
    finite = torch.isfinite(mix).flatten(1).all(dim=1) if values else None
    if values and not finite.all():
        item = int((~finite).nonzero()[0])
        raise ValueError(
            f"item {item} of the batch has NaN or infinite samples; "
            "repair or leave out that recording"
        )
    return mix


def may_read_values(module: torch.nn.Module, tensor: torch.Tensor) -> bool:
    """Whether a check may read values, which waits for an accelerator.

    In training there the host has to stay ahead of the device, and what is
    read has been checked by the loader. Everywhere else checks are free. A
    program made by ``torch.export`` or ``torch.compile`` has none: it would
    have to branch on what its input holds.

    Arguments
    ---------
    module : torch.nn.Module
        The model that asks.
    tensor : torch.Tensor
        Its input.

    Returns
    -------
    bool
        False in training on an accelerator, and while torch compiles.

    Example
    -------
    >>> may_read_values(torch.nn.Identity(), torch.ones(1))
    True
    """
    if torch.compiler.is_compiling():  # also while it exports
        return False
    return tensor.device.type == "cpu" or not module.training


def count_samples(
    lengths: torch.Tensor, samples: int, values: bool = True
) -> torch.Tensor:
    """Relative lengths to numbers of samples.

    Arguments
    ---------
    lengths : torch.Tensor
        Relative lengths in (0, 1], shape ``[B]``, as SpeechBrain's batches
        carry them.
    samples : int
        Samples of the padded batch.
    values : bool
        Whether to check the lengths, see ``may_read_values``.

    Returns
    -------
    torch.Tensor
        Integers, shape ``[B]``.

    Raises
    ------
    ValueError
        A length outside (0, 1].

    Example
    -------
    >>> count_samples(torch.tensor([1.0, 0.5]), 100)
    tensor([100,  50])
    """
    # float64, because a float32 ratio of long recordings is a sample off.
    count = (lengths.double() * samples).round().long()
    if values and ((count < 1).any() or (count > samples).any()):
        raise ValueError(
            f"lengths are {lengths.tolist()}; expected relative lengths in "
            f"(0, 1] that leave at least one of {samples} samples"
        )
    return count


def valid_mask(count: torch.Tensor, size: int) -> torch.Tensor:
    """Mask of the first ``count`` of ``size`` places of each item.

    Arguments
    ---------
    count : torch.Tensor
        Integers, shape ``[B]``.
    size : int
        Number of places.

    Returns
    -------
    torch.Tensor
        Boolean, shape ``[B, size]``.

    Example
    -------
    >>> valid_mask(torch.tensor([2, 3]), 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """
    return torch.arange(size, device=count.device) < count.unsqueeze(-1)


def level(
    mix: torch.Tensor, num_samples: torch.Tensor | None = None
) -> torch.Tensor:
    """Standard deviation of each item, by which models normalise.

    Where it is zero or undefined although there is a signal (a constant, one
    sample), the root mean square takes its place.

    Arguments
    ---------
    mix : torch.Tensor
        Shape ``[B, T, M]``, zero behind each item's end.
    num_samples : torch.Tensor, optional
        Valid samples of each item, shape ``[B]``.

    Returns
    -------
    torch.Tensor
        Shape ``[B, 1, 1]``; zero only for digital silence.

    Example
    -------
    >>> level(torch.full((1, 8, 1), 0.5)).item()
    0.5
    """
    batch, samples, mics = mix.shape
    if num_samples is None:
        num_samples = torch.full((batch,), samples, device=mix.device)
    valid = valid_mask(num_samples, samples).unsqueeze(-1)
    count = (num_samples * mics).view(-1, 1, 1).to(mix.dtype)
    # Squares of a very quiet item would underflow in float32.
    peak = mix.abs().amax((1, 2), keepdim=True)
    unit = mix / torch.where(peak > 0, peak, 1.0)
    mean = unit.sum((1, 2), keepdim=True) / count
    var = ((unit - mean) * valid).square().sum((1, 2), keepdim=True)
    std = (var / (count - 1).clamp_min(1)).sqrt()
    rms = (unit.square().sum((1, 2), keepdim=True) / count).sqrt()
    return torch.where(std > 1e-5 * rms, std, rms) * peak
