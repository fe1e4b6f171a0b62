"""The picture of the README: regret against budget, one line a method."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from quality.figures import MARKS

OURS = "mmsearch"


def draw(regret: Mapping[str, np.ndarray], path: Path) -> None:
    """Draws means over runs, with standard errors.

    Args:
        regret: by method, at each mark: [runs, marks].
        path: of an SVG file.
    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "mmsearch"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    axes: Any
    colours = iter(plt.get_cmap("tab10").colors)
    for method, values in sorted(regret.items(), key=lambda pair: -pair[1][:, -1].mean()):
        mean, error = values.mean(axis=0), values.std(axis=0) / np.sqrt(len(values))
        ours = method == OURS
        style: dict[str, Any] = {"color": "black" if ours else next(colours)}
        axes.plot(MARKS, mean, marker="o", label=method, lw=3 if ours else 1.5, **style)
        axes.fill_between(MARKS, mean - error, mean + error, alpha=0.12, lw=0, **style)
    axes.set_xscale("log")
    axes.set_xticks(MARKS, [str(mark) for mark in MARKS])
    axes.minorticks_off()
    axes.set_ylim(0, 1.05)
    axes.set_xlabel("budget, in trainings of one configuration to the end")
    axes.set_ylabel("regret (0 best known, 1 a random configuration)")
    axes.legend(frameon=False, fontsize=8, ncols=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
