"""Small tables of numbers, to be printed."""


def text_table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines with columns as wide as they must be, all to the right.

    Arguments
    ---------
    head : list of str
        Titles.
    rows : list of list of str
        Cells.

    Returns
    -------
    list of str
        Lines, two spaces in.

    Example
    -------
    >>> for line in text_table(["talkers", "dB"], [["1", "-3.05"], ["2", "-"]]):
    ...     print(line)
      talkers     dB
            1  -3.05
            2      -
    """
    rows = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "".join(
            f"  {cell:>{width}}"
            for cell, width in zip(row, widths, strict=True)
        )
        for row in rows
    ]
