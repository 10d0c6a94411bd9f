"""Published weights of other code bases, one module a layout.

A system may have several layouts: its network as one code base has it, or a
variant of another one. ``models/systems.py`` lists them. A module knows the
published names of its layout's weights:

SIGNATURE       how the name of some weight begins in every such file, and in
                files of no other layout
NAMES           arguments that the published code calls otherwise, and others
                that measure asks for
CHOICES         settings that are no numbers, where there are such: what they
                may be, and what that is among our arguments
OTHER_NETWORKS  classes of other networks with the same names, if there are

convert(weights)
    Moves each tensor of ``weights`` (``renaming.PublishedWeights``) under our
    name. Tensors are renamed, reshaped and stacked; nothing is computed.

measure(weights, given) -> told, assumed
    Our arguments: those that the shapes tell, and published values of those
    that no shape tells. ``given`` has what settings say, and the user; the
    weights stay where they are. Raises ValueError where both are of a network
    that is not known.
"""
