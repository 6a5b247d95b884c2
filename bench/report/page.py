"""A run to the sections of its page, in order. Figures and tables are written beside it as the page comes to them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from bench import formats
from bench.analysis import fold_search as race
from bench.analysis.design import MIN_LEVEL
from bench.analysis.effects import Effects, effects
from bench.analysis.factors import compare
from bench.analysis.final_evaluation import Finals, NoFinals, finals
from bench.analysis.leaderboard import (
    Row,
    counted,
    leaderboard,
    ranked,
    references,
)
from bench.analysis.series import Missing
from bench.records import COMPLETED, Run, configuration_key
from bench.report import data_curve, markdown, rungs, tables, tuners, verdict
from bench.report import finals_section as standings
from bench.report.data_section import data_section
from bench.report.plots import IMPORTANCE_PLOT, SCORE_PLOTS, left_out, shown
from bench.report.trust import trust_box
from bench.report.verdict import Verdict, judge


def compose(run: Run, directory: Path) -> tuple[str, str]:
    """Writes every figure and table under `directory` and returns the page that links to them, and its verdict in one line."""
    rows, held = leaderboard(run), finals(run)
    searched = judge(run, rows)
    answer, *said = _answers(held, searched)
    (directory / "figures").mkdir()
    (directory / "tables").mkdir()
    sections = (
        [f"# {markdown.text(run.record.name)}", f"**{markdown.text(answer)}**"],
        ["\n".join(f"- {markdown.text(line)}" for line in (*_state(run), *said))],
        trust_box(run, rows, held),
        standings.section(held, run, rows, directory),
        data_curve.section(held, run, rows, directory),
        _best_trials(run, rows, directory),
        _importance(run, rows, directory),
        _comparisons(rows, directory),
        _tuners(run, rows, directory),
        _rungs(rows, directory),
        ["## Figures", *(part for plot in SCORE_PLOTS for part in shown(plot, run, rows, directory))],
        data_section(run, rows, directory),
        _unfinished(rows, directory),
        _reproduction(run),
    )
    return "\n\n".join(part for section in sections for part in section if part) + "\n", answer


def _answers(held: Finals | NoFinals, searched: Verdict) -> list[str]:
    """The page's headline and the sentences under it: of the finals where they were held, else of the search."""
    if isinstance(held, NoFinals):
        return [verdict.headline(searched), *verdict.qualifications(searched)]
    return [standings.headline(held), *standings.qualifications(held), f"In the search: {verdict.headline(searched)}"]


def csv_link(path: str, what: str = "Full precision") -> str:
    return f"{what}: {markdown.link(path, path)}"


def _state(run: Run) -> list[str]:
    if run.record.status == "finished":
        return []
    return [f"The run is not finished (status: {run.record.status}): this is what it has so far."]


def _best_trials(run: Run, rows: Sequence[Row], directory: Path) -> Iterator[str]:
    compared = references(run)
    tables.write_csv(
        directory / "tables/trials.csv", tables.trial_records(rows), ["rank", "study_id", "trial_id", "status"]
    )
    tables.write_csv(directory / "tables/references.csv", tables.reference_records(compared), ["reference", "split"])
    best = ranked(rows)
    yield "## Best trials"
    if not best and not compared:
        yield left_out("table", "no trial has a validation IoU and no reference was scored")
        return
    few = (
        f"The best {tables.TOP} of {len(best)} ranked trials"
        if len(best) > tables.TOP
        else f"All {len(best)} ranked trials"
    )
    yield (
        f"{few if best else 'No ranked trial'}, by validation IoU; the references need no training. "
        "Metrics without a prefix are of the validation split; ratios are 0 to 1."
    )
    yield rungs.explained(rows)
    yield race.explained(run)
    yield tables.quality(rows, compared)
    yield "### On the locked test set"
    scored = [row for row in best if row.test]
    if scored:
        yield "The ranked trials that were scored there; the interval is for this trained model on other images (95 %), as in the finals with one training."
        yield tables.locked_test_quality(scored, compared)
    else:
        yield left_out("table", "no ranked trial was scored on the test set")
    if len(run.dataset.classes) > 1:
        yield "### IoU by class"
        yield tables.class_quality(rows, compared, run.dataset.classes)
    if best:
        yield "### Configuration"
        yield tables.configurations(rows)
        yield "### Cost"
        yield tables.costs(rows)
    yield f"{csv_link('tables/trials.csv', 'Every trial at full precision')} and {markdown.link('tables/references.csv', 'tables/references.csv')}."


def _comparisons(rows: Sequence[Row], directory: Path) -> Iterator[str]:
    compared = compare(rows)
    yield "## Comparison by factor"
    if not compared:
        yield left_out("table", "no hyperparameter took two values")
        return
    found = effects(rows)
    yield _what_a_comparison_says(found)
    epochs = {row.trial.epochs_planned for row in rows if row.trial.status == COMPLETED}
    if len(epochs) > 1:
        yield f"Trials were planned for {min(epochs)} to {max(epochs)} epochs: a low median may be a short training."
    if any("tuner/trial_id" in row.trial.hyperparameters for row in rows):
        first = {row.trial.epochs_planned for row in rows if "tuner/trial_id" not in row.trial.hyperparameters}
        yield (
            f"Effects and importance take each configuration as it was after its first training, of {formats.listing([str(each) for each in sorted(first)])} epochs: "
            "they favour what learns early."
        )
    for factor, levels in compared.items():
        path = f"tables/by-{factor.replace('_', '-')}.csv"
        own = () if isinstance(found, Missing) else found.factors.get(factor, ())
        tables.write_csv(directory / path, tables.comparison_records(levels, own), ["label"])
        yield tables.comparison(factor, levels, own)
    yield f"At full precision: {', '.join(markdown.link(name, f'tables/{name}') for name in _comparison_files(compared))}."


def _what_a_comparison_says(found: Effects | Missing) -> str:
    if isinstance(found, Missing):
        return (
            "Validation IoU of the trials that share a value. The groups are unequal in number and not paired (other "
            f"hyperparameters differ too): this describes the trials and is no claim about causes. No effects: {found.reason}."
        )
    rare = (
        f" {formats.plural(found.left_out, 'trial')} at levels with fewer than {MIN_LEVEL} left out;"
        if found.left_out
        else ""
    )
    return (
        f"Validation IoU of the trials that share a value. The effect is what the level adds to the mean of its factor when all other factors here are set apart, in a "
        f"sum of one effect for each (least squares, {formats.plural(found.trials, 'configuration')};{rare} it explains {formats.percent(max(0.0, found.explained))} of the "
        "variance; 95% intervals by HC3). It knows no interactions (two choices that suit each other), holds for these validation images, and "
        "its intervals are not corrected for their number. A dash: too few trials, or always together with another choice."
    )


def _importance(run: Run, rows: Sequence[Row], directory: Path) -> Iterator[str]:
    yield "## Importance of hyperparameters"
    found = IMPORTANCE_PLOT.numbers(run, rows)
    if isinstance(found, Missing):
        yield left_out("table", found.reason)
        return
    yield (
        "How much of the variance of validation IoU each one accounts for alone, by functional ANOVA on a random forest. Intervals are over "
        "trials drawn again; a share that shuffled scores reach as well means nothing. Tuners that go on where it is good try bad values less, "
        "which makes their factor look less important."
    )
    yield tables.importance(found)
    tables.write_csv(directory / "tables/importance.csv", [asdict(one) for one in found.factors], ["title"])
    yield csv_link("tables/importance.csv") + "."
    yield from shown(
        replace(IMPORTANCE_PLOT, numbers=lambda *_: found), run, rows, directory
    )  # forests take seconds: once


def _comparison_files(factors: Mapping[str, object]) -> list[str]:
    return [f"by-{factor.replace('_', '-')}.csv" for factor in factors]


def _tuners(run: Run, rows: Sequence[Row], directory: Path) -> Iterator[str]:
    found = tuners.compare_tuners(run, rows)
    if isinstance(found, Missing):
        return
    yield "## Tuners"
    yield (
        f"Best validation IoU after {formats.duration(found.common_s)}, when the shortest study ended. Regret is the distance to the best that any "
        "study of this run found; of seeds, those that every tuner ran are counted."
    )
    yield tuners.table(found)
    tables.write_csv(directory / "tables/tuners.csv", [asdict(one) for one in found.scores], ["tuner"])
    yield csv_link("tables/tuners.csv") + "."


def _rungs(rows: Sequence[Row], directory: Path) -> Iterator[str]:
    found = rungs.rungs(rows)
    if not found:
        return
    configurations = len({configuration_key(row.trial.hyperparameters) for row in rows})
    yield "## Rungs"
    yield (
        "A tuner that promotes trains many configurations briefly and lets the best go on: each line is one length of training. "
        f"The {len(rows)} trials are {formats.plural(configurations, 'configuration')}."
    )
    yield rungs.table(found)
    tables.write_csv(directory / "tables/rungs.csv", [asdict(rung) for rung in found], ["study_id"])
    yield csv_link("tables/rungs.csv") + "."


MAX_OPEN = 12
"""A longer table of unfinished trials is folded; the counts stay open."""


def _unfinished(rows: Sequence[Row], directory: Path) -> Iterator[str]:
    troubled = [row for row in rows if tables.why_unfinished(row)]
    counts = counted(rows)
    pruned = (
        f"{counts['pruned']} were pruned (clearly behind the best, on the folds so far), " if counts["pruned"] else ""
    )
    yield "## Failures and pruned trials"
    yield (
        f"Of {formats.plural(len(rows), 'trial')}, {counts['completed']} completed, {counts['collapsed']} collapsed (nearly no foreground "
        f"found, or nearly everywhere), {pruned}{counts['stopped']} were stopped by the budget and {counts['failed']} failed."
    )
    if not troubled:
        yield left_out("table", "every trial completed with a score")
        return
    records = [
        {"study_id": row.trial.study_id, "trial_id": row.trial.trial_id, "status": row.trial.status,
         "configuration": tables.configuration(row), "reason": tables.why_unfinished(row), "error": row.trial.error}
        for row in troubled
    ]  # fmt: skip
    tables.write_csv(directory / "tables/unfinished.csv", records, [])
    repeated = tables.repeated_errors(troubled)
    if repeated:
        yield "\n".join(f"- {count} times: {markdown.text(error)}" for error, count in repeated)
    listed = tables.unfinished(troubled)
    yield listed if len(troubled) <= MAX_OPEN else markdown.details(f"{len(troubled)} trials", listed)
    yield csv_link("tables/unfinished.csv", "With the whole error texts") + "."


def _reproduction(run: Run) -> Iterator[str]:
    import yaml

    environment = run.environment
    yield "## How to reproduce"
    yield markdown.fence(run.record.command, "sh")
    yield (
        f"Data fingerprint `{run.dataset.fingerprint}`, split fingerprint `{run.split.fingerprint}`, "
        f"commit {f'`{environment.commit}`' if environment.commit else 'not recorded'}."
    )
    resolved = yaml.safe_dump(dict(run.experiment), sort_keys=False, allow_unicode=True, width=110)
    yield markdown.details("The experiment, resolved", markdown.fence(resolved, "yaml"))
    facts = {
        "Device": environment.device,
        "Cores": environment.cores,
        "Memory": formats.gibibytes(environment.memory_bytes),
        "Platform": environment.platform,
        "Python": environment.python,
        **{name: environment.versions[name] for name in sorted(environment.versions)},
    }
    yield markdown.details("Environment", markdown.table(["What", "Value"], list(facts.items())))
