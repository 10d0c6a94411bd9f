"""The data sets: a module each, and one table that `spmamba prepare` reads.

A set is a function ``prepare``, whose arguments stand in one order: folders of
corpora, ``output_folder``, ``splits``, then all else. It writes a manifest a
split and returns them by split; its docstring is the text of ``--help``. A new
set is its module and a row in ``SETS``. Finished data, which only want
manifests, share ``finished.py``; sets that are made keep what they are made
with and of by ``provenance.py``, and work in ``workers.py``.
"""

from importlib import import_module
from typing import NamedTuple


class DataSet(NamedTuple):
    """What a name on the command line stands for.

    Arguments
    ---------
    module : str
        Where ``prepare`` is: a dotted name, or one relative to this package.
    fixed : dict
        Arguments that the name itself gives.
    made_for : str, optional
        Another such module: ``prepare`` makes the corpora, and hands all
        other arguments on to the ``prepare`` there.

    Example
    -------
    >>> [function.__module__[20:] for function in SETS["echoset"].functions]
    ['prepare.sets.released']
    """

    module: str
    fixed: dict = {}
    made_for: str | None = None

    @property
    def functions(self):
        """The function to call, and those that it hands arguments on to."""
        return [
            import_module(name, __name__).prepare
            for name in (self.module, self.made_for)
            if name
        ]


SETS = {
    "echo2mix": DataSet(".echo2mix"),
    "mixtures": DataSet(".mixtures"),
    "conversations": DataSet(".conversations"),
    "librimix": DataSet(".librimix"),
    "wham": DataSet(".wham"),
    "wsj0mix": DataSet(".wsj0mix"),
    "custom": DataSet(".custom"),
    "echo2mix-released": DataSet(".released", {"name": "echo2mix"}),
    "echoset": DataSet(".released", {"name": "echoset"}),
    "lrs2-2mix": DataSet(".released", {"name": "lrs2-2mix"}),
    "synthetic": DataSet("..made_up.synthetic", made_for=".mixtures"),
}
