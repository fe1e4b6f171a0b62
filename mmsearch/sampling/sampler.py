"""The ladder as a sampler of Optuna's: proposes by a model that knows fidelity.

Unusual: it keeps nothing between proposals but its random numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mmsearch.sampling.coordinates import Coordinates
from mmsearch.sampling.outlook import Evidence, Outlook
from mmsearch.sampling.translation import Conditions


class LadderSampler(optuna.samplers.BaseSampler):
    """Proposes where the value at full fidelity is expected to improve most on the best so far.

    Trials tell their values at rungs by `trial.report(value, step=rung)`.

    Args:
        seed: of its random numbers; None for others each time.
        levels: the rungs below full fidelity, the lowest first; none where every trial is trained
            in full.
        space: all parameters; those that all trials share, if None.
        conditions: of the parameters that do not always exist.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        levels: Sequence[int] = (),
        space: Mapping[str, BaseDistribution] | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._others = optuna.samplers.RandomSampler(seed)
        self._levels = tuple(levels)
        self._space = dict(space) if space else None
        self._conditions = conditions or {}

    def reseed_rng(self) -> None:
        """New random numbers, for a process of its own."""
        self._rng = np.random.default_rng()
        self._others.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The parameters that are proposed together."""
        return self._space or IntersectionSearchSpace(include_pruned=True).calculate(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value for each of them; what turns out not to exist is not asked for."""
        self._raise_error_if_multi_objective(study)
        if not search_space:
            return {}
        coordinates = Coordinates(search_space, self._conditions)
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)
        known = [
            told
            for told in study.get_trials(deepcopy=False, states=states)
            if told.number != trial.number and told.params and coordinates.hold(told.params)
        ]
        evidence = Evidence.of(
            known,
            coordinates,
            levels=self._levels,
            maximize=study.direction == StudyDirection.MAXIMIZE,
        )
        return coordinates.params(Outlook(evidence, coordinates).propose(self._rng))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A random value of a parameter that is in no model."""
        self._raise_error_if_multi_objective(study)
        return self._others.sample_independent(study, trial, param_name, param_distribution)
