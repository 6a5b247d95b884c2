"""Blocks to files: `html` for browsers, `markdown` for repositories, `csv` for spreadsheets. Each escapes what it
writes, in one place."""
