"""Whether two scores rank alike: Kendall's tau with its interval.

- Kendall, "The treatment of ties in ranking problems", Biometrika, 1945: tau-b.
- Fieller, Hartley and Pearson, "Tests for rank correlation coefficients. I", Biometrika, 1957: Fisher's transformation
  of it has a variance of about 0.437 / (n - 4).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 5
"""With fewer there is no interval."""

LOW = 0.3
"""A tau below this ranks two of three pairs right at the best: chance ranks half of them right."""

_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Of two rankings of `candidates`: `tau` is 1 where they are equal, 0 where one says nothing about the other, -1
    where they are opposite; `low` to `high` is its 95 % interval."""

    candidates: int
    tau: float
    low: float
    high: float

    @property
    def is_low(self) -> bool:
        """Whether the one ranking cannot be relied on for the other."""
        return self.low <= 0 or self.tau < LOW


def agreement(first: Sequence[float], second: Sequence[float]) -> Agreement | None:
    """Of two scores of the same candidates, in the same order; None with fewer than `FEWEST` or where all are level in
    one of them.

    Where all pairs agree the transformation has no end: the interval is then that of a ranking with half a pair the
    other way.
    """
    from scipy.stats import kendalltau

    count = len(first)
    if count < FEWEST or count != len(second):
        return None
    tau = float(kendalltau(first, second).statistic)
    if math.isnan(tau):
        return None
    pairs = count * (count - 1) / 2
    centre = math.atanh(max(-1 + 1 / pairs, min(1 - 1 / pairs, tau)))
    reach = _NORMAL_95 * math.sqrt(0.437 / (count - 4))
    return Agreement(candidates=count, tau=tau, low=math.tanh(centre - reach), high=math.tanh(centre + reach))
