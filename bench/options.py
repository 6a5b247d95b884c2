"""Options of a run: the meaning of each, its flag, and whether a resumed run may change it.

Each is declared here once and is also a field of an experiment. The command line, the experiment's JSON schema,
`override` and `resume` follow from it. Nothing slow is imported, so that `--help` answers at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SAMPLE = "sample"
"""The data path that stands for the embedded sample set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """`flag` is its name on the command line (None: it is in the file alone). `kind` is the type of its value (bool: it
    has none), `metavar` the name of that value; the flag may be repeated if `several`. `may_change`: a resumed run may
    have another value, since the option only says how far, where and with how many workers it trains."""

    help: str
    flag: str | None = None
    metavar: str | None = None
    kind: type[str | int | bool] = str
    several: bool = False
    may_change: bool = False

    @property
    def keyword(self) -> str:
        """Its name in Python: `--skip-unreadable` is `skip_unreadable`."""
        return (self.flag or "").removeprefix("--").replace("-", "_")


OPTIONS: dict[str, Option] = {
    "path": Option(flag="--data", metavar="PATH", help="A folder of images with annotations."),
    "tuners": Option(
        flag="--tuner",
        metavar="NAME",
        several=True,
        help="A tuner that searches; several of them to compare them, see list.",
    ),
    "trials": Option(flag="--trials", metavar="N", kind=int, help="Trials for each tuner and seed.", may_change=True),
    "budget": Option(
        flag="--budget",
        metavar="TIME",
        help="Time for the whole run, delivery included: 90s, 10m, 1.5h. Without --trials, as many as fit.",
        may_change=True,
    ),
    "seeds": Option(
        flag="--seed", metavar="N", kind=int, help="The seed of the search; an experiment file may list several."
    ),
    "name": Option(flag="--name", metavar="NAME", help="The run's name, its folder in --results."),
    "workers": Option(
        flag="--workers",
        metavar="N",
        kind=int,
        help="Trials at the same time. Left out: one for each GPU, or one for the CPU.",
        may_change=True,
    ),
    "cluster": Option(
        flag="--cluster",
        metavar="ADDRESS",
        help="Train on a Ray cluster: ray://HOST:PORT, HOST:PORT, auto or local; none: on this machine.",
        may_change=True,
    ),
    "retries": Option(help="How often a trial is tried again whose process died.", may_change=True),
    "learning_curve": Option(
        flag="--learning-curve",
        kind=bool,
        help="Train the leader of the final evaluation on 25, 50 and 75 % of the images too: would more data help?",
        may_change=True,
    ),
    "single": Option(
        flag="--single",
        kind=bool,
        help="Deliver one network, trained again on all development images, in place of the ensemble of those of "
        "folds. Left out: with a budget, except in a comparison of levels; `single: false` in a file never does.",
        may_change=True,
    ),
    "skip_unreadable": Option(
        flag="--skip-unreadable",
        kind=bool,
        help="Leave images out that cannot be decoded, and say so in the report.",
    ),
}
"""Field of an experiment, or of its data -> what there is to say of it. The command line shows them in this order."""


def given(said: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """(field, value) of what a command line or a caller sets, by flag or by field. None, an empty list and False set
    nothing."""
    by_flag = {option.keyword: field for field, option in OPTIONS.items() if option.flag}
    for name, value in said.items():
        field = by_flag.get(name, name)
        if field not in OPTIONS:
            raise TypeError(f"{name} is no option of a run")
        if value is not None and value is not False and value != () and value != []:
            yield field, value
