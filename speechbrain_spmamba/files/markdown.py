"""Tables and numbers of reports in Markdown."""


def markdown_table(
    head: list[str], rows: list[list], text_columns: int = 1
) -> str:
    """A table.

    Arguments
    ---------
    head : list of str
        Titles.
    rows : list of list
        Cells.
    text_columns : int
        The first of them hold text, the others numbers, to the right.

    Returns
    -------
    str
        Its lines.

    Example
    -------
    >>> print(markdown_table(["a", "b"], [["x", 1]]))
    | a | b |
    |---|--:|
    | x | 1 |
    """
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in [head, *rows]]
    rule = "---|" * text_columns + "--:|" * (len(head) - text_columns)
    return "\n".join([lines[0], f"|{rule}", *lines[1:]])


def number(value: float | None, unit: float = 1.0, form: str = "#.3g") -> str:
    """A number as text, a dash if there is none.

    Arguments
    ---------
    value : float or None
        The number.
    unit : float
        What it is divided by.
    form : str
        How it is written.

    Returns
    -------
    str
        The text.

    Example
    -------
    >>> number(6141826, 1e6, ".2f"), number(None)
    ('6.14', '-')
    """
    # "#" keeps zeros at the end, and a point behind whole numbers.
    return "-" if value is None else f"{value / unit:{form}}".rstrip(".")
