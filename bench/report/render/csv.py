"""Records to CSV at full precision. Text is escaped here, so that no spreadsheet takes a name for a formula."""

import csv
import io

from bench.formats import printable
from bench.report.blocks import Data

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def to_csv(data: Data) -> str:
    """One record a line; a missing value is an empty field, whole numbers stay whole."""
    names = list(dict.fromkeys((*data.columns, *(name for record in data.records for name in record))))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(name) for name in names])
    writer.writerows([_cell(record.get(name)) for name in names] for record in data.records)
    return text.getvalue()


def _cell(value: object) -> object:
    """As it is, but text that begins like a formula gets an apostrophe in front, which spreadsheets hide."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = printable(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
