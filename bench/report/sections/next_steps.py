"""What to do with the answer, as commands."""

import shlex
from collections.abc import Iterator

from bench.analysis.decision import NOTHING, UNCONFIRMED, UNUSABLE
from bench.analysis.final_evaluation import Finals
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import Missing
from bench.options import SAMPLE
from bench.records import FAILED
from bench.report.blocks import NextSteps, Step


def next_steps(found: Analysis) -> NextSteps:
    return NextSteps(tuple(_steps(found)))


def _steps(found: Analysis) -> Iterator[Step]:
    name = shlex.quote(found.run.record.name)
    decision = found.decision
    if found.delivered is not None and decision.kind != UNUSABLE:
        yield Step("Use the model on a folder of images", f"python -m bench predict {name} new-photos -o masks")
        yield Step("Export it for other software", f"python -m bench export {name} --format onnx")
    if decision.kind == NOTHING:
        yield from _without_result(found, name)
        return
    yield Step(_longer(found), f"python -m bench run --resume --name {name} --budget 2h", _whether_longer(found))
    if found.run.dataset.path == SAMPLE:
        yield Step("Compare models on a folder of your own", "python -m bench run --data photos")
    elif _may_have_a_curve(found):
        yield Step(
            "Find out whether more images would help",
            f"python -m bench run --resume --name {name} --learning-curve",
            "Trains the leader on fewer images and compares.",
        )
    else:
        yield Step(
            "Add images, then start a new run",
            f"python -m bench run --data {_data(found)} --name {_next(found.run.record.name)}",
        )


def _without_result(found: Analysis, name: str) -> Iterator[Step]:
    if found.counts[FAILED]:
        yield Step(
            "Check this machine and the installation", "python -m bench doctor", "The reasons stand under Failures."
        )
    ended = {study.ended for study in found.run.record.studies}
    longer = " --budget 2h" if "budget" in ended else ""
    yield Step("Go on with this run", f"python -m bench run --resume --name {name}{longer}")


def _longer(found: Analysis) -> str:
    if not isinstance(found.final, Finals) and found.decision.kind == UNCONFIRMED:
        return "Go on, to compare the best with the default configuration"
    return "Search longer" if found.compared_levels is None else "Compare more levels, with more seeds"


def _may_have_a_curve(found: Analysis) -> bool:
    """It trains the leader of a final evaluation again; a budget that was too short for the folds has no time for
    that."""
    held = found.final
    complete = isinstance(held, Finals) and held.record.folds == held.all_folds
    return complete and (found.data_curve is None or isinstance(found.data_curve, Missing))


def _whether_longer(found: Analysis) -> str:
    held = found.final
    if isinstance(held, Finals) and len(held.ranking) == 1:
        return "More time compares more candidates, on more folds."
    studies = found.run.record.studies
    if any(study.ended == "budget" for study in studies):
        return "The search was ended by its budget."
    return ""


def _data(found: Analysis) -> str:
    return shlex.quote(found.run.dataset.path or "photos")


def _next(name: str) -> str:
    return shlex.quote(f"{name}-2")
