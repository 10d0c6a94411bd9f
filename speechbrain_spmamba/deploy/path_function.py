"""A path of the grid, and both of a block, as functions of an ONNX file.

A path works in ONNX's own operators, a block of rows at a time, as
`nnet.folded_forward` does it: what all rows need at once would be gigabytes of
a minute of sound. A file has the function once and calls it for every path, as
``spmamba.GridPath``; a runtime that does not know functions inlines it.

    over blocks of rows     norm, windows, mixer, overlap-add
      over time             the scan of `deploy.scan_function`, or an LSTM

Around both paths of a block stands ``spmamba.GridPaths``, which makes the map
as long as windows want it and cuts it back: of lengths that are only known when
it runs, torch's exporter knows too little.

From `deploy.grid` and `deploy.step`; to `deploy.mamba_mixer` and
`deploy.lstm_mixer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbrain_spmamba.deploy import lstm_mixer, mamba_mixer
from speechbrain_spmamba.deploy.scan_function import DOMAIN, HEAD, ceil, ints
from speechbrain_spmamba.nnet.mamba_path import MambaPath

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.grid_block import GridBlock, GridPath


PATH, PATHS = "GridPath", "GridPaths"
ROWS = 2  # of a block at least, or a step would be all overhead


def mixer_of(path):
    """The module that has the text and the tensors of a path's mixer."""
    return mamba_mixer if isinstance(path, MambaPath) else lstm_mixer


def path_function(path: GridPath) -> str:
    """A path along the second axis of ``[N, Q, C]``.

    Arguments
    ---------
    path : GridPath
        Whose sizes it has; those of all paths of a model are the same.

    Returns
    -------
    str
        For ``onnx.parser.parse_function``.
    """
    size, hop = path.emb_ks, path.emb_hs
    mixer = mixer_of(path)
    return f"""
{HEAD}
{PATH} (x, {", ".join(mixer.INPUTS)}) => (y) {{
    one = Constant <value_ints = [1]> ()
    rows = Shape <start = 0, end = 1> (x)
    inside = Shape <start = 1, end = 3> (x)
    positions = Shape <start = 1, end = 2> (x)
    {ints("size", size)} {ints("hop", hop)}
    spare = Sub (positions, size)
    hops = Div (spare, hop)
    windows = Add (hops, one)
    {ints("most", mixer.windows_of_block(path))} {ints("least", ROWS)}
    fitting = Div (most, windows)
    wanted = Max (fitting, least)
    {ceil("blocks", "rows", "wanted")}
    {ceil("block", "rows", "blocks")}
    filled = Mul (blocks, block)
    missing = Sub (filled, rows)
    {ints("none", 0)} {ints("nothing", 0, 0, 0)} {ints("still", 0, 0)}
    pads = Concat <axis = 0> (nothing, missing, still)
    padded = Pad (x, pads)
    parted = Concat <axis = 0> (blocks, block, inside)
    parts = Reshape (padded, parted)
    done = Scan <num_scan_inputs = 1, body = block_of_rows
        (float[R, Q, C] rows_in) => (float[R, Q, C] rows_out) {{
        normed = LayerNormalization <axis = -1, epsilon = {path.norm.eps}>
            (rows_in, norm_weight, norm_bias)
        {_take_windows(size, hop)}
        {mixer.text(path)}
        {_add_windows(size, hop)}
        biased = Add (rows_in, bias)
        rows_out = Add (biased, added)
        }}> (parts)
    {ints("all", -1)}
    joined = Concat <axis = 0> (all, inside)
    together = Reshape (done, joined)
    y = Slice (together, none, rows, none)
}}
"""


def paths_function(block: GridBlock) -> str:
    """Both paths of a block, along frequency and along time.

    Arguments
    ---------
    block : GridBlock
        Whose sizes it has; those of all blocks of a model are the same.

    Returns
    -------
    str
        For ``onnx.parser.parse_function``.
    """
    tensors = mixer_of(block.intra).INPUTS
    intra, inter = ([f"{p}_{name}" for name in tensors] for p in "it")
    return f"""
{HEAD}
{PATHS} (x, {", ".join(intra + inter)}) => (y) {{
    one = Constant <value_ints = [1]> () {ints("none", 0)}
    {ints("size", block.intra.emb_ks)} {ints("hop", block.intra.emb_hs)}
    {ints("edge", block.border)} {ints("edges", 2 * block.border)}
    batch = Shape <start = 0, end = 1> (x)
    channels = Shape <start = 3, end = 4> (x)
    frames = Shape <start = 1, end = 2> (x)
    bins = Shape <start = 2, end = 3> (x)
    {_fitted("frames")}
    {_fitted("bins")}
    pads = Concat <axis = 0>
        (none, edge, edge, none, none, frames_behind, bins_behind, none)
    padded = Pad (x, pads)
    {ints("all", -1)}
    i_shape = Concat <axis = 0> (all, bins_fitted, channels)
    i_rows = Reshape (padded, i_shape)
    i_done = {DOMAIN}.{PATH} (i_rows, {", ".join(intra)})
    map_shape = Concat <axis = 0> (batch, frames_fitted, bins_fitted, channels)
    i_map = Reshape (i_done, map_shape)
    turned = Transpose <perm = [0, 2, 1, 3]> (i_map)
    t_shape = Concat <axis = 0> (all, frames_fitted, channels)
    t_rows = Reshape (turned, t_shape)
    t_done = {DOMAIN}.{PATH} (t_rows, {", ".join(inter)})
    back_shape = Concat <axis = 0> (batch, bins_fitted, frames_fitted, channels)
    t_map = Reshape (t_done, back_shape)
    long = Transpose <perm = [0, 2, 1, 3]> (t_map)
    starts = Concat <axis = 0> (edge, edge)
    frames_end = Add (edge, frames)
    bins_end = Add (edge, bins)
    ends = Concat <axis = 0> (frames_end, bins_end)
    {ints("axes", 1, 2)}
    y = Slice (long, starts, ends, axes)
}}
"""


def _fitted(name):
    """``ops.windows.fitted_length`` of a length, and zeros behind it."""
    return f"""
    {name}_wide = Add ({name}, edges)
    {name}_over = Sub ({name}_wide, size)
    {name}_missing = Max ({name}_over, none)
    {name}_up = Add ({name}_missing, hop)
    {name}_less = Sub ({name}_up, one)
    {name}_hops = Div ({name}_less, hop)
    {name}_more = Mul ({name}_hops, hop)
    {name}_fitted = Add (size, {name}_more)
    {name}_rest = Sub ({name}_fitted, {name})
    {name}_behind = Sub ({name}_rest, edge)"""


def _take_windows(size, hop):
    """``taken`` [R, L, K C]: windows by tap, then channel."""
    taps, text = [], f"{ints('axis', 1)} {ints('step', hop)}"
    for tap in range(size):
        # to the last window's tap; a negative end counts from behind
        end = 2**31 - 1 if tap == size - 1 else tap + 1 - size
        text += f"""
    {ints(f"start_{tap}", tap)} {ints(f"end_{tap}", end)}
    tap_{tap} = Slice (normed, start_{tap}, end_{tap}, axis, step)"""
        taps.append(f"tap_{tap}")
    return f"{text}\n    taken = Concat <axis = -1> ({', '.join(taps)})"


def _add_windows(size, hop):
    """``added`` [R, Q, C]: the overlap-add of ``given`` [R, L, K C].

    A window spans stretches of ``hop`` positions: of all windows at once the
    first stretches are added, then the second ones.
    """
    stretches = -(-size // hop)
    extra = stretches * hop - size
    text = f"""
    channels = Shape (bias)
    {ints("same", 0, 0)} {ints("size_", size)}
    shape_4 = Concat <axis = 0> (same, size_, channels)
    given_4 = Reshape (given, shape_4)
    {ints("fill", 0, 0, 0, 0, 0, 0, extra, 0)}
    filled_4 = Pad (given_4, fill) {ints("axis_2", 2)}"""
    names = []
    for index in range(stretches):
        before, behind = index, stretches - 1 - index
        text += f"""
    {ints(f"from_{index}", index * hop)}
    {ints(f"to_{index}", (index + 1) * hop)}
    part_{index} = Slice (filled_4, from_{index}, to_{index}, axis_2)
    {ints(f"around_{index}", 0, before, 0, 0, 0, behind, 0, 0)}
    moved_{index} = Pad (part_{index}, around_{index})"""
        names.append(f"moved_{index}")
    return f"""{text}
    sum_4 = Sum ({", ".join(names)})
    {ints("first", 0)} {ints("rest", -1)}
    shape_3 = Concat <axis = 0> (first, rest, channels)
    sum_3 = Reshape (sum_4, shape_3)
    reach = Shape <start = 1, end = 2> (rows_in)
    added = Slice (sum_3, first, reach, axis)"""
