"""A training step of a fixed size as CUDA graphs, one launch for thousands.

The host launches a kernel in microseconds, thousands of them a step, whatever
their size: a small model, or a short crop, waits for the host and not for the
GPU. What the first batch launches is recorded, once, and played back for every
further batch of its shape.

On an H200 a step of a small model in bfloat16 has been recorded and played. Up
to the first tensor that missed the bound of that day, its gradients were within
a tenth of bfloat16's rounding of the step's own; those after it were not
compared. How much time it saves is not measured.

From `training.brain`; to torch's graphs.
"""

import torch
from torch.func import functional_call


class GraphedForward:
    """A separator whose passes, forward and backward, are recorded.

    Gradients of one playing lie where the next will write: none may be summed
    over several batches.

    Arguments
    ---------
    separator : torch.nn.Module
        ``[B, T] -> [B, T, S]``; what it launches depends on shapes alone.

    Example
    -------
    >>> graphed = GraphedForward(torch.nn.Identity())
    >>> graphed.shape is None
    True
    """

    def __init__(self, separator: torch.nn.Module) -> None:
        self.separator = separator
        self.play, self.shape = None, None

    def __call__(self, mix):
        """Separates a batch; the first decides which shape is recorded.

        Arguments
        ---------
        mix : torch.Tensor
            On a GPU, shape ``[B, T]``. A batch of another shape, such as the
            last of an epoch, is computed as it would be without graphs.

        Returns
        -------
        torch.Tensor
            Estimates, shape ``[B, T, S]``; the next call overwrites them.

        Raises
        ------
        ValueError
            The first batch could not be recorded.
        """
        if self.play is None:
            self.play, self.shape = self._record(mix), mix.shape
        if mix.shape != self.shape:
            return self.separator(mix)
        return self.play(mix, *self._parameters()[1])

    def _record(self, mix):
        """Runs the passes a few times, then records them."""
        names, parameters = self._parameters()

        def passes(mix, *parameters):
            given = dict(zip(names, parameters, strict=True))
            return functional_call(self.separator, given, (mix,))

        # Parameters of their own, in the same memory. Those of the separator
        # are tied to the stream of a step before, for as long as somebody keeps
        # its loss or estimates, and such a stream cannot be recorded.
        own = [p.detach().requires_grad_(p.requires_grad) for p in parameters]
        # What is cast once and kept would be missing when it is played.
        kept = torch.is_autocast_cache_enabled()
        torch.set_autocast_cache_enabled(False)
        try:
            return torch.cuda.make_graphed_callables(
                passes, (mix.clone(), *own)
            )
        except RuntimeError as error:
            # Of several, the first; what a recording that was broken off leaves
            # of streams and memory is nothing to go on with.
            what = str(error.__context__ or error).partition("\n")[0]
            raise ValueError(
                f"the step cannot be recorded as a CUDA graph ({what}); give "
                "--cuda_graph False"
            ) from error
        finally:
            torch.set_autocast_cache_enabled(kept)

    def _parameters(self):
        """Names and parameters of the separator."""
        found = dict(self.separator.named_parameters())
        return list(found), list(found.values())


def check_cuda_graph(
    device: str, distributed: bool, accumulation: int, compiled: bool = False
) -> None:
    """Says no to a CUDA graph that could not be, or would add up wrongly.

    Arguments
    ---------
    device : str
        Type of the device.
    distributed : bool
        Whether several processes train together.
    accumulation : int
        Batches whose gradients are added up for one step.
    compiled : bool
        Whether the separator is compiled: what is recorded is not.

    Raises
    ------
    ValueError
        No GPU, several processes, gradients that are added up, or a compiled
        separator.

    Example
    -------
    >>> check_cuda_graph("cuda", False, 1)
    >>> check_cuda_graph("cpu", False, 1)
    Traceback (most recent call last):
        ...
    ValueError: cuda_graph is True, but training runs on cpu; ...
    """
    if device != "cuda":
        raise ValueError(
            f"cuda_graph is True, but training runs on {device}; give --device "
            "cuda, or --cuda_graph False"
        )
    if distributed:
        raise ValueError(
            "cuda_graph is True, but several processes train together; give "
            "--cuda_graph False"
        )
    if accumulation > 1:
        raise ValueError(
            f"cuda_graph is True, but grad_accumulation_factor is "
            f"{accumulation}; give --cuda_graph False, or a larger batch_size "
            "in the place of the factor"
        )
    if compiled:
        raise ValueError(
            "cuda_graph is True, but --compile or --jit is given; give one of "
            "them"
        )
