"""`score`: whether a name may be taken, and what the ranking says of it then."""

from collections.abc import Iterator

from bench import formats
from bench.analysis.external import RankedTool
from bench.analysis.final_evaluation import Finals, finals
from bench.errors import DataError, StoreError
from bench.evaluation.statistics import Interval
from bench.formats import plural
from bench.records import ExternalRecord, Run

_LONGEST = 80


def require_name(run: Run, name: str, *, force: bool) -> None:
    """Raises DataError for a run without a ranking or a name that is none, StoreError for a name that was scored
    before, unless `force`."""
    if not isinstance(held := finals(run), Finals):
        raise DataError(f"run {run.record.name} has no ranking to be put into: {held.reason}")
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST:
        raise DataError(f"--as {name!r} is no name; choose 1 to {_LONGEST} letters, digits, signs and blanks")
    if name in {each.label for each in held.ranking}:
        raise DataError(f"--as {name!r} is a candidate of run {run.record.name} itself; choose another name")
    before = [record for record in run.external if record.name == name]
    if before and not force:
        raise StoreError(
            f"{name!r} was scored in run {run.record.name} at {before[-1].scored_at} (masks in {before[-1].folder}); "
            "give --force to let the new masks take its place, or choose another --as"
        )


def added_lines(run: Run, record: ExternalRecord) -> Iterator[str]:
    """What is on record now, and where that stands in the ranking."""
    if len(earlier := [each for each in run.external if each.name == record.name]) > 1:
        yield f"in place of the masks in {earlier[-2].folder}, scored at {earlier[-2].scored_at}; both stay on record"
    held = finals(run)
    assert isinstance(held, Finals)  # the run had a ranking before
    standing = next(each for each in held.external.ranking if each.label == record.name)
    yield f"{record.name}: {_out_of_fold(standing, held)}"
    if record.test:
        yield (
            f"held-out test set: IoU {_with(standing.test, standing.test_interval)} on "
            f"{plural(len(record.test), 'image')}"
        )
    else:
        yield "held-out test set: not given, so not counted"


def _out_of_fold(standing: RankedTool, held: Finals) -> str:
    if not standing.images:
        return "no fold given, so nothing is counted out of fold and it has no rank"
    said = f"IoU {_with(standing.score, standing.interval)} out of fold on {standing.images} of {held.scored} images"
    if standing.leader_ahead is not None:
        ahead = standing.leader_ahead
        said += (
            f"; the leading candidate, {held.ranking[0].label}, minus it: "
            f"{formats.signed_within(ahead.value, ahead.interval.low, ahead.interval.high)}"
        )
    if standing.rank is not None:
        return f"{said}; rank {standing.rank}"
    return (
        f"{said}; without a rank, since "
        f"{'it cannot be compared with the candidates' if standing.whole else 'folds are missing'}"
    )


def _with(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return formats.rounded(value)
    return formats.within(value, interval.low, interval.high)
