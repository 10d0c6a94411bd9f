"""A grid path with a pair of Mambas as a function of an ONNX file.

The form is the folded one of `nnet.folding`, in ONNX's own operators, a block
of rows at a time, as `nnet.folded_forward` does it: what all rows need at once
would be gigabytes of a minute of sound. The loop over time is ONNX's ``Scan``,
exact for any length. Two loops are nested:

    over blocks of rows     norm, windows, in-projection; both directions;
                            out-projection, overlap-add
    over time               state = exp(step A) state + step u B;  y = C state

A file has the function once and calls it for every path, as
``spmamba.GridPath``. Around both paths of a block stands ``spmamba.GridPaths``,
which makes the map as long as windows want it and cuts it back: of lengths that
are only known when it runs, torch's exporter knows too little.

From `deploy.grid`; to `deploy.onnx_file`, which adds both to the file.
"""

from speechbrain_spmamba.nnet.folding import Direction, FoldedWeights

DOMAIN, PATH, PATHS = "spmamba", "GridPath", "GridPaths"
HEAD = f'<domain: "{DOMAIN}", opset_import: ["" : 20, "{DOMAIN}" : 1]>'
# Values of a block in its widest tensors, which then stay in a CPU's cache. Of
# long rows two go together all the same, or a step would be all overhead.
VALUES, ROWS = 2**20, 2


def path_inputs():
    """Names of the function's inputs: the rows, then ``path_tensors``."""
    shared = FoldedWeights._fields[:6]
    return [
        "x",
        *shared,
        *(f"f_{name}" for name in Direction._fields),
        *(f"b_{name}" for name in Direction._fields),
    ]


def path_tensors(weights):
    """Folded weights as the function takes them.

    Arguments
    ---------
    weights : FoldedWeights
        Of a path.

    Returns
    -------
    list of torch.Tensor
        In the order of ``path_inputs``: matrices to multiply with from the
        right, taps and states on the first axis.
    """

    def of(direction):
        matrices = ("conv_weight", "x_proj", "dt_weight", "A")
        return direction._replace(
            **{name: getattr(direction, name).t() for name in matrices}
        )

    turned = weights._replace(
        in_proj=weights.in_proj.t(),
        forward=of(weights.forward),
        backward=of(weights.backward),
    )
    return [tensor.detach().contiguous() for tensor in turned.tensors()]


def paths_function(block):
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
    tensors = path_inputs()[1:]
    intra, inter = ([f"{p}_{name}" for name in tensors] for p in "it")
    return f"""
{HEAD}
{PATHS} (x, {", ".join(intra + inter)}) => (y) {{
    one = Constant <value_ints = [1]> () {_ints("none", 0)}
    {_ints("size", block.intra.emb_ks)} {_ints("hop", block.intra.emb_hs)}
    {_ints("edge", block.border)} {_ints("edges", 2 * block.border)}
    batch = Shape <start = 0, end = 1> (x)
    channels = Shape <start = 3, end = 4> (x)
    frames = Shape <start = 1, end = 2> (x)
    bins = Shape <start = 2, end = 3> (x)
    {_fitted("frames")}
    {_fitted("bins")}
    pads = Concat <axis = 0>
        (none, edge, edge, none, none, frames_behind, bins_behind, none)
    padded = Pad (x, pads)
    {_ints("all", -1)}
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
    {_ints("axes", 1, 2)}
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


def path_function(path):
    """A path along the second axis of ``[N, Q, C]``.

    Arguments
    ---------
    path : MambaPath
        Whose sizes it has; those of all paths of a model are the same.

    Returns
    -------
    str
        For ``onnx.parser.parse_function``.
    """
    size, hop = path.emb_ks, path.emb_hs
    mamba = path.mixer.forward_branch.mamba
    inner, states = mamba.A_log.shape
    taps = mamba.conv1d.weight.shape[-1]
    sizes = mamba.dt_rank, states, states
    return f"""
{HEAD}
{PATH} ({", ".join(path_inputs())}) => (y) {{
    one = Constant <value_ints = [1]> ()
    rows = Shape <start = 0, end = 1> (x)
    inside = Shape <start = 1, end = 3> (x)
    positions = Shape <start = 1, end = 2> (x)
    {_ints("size", size)} {_ints("hop", hop)}
    spare = Sub (positions, size)
    hops = Div (spare, hop)
    windows = Add (hops, one)
    {_ints("most", VALUES // (4 * inner))} {_ints("least", ROWS)}
    fitting = Div (most, windows)
    wanted = Max (fitting, least)
    {_ceil("blocks", "rows", "wanted")}
    {_ceil("block", "rows", "blocks")}
    filled = Mul (blocks, block)
    missing = Sub (filled, rows)
    {_ints("none", 0)} {_ints("nothing", 0, 0, 0)} {_ints("still", 0, 0)}
    pads = Concat <axis = 0> (nothing, missing, still)
    padded = Pad (x, pads)
    parted = Concat <axis = 0> (blocks, block, inside)
    parts = Reshape (padded, parted)
    done = Scan <num_scan_inputs = 1, body = block_of_rows
        (float[R, Q, C] rows_in) => (float[R, Q, C] rows_out) {{
        {_block(path, inner, taps, sizes)}
        }}> (parts)
    {_ints("all", -1)}
    joined = Concat <axis = 0> (all, inside)
    together = Reshape (done, joined)
    y = Slice (together, none, rows, none)
}}
"""


def _block(path, inner, taps, sizes):
    """Body of the loop over blocks of rows: all of a path."""
    size, hop = path.emb_ks, path.emb_hs
    rms_eps = path.mixer.forward_branch.norm.eps
    return f"""
    normed = LayerNormalization <axis = -1, epsilon = {path.norm.eps}>
        (rows_in, norm_weight, norm_bias)
    {_take_windows(size, hop)}
    squares = Mul (taken, taken)
    {_ints("last", -1)}
    energy = ReduceMean (squares, last)
    rms_eps = Constant <value_float = {rms_eps}> ()
    level = Add (energy, rms_eps)
    root = Sqrt (level)
    unit = Div (taken, root)
    xz = MatMul (unit, in_proj)
    {_ints("quarters", inner, inner, inner, inner)}
    f_x, f_z, b_x, b_z = Split <axis = -1> (xz, quarters)
    {_direction("f", taps, sizes, reverse=0)}
    {_direction("b", taps, sizes, reverse=1)}
    y_both = Concat <axis = -1> (f_y, b_y)
    mapped = MatMul (y_both, out_proj)
    passed = MatMul (taken, residual)
    given = Add (mapped, passed)
    {_add_windows(size, hop)}
    biased = Add (rows_in, bias)
    rows_out = Add (biased, added)
    """


def _take_windows(size, hop):
    """``taken`` [R, L, K C]: windows by tap, then channel."""
    taps, text = [], f"{_ints('axis', 1)} {_ints('step', hop)}"
    for tap in range(size):
        # to the last window's tap; a negative end counts from behind
        end = 2**31 - 1 if tap == size - 1 else tap + 1 - size
        text += f"""
    {_ints(f"start_{tap}", tap)} {_ints(f"end_{tap}", end)}
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
    {_ints("same", 0, 0)} {_ints("size_", size)}
    shape_4 = Concat <axis = 0> (same, size_, channels)
    given_4 = Reshape (given, shape_4)
    {_ints("fill", 0, 0, 0, 0, 0, 0, extra, 0)}
    filled_4 = Pad (given_4, fill) {_ints("axis_2", 2)}"""
    names = []
    for index in range(stretches):
        before, behind = index, stretches - 1 - index
        text += f"""
    {_ints(f"from_{index}", index * hop)}
    {_ints(f"to_{index}", (index + 1) * hop)}
    part_{index} = Slice (filled_4, from_{index}, to_{index}, axis_2)
    {_ints(f"around_{index}", 0, before, 0, 0, 0, behind, 0, 0)}
    moved_{index} = Pad (part_{index}, around_{index})"""
        names.append(f"moved_{index}")
    return f"""{text}
    sum_4 = Sum ({", ".join(names)})
    {_ints("first", 0)} {_ints("rest", -1)}
    shape_3 = Concat <axis = 0> (first, rest, channels)
    sum_3 = Reshape (sum_4, shape_3)
    reach = Shape <start = 1, end = 2> (rows_in)
    added = Slice (sum_3, first, reach, axis)"""


def _direction(d, taps, sizes, reverse):
    """What stands between the projections of a Mamba: from x and z to y."""
    return f"""
    {_convolve(d, taps, reverse)}
    {d}_gate = Sigmoid ({d}_conv)
    {d}_u = Mul ({d}_conv, {d}_gate)
    {d}_mixed = MatMul ({d}_u, {d}_x_proj)
    {_ints(f"{d}_sizes", *sizes)}
    {d}_dt, {d}_B, {d}_C = Split <axis = -1> ({d}_mixed, {d}_sizes)
    {d}_low = MatMul ({d}_dt, {d}_dt_weight)
    {d}_raw = Add ({d}_low, {d}_dt_bias)
    {_softplus(f"{d}_step", f"{d}_raw")}
    {d}_drive = Mul ({d}_step, {d}_u)
    {d}_row = Shape <start = 0, end = 1> ({d}_u)
    {d}_state_size = Shape ({d}_A)
    {d}_state_shape = Concat <axis = 0> ({d}_row, {d}_state_size)
    {d}_zeros = ConstantOfShape ({d}_state_shape)
    {_ints(f"{d}_axis_2", 2)} {_ints(f"{d}_axis_3", 3)}
    {d}_step_4 = Unsqueeze ({d}_step, {d}_axis_2)
    {d}_drive_4 = Unsqueeze ({d}_drive, {d}_axis_2)
    {d}_B_4 = Unsqueeze ({d}_B, {d}_axis_3)
    {d}_C_4 = Unsqueeze ({d}_C, {d}_axis_2)
    {d}_last, {d}_y_4 = Scan <num_scan_inputs = 4,
        scan_input_axes = [1, 1, 1, 1], scan_output_axes = [1],
        scan_input_directions = [{reverse}, {reverse}, {reverse}, {reverse}],
        scan_output_directions = [{reverse}],
        body = {d}_time (float[R, N, D] {d}_before, float[R, 1, D] {d}_step_t,
            float[R, 1, D] {d}_drive_t, float[R, N, 1] {d}_B_t,
            float[R, 1, N] {d}_C_t)
            => (float[R, N, D] {d}_after, float[R, 1, D] {d}_y_t) {{
            {d}_exponent = Mul ({d}_step_t, {d}_A)
            {d}_decay = Exp ({d}_exponent)
            {d}_kept = Mul ({d}_decay, {d}_before)
            {d}_new = Mul ({d}_B_t, {d}_drive_t)
            {d}_after = Add ({d}_kept, {d}_new)
            {d}_y_t = MatMul ({d}_C_t, {d}_after)
        }}> ({d}_zeros, {d}_step_4, {d}_drive_4, {d}_B_4, {d}_C_4)
    {d}_states = Squeeze ({d}_y_4, {d}_axis_2)
    {d}_skip = Mul ({d}_u, {d}_D)
    {d}_sum = Add ({d}_states, {d}_skip)
    {d}_z_gate = Sigmoid ({d}_z)
    {d}_silu = Mul ({d}_z, {d}_z_gate)
    {d}_y = Mul ({d}_sum, {d}_silu)"""


def _convolve(d, taps, reverse):
    """The causal convolution of x before its silu, a tap at a time."""
    past = taps - 1
    around = (0, 0, 0, 0, past, 0) if reverse else (0, past, 0, 0, 0, 0)
    names = ", ".join(f"{d}_tap_{tap}" for tap in range(taps))
    text = f"""
    {_ints(f"{d}_around", *around)} {_ints(f"{d}_time_axis", 1)}
    {d}_long = Pad ({d}_x, {d}_around)
    {names} = Split <axis = 0, num_outputs = {taps}> ({d}_conv_weight)"""
    for tap in range(taps):
        start = past - tap if reverse else tap
        end = 2**31 - 1 if start == past else start - past
        text += f"""
    {_ints(f"{d}_begin_{tap}", start)} {_ints(f"{d}_stop_{tap}", end)}
    {d}_moved_{tap} = Slice
        ({d}_long, {d}_begin_{tap}, {d}_stop_{tap}, {d}_time_axis)
    {d}_times_{tap} = Mul ({d}_moved_{tap}, {d}_tap_{tap})"""
    terms = ", ".join(f"{d}_times_{tap}" for tap in range(taps))
    return f"{text}\n    {d}_conv = Sum ({terms}, {d}_conv_bias)"


def _softplus(name, x):
    """``max(x, 0) + log1p(exp(-|x|))``.

    ONNX Runtime's own takes six times as long and is off where its result is
    small: log(1 + e) forgets what 1 + e has rounded away. With w = 1 + e as
    rounded, log(w) e / (w - 1) does not (Kahan).
    """
    return f"""
    {name}_abs = Abs ({x})
    {name}_neg = Neg ({name}_abs)
    {name}_e = Exp ({name}_neg)
    {name}_unit = Constant <value_float = 1.0> ()
    {name}_tiny = Constant <value_float = 1e-9> ()
    {name}_w = Add ({name}_e, {name}_unit)
    {name}_log = Log ({name}_w)
    {name}_rest = Sub ({name}_w, {name}_unit)
    {name}_safe = Add ({name}_rest, {name}_tiny)
    {name}_right = Div ({name}_e, {name}_safe)
    {name}_log1p = Mul ({name}_log, {name}_right)
    {name}_relu = Relu ({x})
    {name} = Add ({name}_relu, {name}_log1p)"""


def _ceil(name, what, by):
    """``name = ceil(what / by)`` of positive integers."""
    return f"""
    {name}_less = Sub ({what}, one)
    {name}_full = Div ({name}_less, {by})
    {name} = Add ({name}_full, one)"""


def _ints(name, *values):
    """A constant vector of integers."""
    return (
        f"{name} = Constant <value_ints = [{', '.join(map(str, values))}]> ()"
    )
