"""The commands of ``spmamba``, one module each.

A module has ``HELP`` (one sentence), ``add_arguments(parser)`` and
``run(arguments)``, which returns the exit status or None. torch and
speechbrain take seconds to import: they are imported by ``run``, so that
``spmamba --help`` need not wait.
"""
