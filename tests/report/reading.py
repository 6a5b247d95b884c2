"""What a page says, read from its blocks."""

from collections.abc import Iterable, Mapping

from bench.report.blocks import (
    Banner,
    Block,
    Data,
    Facts,
    Figure,
    Folded,
    Items,
    Listing,
    Paragraph,
    Strip,
    Table,
    VerdictCard,
    walk,
)


def table(blocks: Iterable[Block], name: str) -> Table:
    return next(block for block in walk(list(blocks)) if isinstance(block, Table) and block.name == name)


def row(of: Table, label: str) -> Mapping[str, object]:
    """The record whose first text is `label`."""
    return next(
        record for record in of.records if any(getattr(value, "text", value) == label for value in record.values())
    )


def cells(of: Table, label: str) -> list[str]:
    """What a reader sees in that row."""
    return [column.text(row(of, label)) for column in of.columns]


def data(blocks: Iterable[Block], file: str) -> Data:
    return next(block for block in walk(list(blocks)) if isinstance(block, Data) and block.file == file)


def said(blocks: Iterable[Block]) -> str:
    """Every sentence, one a line."""
    return "\n".join(line for block in walk(list(blocks)) for line in _lines(block))


def _lines(block: Block) -> list[str]:
    match block:
        case Paragraph():
            return ["".join(getattr(part, "text", part) for part in block.parts)]
        case Items():
            return ["".join(getattr(part, "text", part) for part in item) for item in block.items]
        case Facts():
            return [f"{name}: {value}" for name, value in block.pairs]
        case Folded():
            return [f"{block.title}: {block.finding}"]
        case VerdictCard():
            return [
                block.badge,
                block.answer,
                *block.reasons,
                *(f"{tile.value} {tile.label} {tile.detail}" for tile in block.tiles),
            ]
        case Banner() | Listing():
            return [block.text]
        case Figure() | Strip():
            return [block.caption]
        case _:
            return []
