"""Options of a run: what each means, on the command line, in an experiment's fields and in their JSON schema, and whether a run that is
resumed may have another value. Each is said here once; nothing slow is imported, so that `--help` answers at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """`metavar` stands for its value on the command line. `may_change`: how far, where and by how many workers a run trains is not what it
    is, so that it may go on with another value."""

    help: str
    metavar: str | None = None
    may_change: bool = False


OPTIONS: dict[str, Option] = {
    "path": Option(metavar="PATH", help="A folder of images with annotations."),
    "skip_unreadable": Option(help="Leave images out that cannot be decoded, and say so in the report."),
    "name": Option(metavar="NAME", help="The run's name, its folder in --results."),
    "tuners": Option(metavar="NAME", help="A tuner that searches; several of them to compare them, see list."),
    "seeds": Option(metavar="N", help="A seed of the search; on the command line the only one."),
    "trials": Option(metavar="N", help="Trials for each tuner and seed.", may_change=True),
    "budget": Option(
        metavar="TIME",
        help="Time for search and finals: 90s, 10m, 1.5h. Without --trials, as many as fit.",
        may_change=True,
    ),
    "workers": Option(
        metavar="N",
        help="Trials at the same time. Left out: one for each GPU, or one for the CPU.",
        may_change=True,
    ),
    "cluster": Option(
        metavar="ADDRESS",
        help="Train on a Ray cluster: ray://HOST:PORT, HOST:PORT, auto or local.",
        may_change=True,
    ),
    "retries": Option(help="How often a trial is tried again whose process died.", may_change=True),
    "learning_curve": Option(
        help="Train the first of the finals on 25, 50 and 75 % of the images too: would more data help?",
        may_change=True,
    ),
    "single": Option(
        help="Deliver one network, trained again on all development images, in place of the ensemble: faster, and not scored by them.",
        may_change=True,
    ),
}
"""Field of an experiment, or of its data -> what there is to say of it."""
