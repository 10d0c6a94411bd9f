"""Tables keep text to the left and numbers to the right."""

from speechbrain_spmamba.files.markdown import markdown_table, number


def test_columns_of_text_come_before_those_of_numbers():
    table = markdown_table(["a", "b", "n"], [["x", "y", 1]], text_columns=2)
    assert table.splitlines()[1:] == ["|---|---|--:|", "| x | y | 1 |"]


def test_a_table_without_rows_keeps_its_head():
    assert markdown_table(["a", "n"], []) == "| a | n |\n|---|--:|"


def test_whole_numbers_end_without_a_point():
    assert number(2e9, 1e7) == "200" and number(0.25) == "0.250"
