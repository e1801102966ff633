"""The console's tables: every cell and every note is there, and numbers are written with what they are worth."""

import pytest
from rich.console import Console

from core.evaluate import statistics
from core.evaluate.tables import Column, mean_and_deviation, percent, show


def test_a_table_holds_its_rows(capsys):
    columns = (Column[int]("name", lambda i: f"row-{i}", whole=True), Column[int]("square", lambda i: str(i * i)))
    show("Squares", columns, [3, 12], "All of them.", Console(width=60))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "Squares"
    assert [line.split()[1:4:2] for line in lines if "row-" in line] == [["row-3", "9"], ["row-12", "144"]]
    assert lines[-1] == "All of them."


def test_names_are_not_broken(capsys):
    columns = (Column[str]("name", str, whole=True), Column[str]("other", lambda name: "word " * 20))
    show("", columns, ["mnist-c4-mmc-fgsm"], console=Console(width=40))
    assert "mnist-c4-mmc-fgsm" in capsys.readouterr().out


def test_shares_are_written_with_their_interval():
    assert percent(statistics.wilson(4, 200)) == "2.0 % (0.8 to 5.0)"
    assert percent(statistics.wilson(0, 200), 2) == "0.00 % (0.00 to 1.88)"


@pytest.mark.parametrize(("values", "told"), [(None, "-"), ((0.5, None), "500.0"), ((0.5, 0.25), "500.0 ± 250.0")])
def test_means_are_written_with_their_deviation(values, told):
    assert mean_and_deviation(values, ".1f", 1e3) == told
