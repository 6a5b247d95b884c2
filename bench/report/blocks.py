"""What a page is made of. A section yields blocks; `bench.report.render` turns them into HTML, markdown and CSV.

Every string in a block is plain text. Nothing is escaped here: each renderer escapes in one place, so that no name,
message or error of a record becomes markup.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench import formats

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True, slots=True)
class Code:
    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """`target` is a heading of the page ("#ranking") or a file of the report's folder: a page leads nowhere else."""

    text: str
    target: str


Inline = str | Code | Strong | Link


@dataclass(frozen=True, slots=True)
class Heading:
    """`anchor` makes it an entry of the contents where `level` is 2."""

    text: str
    level: int = 2
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    parts: tuple[Inline, ...]
    quiet: bool = False


def paragraph(*parts: Inline, quiet: bool = False) -> Paragraph:
    return Paragraph(parts, quiet)


@dataclass(frozen=True, slots=True)
class Items:
    """A list with a bullet each."""

    items: tuple[tuple[Inline, ...], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is what: pairs of a name and a value."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Text as it is, each line of a `sh` listing a command to copy."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """A cell that is drawn: a point with its 95 % interval, on the scale of its column. `also` is a second point
    below it; `text` stands under it on narrow screens, where there is no room for a column of its own."""

    value: float | None
    low: float | None = None
    high: float | None = None
    also: "Interval | None" = None
    clear: bool = True
    text: str = ""


@dataclass(frozen=True, slots=True)
class Dots:
    """A cell that is drawn: a dot a value, a bar at `mark`."""

    values: tuple[float, ...]
    mark: float | None = None


@dataclass(frozen=True, slots=True)
class Badged:
    """A cell of text with badges behind it."""

    text: str
    badges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shade:
    """A cell of a grid: text on a ground that is the darker the nearer `share` is to 1."""

    text: str
    share: float


Cell = Interval | Dots | Badged | Shade | str | float | int | None


@dataclass(frozen=True, slots=True)
class Column:
    """`key` names the value in each record; `show` makes its text, and numbers sort by their value. A column with a
    `group` can be hidden; `wide` columns are left out on narrow screens. `mark` is a value that the scale of drawn
    cells points out."""

    title: str
    key: str
    show: Callable[[object], str] | None = None
    number: bool = False
    group: str = ""
    wide: bool = False
    mark: float | None = None

    def text(self, record: Mapping[str, object]) -> str:
        """What a reader sees, as plain text."""
        value = record.get(self.key)
        if self.show is not None:
            return self.show(value)
        if value is None:
            return formats.MISSING
        if isinstance(value, Badged | Shade):
            return value.text
        return "" if isinstance(value, Interval | Dots) else str(value)

    def says_something(self, record: Mapping[str, object]) -> bool:
        value = record.get(self.key)
        if isinstance(value, Interval):
            return value.value is not None
        return isinstance(value, Dots) or self.text(record) not in ("", formats.MISSING)

    def size(self, record: Mapping[str, object]) -> str:
        """What a number sorts by, with fewer digits than two machines may differ in; '' for text."""
        value = record.get(self.key)
        if isinstance(value, Interval):
            value = value.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return ""
        return f"{formats.settled(float(value)):.6g}"


@dataclass(frozen=True, slots=True)
class Table:
    """`records` by key; a record may have keys without a column. `name` says to a screen reader what the table holds.
    A record whose "group" is that of a toggle can be hidden."""

    name: str
    columns: tuple[Column, ...]
    records: Sequence[Mapping[str, object]]
    toggles: tuple[tuple[str, str], ...] = ()

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns that say something: one without a value in any record is left out."""
        return tuple(column for column in self.columns if any(column.says_something(each) for each in self.records))


@dataclass(frozen=True, slots=True)
class Data:
    """Records at full precision: a file of tables/, which the page holds as a download. `columns` stand first."""

    file: str
    records: Sequence[Mapping[str, object]]
    columns: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, drawn when it is rendered; `photo` for pictures of pixels. `caption` says what to see in it. `titles`
    are shown for the artists with that id when a pointer is over them."""

    name: str
    title: str
    caption: str
    draw: Callable[[], "Drawing"]
    photo: bool = False
    titles: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """RGB uint8 [H, W, 3] with a line under it."""

    pixels: "np.ndarray"
    caption: str
    alternative: str


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Photographs in a row."""

    title: str
    caption: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    value: str
    label: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Banner:
    """A finding that changes a decision, in one line. `anchor` is where more of it stands."""

    text: str
    anchor: str = ""


Colour = Literal["good", "unsure", "bad", "none"]


@dataclass(frozen=True, slots=True)
class VerdictCard:
    """`badge` is the kind of answer in two or three words, `kind` its colour."""

    kind: Colour
    badge: str
    answer: str
    reasons: tuple[str, ...]
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do next, with its command."""

    title: str
    command: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class NextSteps:
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two blocks beside each other, below each other on a narrow screen."""

    left: VerdictCard
    right: NextSteps


@dataclass(frozen=True, slots=True, eq=False)
class Viewer:
    """Predictions beside each other; `data` is plain JSON (`bench.report.sections.predictions`)."""

    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Grid:
    """Groups of blocks, beside each other where there is room."""

    groups: "tuple[tuple[Block, ...], ...]"


@dataclass(frozen=True, slots=True)
class Folded:
    """Blocks that open on a click; `finding` is what they say, in one line."""

    title: str
    finding: str
    blocks: tuple["Block", ...]
    anchor: str = ""


Block = (
    Heading
    | Paragraph
    | Items
    | Facts
    | Listing
    | Table
    | Data
    | Figure
    | Strip
    | Banner
    | VerdictCard
    | NextSteps
    | Pair
    | Viewer
    | Grid
    | Folded
)


@dataclass(frozen=True, slots=True)
class Page:
    """A report: `blocks` make the page for browsers, `brief` the short one in markdown. `answer` is the verdict in
    one line, `facts` what the first line under the title says of the run."""

    title: str
    facts: str
    answer: str
    blocks: tuple[Block, ...]
    brief: tuple[Block, ...]
    summary: Mapping[str, object]


def walk(blocks: Sequence[Block]) -> "list[Block]":
    """Every block, those inside others included."""
    return [each for block in blocks for each in (block, *walk(_inside(block)))]


def _inside(block: Block) -> "Sequence[Block]":
    if isinstance(block, Folded):
        return block.blocks
    if isinstance(block, Pair):
        return (block.left, block.right)
    return [each for group in block.groups for each in group] if isinstance(block, Grid) else ()
