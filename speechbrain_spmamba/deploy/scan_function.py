"""The selective scan as a function of an ONNX file.

The loop over time is ONNX's ``Scan``: exact for any length, since nothing is
divided by a product of decays. The other exact form, which doubles the length
of its steps within chunks, does more work and takes longer in ONNX Runtime.

From `deploy.path_function` and `deploy.step`, which have it in their functions.
"""

DOMAIN, SCAN = "spmamba", "SelectiveScan"
HEAD = f'<domain: "{DOMAIN}", opset_import: ["" : 20, "{DOMAIN}" : 1]>'
SCAN_INPUTS = "s_u s_z s_x_proj s_dt_weight s_dt_bias s_A s_D s_state".split()


def scan_function(sizes: tuple[int, ...]) -> str:
    """A scan that goes on from a state: to y and the last state.

    Arguments
    ---------
    sizes : tuple of int
        Rank of dt, states, states.

    Returns
    -------
    str
        For ``onnx.parser.parse_function``; its inputs are ``SCAN_INPUTS``, u
        and z ``[N, L, D]``, matrices turned as by ``mamba_mixer.tensors``, the
        state ``[N, states, D]``.
    """
    return f"""
{HEAD}
{SCAN} ({", ".join(SCAN_INPUTS)}) => (s_y, s_last) {{
    {scan_text("s", sizes, reverse=0)}
}}
"""


def scan_text(d, sizes, reverse):
    """From u and z to y, of names that begin with ``d``.

    The outer axes are N sequences and L steps, D channels are contiguous.
    """
    return f"""
    {d}_mixed = MatMul ({d}_u, {d}_x_proj)
    {ints(f"{d}_sizes", *sizes)}
    {d}_dt, {d}_B, {d}_C = Split <axis = -1> ({d}_mixed, {d}_sizes)
    {d}_low = MatMul ({d}_dt, {d}_dt_weight)
    {d}_raw = Add ({d}_low, {d}_dt_bias)
    {_softplus(f"{d}_step", f"{d}_raw")}
    {d}_drive = Mul ({d}_step, {d}_u)
    {ints(f"{d}_axis_2", 2)} {ints(f"{d}_axis_3", 3)}
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
        }}> ({d}_state, {d}_step_4, {d}_drive_4, {d}_B_4, {d}_C_4)
    {d}_states = Squeeze ({d}_y_4, {d}_axis_2)
    {d}_skip = Mul ({d}_u, {d}_D)
    {d}_sum = Add ({d}_states, {d}_skip)
    {d}_z_gate = Sigmoid ({d}_z)
    {d}_silu = Mul ({d}_z, {d}_z_gate)
    {d}_y = Mul ({d}_sum, {d}_silu)"""


def _softplus(name, x):
    """``max(x, 0) + log1p(exp(-|x|))``.

    ONNX Runtime's own takes longer and is off where its result is small:
    log(1 + e) forgets what 1 + e has rounded away. With w = 1 + e as
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


def ceil(name, what, by):
    """``name = ceil(what / by)`` of positive integers."""
    return f"""
    {name}_less = Sub ({what}, one)
    {name}_full = Div ({name}_less, {by})
    {name} = Add ({name}_full, one)"""


def ints(name, *values):
    """A constant vector of integers."""
    return (
        f"{name} = Constant <value_ints = [{', '.join(map(str, values))}]> ()"
    )
