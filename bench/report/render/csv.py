"""Records to CSV at full precision. Text is escaped here, so that no spreadsheet takes a name for a formula."""

import csv
import io

from bench.formats import csv_cell
from bench.report.blocks import Data


def to_csv(data: Data) -> str:
    """One record a line; a missing value is an empty field, whole numbers stay whole."""
    names = list(dict.fromkeys((*data.columns, *(name for record in data.records for name in record))))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([csv_cell(name) for name in names])
    writer.writerows([csv_cell(record.get(name)) for name in names] for record in data.records)
    return text.getvalue()
