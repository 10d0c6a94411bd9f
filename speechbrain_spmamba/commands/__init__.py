"""The commands of ``spmamba``, one module and one function each.

The arguments of the function are those of the command, and its docstring is the
text of ``--help``. It returns the exit status or None. torch and speechbrain
take seconds to import: functions import them when they run, so that ``spmamba
--help`` need not wait.
"""
