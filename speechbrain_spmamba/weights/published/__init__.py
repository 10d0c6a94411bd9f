"""Published weights of other code bases, one module a layout.

A system may have several layouts: its network as one code base has it, or a
variant of another one. ``network.SYSTEMS`` lists them. A module knows the
published names of its layout's weights:

SIGNATURE              how the name of some weight begins in every such file,
                       and in files of no other layout
NAMES                  arguments that the published code calls otherwise, and
                       others that measure asks for
WORDS                  settings that are no numbers, where there are such: what
                       they may be, and what that is among our arguments
convert(source)        weights under our names; nothing is computed
measure(source, given) -> told, assumed: our arguments as the shapes tell
                       them, and published values of those that no shape tells
"""
