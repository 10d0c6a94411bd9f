"""Published weights of other code bases, one module a system.

A module knows the published names of its system's weights:

SIGNATURE              how the name of some weight begins in every such file
NAMES                  arguments that the published code calls otherwise
convert(source)        weights under our names; nothing is computed
measure(source, given) -> told, assumed: our arguments as the shapes tell
                       them, and published values of those that no shape tells
"""
