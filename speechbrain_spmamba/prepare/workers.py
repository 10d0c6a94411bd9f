"""Much work over many processes or machines, interruptible, on a finite disk.

Work is handed out through joblib: to processes of this machine, or to a Dask
cluster by the address of its scheduler, whose workers see the same files
under the same paths and have this package installed. Each item stands for
itself, so that neither order nor number of processes matters.
"""

import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from joblib import Parallel, delayed, parallel_config
from tqdm import tqdm

SHARE = 2  # scenes a task: a second of work, so that all end together
SPARE = 64 * 2**20  # bytes that are left free for everything else


def run(
    work: Callable,
    items: list | range,
    jobs: int = 1,
    scheduler: str | None = None,
    label: str = "",
    share: int | None = None,
    each: Callable | None = None,
) -> list:
    """Does the same to every item, and shows how far it is.

    Arguments
    ---------
    work : callable
        Takes an item; must be importable, as its name is what is sent.
    items : list or range
        What is to be done; small, as it is sent.
    jobs : int
        Processes on this machine; -1 is one a core.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:8786``, to work there.
    label : str
        Shown at the progress bar.
    share : int, optional
        Items a task; more where ``work`` holds much, which is sent with each.
    each : callable, optional
        Gets each result as soon as it is there, in their order.

    Returns
    -------
    list
        Results in the order of items.

    Raises
    ------
    ValueError
        No Dask, no scheduler at this address, or no workers.

    Example
    -------
    >>> run(abs, [-1, 2, -3])
    [1, 2, 3]
    """
    share = share or SHARE
    shares = [items[i : i + share] for i in range(0, len(items), share)]
    if not shares:
        return []
    tasks = (delayed(_do_share)(work, share) for share in shares)
    results = []
    with (
        _workers(jobs, scheduler) as arguments,
        tqdm(total=len(items), desc=label, smoothing=0.05, disable=None) as bar,
    ):
        for made in Parallel(return_as="generator", **arguments)(tasks):
            results.extend(made)
            if each:
                for result in made:
                    each(result)
            bar.update(len(made))
    return results


def _do_share(work, share):
    return [work(item) for item in share]


@contextmanager
def _workers(jobs, scheduler):
    """Sets joblib's back end; gives the arguments of Parallel."""
    if scheduler is None:
        if jobs == 1:
            yield {"n_jobs": 1}
            return
        with parallel_config(backend="loky", inner_max_num_threads=1):
            yield {"n_jobs": jobs}
        return
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(
            f"scheduler is {scheduler} and Dask is not installed; "
            "pip install 'speechbrain_spmamba[cluster]'"
        ) from None
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, TimeoutError, ValueError) as error:
        raise ValueError(
            f"no Dask scheduler answers at {scheduler} "
            f"({type(error).__name__}); start one with `dask scheduler` and "
            "give its address"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=30)
        except TimeoutError:
            raise ValueError(
                f"the Dask scheduler {scheduler} has no workers; start some "
                f"with `dask worker {scheduler} --nthreads 1`"
            ) from None
        with parallel_config(backend="dask"):
            yield {}


def check_space(folder: str | Path, needed: int) -> None:
    """Says how much disk is needed, and no where there is less.

    Arguments
    ---------
    folder : str or Path
        Where files are to be written; need not exist.
    needed : int
        Bytes.

    Raises
    ------
    ValueError
        Not enough is free.
    """
    folder = Path(folder).absolute()
    exists = next(p for p in (folder, *folder.parents) if p.is_dir())
    free = shutil.disk_usage(exists).free
    print(f"{folder}: {size(needed)} to write, {size(free)} free", flush=True)
    if needed + SPARE > free:
        raise ValueError(
            f"{folder} needs {size(needed)} and {size(free)} are free there; "
            "choose another folder, fewer mixtures or format flac"
        )


def size(number: int) -> str:
    """Bytes for people.

    Arguments
    ---------
    number : int
        Bytes.

    Returns
    -------
    str
        With a decimal unit.

    Example
    -------
    >>> size(47_000_000_000), size(1500)
    ('47.0 GB', '1.5 kB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            break
        number, unit = number / 1000, "TB"
    else:
        return f"{number:.1f} TB"
    return f"{number:.0f} bytes" if unit == "bytes" else f"{number:.1f} {unit}"


def remove_leftovers(folder: str | Path) -> None:
    """Removes unfinished files of runs that were killed.

    Arguments
    ---------
    folder : str or Path
        Searched with all folders in it.
    """
    for path in Path(folder).rglob(".*.part"):
        path.unlink(missing_ok=True)
