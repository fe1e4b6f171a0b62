"""TMC: Dempster's rule and the evidential loss against their definitions; its terms."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import digamma
from toys import SIX_VIEWS, toy_data

from mmsearch import methods
from mmsearch.datasets.task import SearchData
from mmsearch.losses.evidence import combined, divergence_from_uniform, evidential_error
from mmsearch.methods.base import Progress
from mmsearch.methods.tmc import TMC

RNG = np.random.default_rng(0)


def dempster(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Evidence of two opinions of one example, by beliefs, uncertainty and conflict."""
    classes = len(left)
    totals = [classes + e.sum() for e in (left, right)]
    (b, c), (u, v) = (left / totals[0], right / totals[1]), (classes / s for s in totals)
    conflict = sum(b[i] * c[j] for i in range(classes) for j in range(classes) if i != j)
    belief = (b * c + b * v + c * u) / (1 - conflict)
    uncertainty = u * v / (1 - conflict)
    return belief * classes / uncertainty


def built(data: SearchData, **config: Any) -> TMC:
    torch.manual_seed(0)
    method = methods.build("tmc", config, data.task)
    assert isinstance(method, TMC)
    return method.eval()


@pytest.mark.parametrize("views", [2, 3, 6])
def test_evidence_is_combined_by_dempsters_rule(views: int) -> None:
    evidences = RNG.exponential(3.0, size=(views, 4, 5))
    found = combined(torch.tensor(evidences))
    for example in range(4):
        expected = evidences[0, example]
        for view in range(1, views):
            expected = dempster(expected, evidences[view, example])
        np.testing.assert_allclose(found[example], expected)


def test_a_view_without_evidence_changes_nothing() -> None:
    evidence = torch.tensor([[[2.0, 0.5, 0.0]], [[0.0, 0.0, 0.0]]])
    torch.testing.assert_close(combined(evidence), evidence[0])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_error_is_that_of_evidential_deep_learning(share: float) -> None:
    evidence, target = (
        torch.tensor(RNG.exponential(2.0, size=(6, 4))),
        torch.tensor([0, 3, 1, 2, 2, 0]),
    )
    expected = []
    for row, own in zip(evidence, target.tolist(), strict=True):
        alpha = row + 1
        entropy = digamma(alpha.sum().item()) - digamma(alpha[own].item())
        wrong = alpha.clone()
        wrong[own] = 1.0
        pull = torch.distributions.kl_divergence(
            torch.distributions.Dirichlet(wrong),
            torch.distributions.Dirichlet(torch.ones_like(wrong)),
        )
        expected.append(entropy + share * pull.item())
    found = evidential_error(evidence, target, share=share)
    assert found.item() == pytest.approx(np.mean(expected))


def test_no_evidence_is_the_uniform_distribution() -> None:
    assert divergence_from_uniform(torch.ones(2, 5)).tolist() == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("pseudo_view", [False, True], ids=["TMC", "ETMC"])
def test_terms_are_the_errors_of_all_views_and_of_each(pseudo_view: bool) -> None:
    data = toy_data(SIX_VIEWS[:3], classes=4, num_train=9)
    method = built(data, pseudo_view=pseudo_view, annealing_epochs=8)
    evidences = method._evidences(data.train).detach()
    names = [*SIX_VIEWS[:3], *(["pseudo"] if pseudo_view else [])]
    assert len(evidences) == len(names)
    by_term = {"task": combined(evidences)}
    by_term |= {f"unimodal/{name}": one for name, one in zip(names, evidences, strict=True)}
    for epoch, share in ((2, 0.25), (20, 1.0)):
        terms = method.losses(data.train, Progress(epoch, 40))
        for term, evidence in by_term.items():
            expected = evidential_error(evidence, data.train.target, share=share)
            assert terms[term].item() == pytest.approx(expected.item())


def test_the_softmax_of_its_logits_is_the_mean_of_the_dirichlet() -> None:
    data = toy_data(SIX_VIEWS[:2], classes=4, num_train=9)
    method = built(data)
    alpha = combined(method._evidences(data.train)) + 1
    torch.testing.assert_close(method(data.train).softmax(1), alpha / alpha.sum(1, keepdim=True))


@pytest.mark.parametrize("hidden", [0, 8])
def test_a_network_has_the_layers_asked_for(hidden: int) -> None:
    method = built(toy_data(SIX_VIEWS, classes=4), hidden=hidden, dropout=0.5)
    widths = [linear.out_features for linear in method.networks[0] if hasattr(linear, "weight")]
    assert widths == ([8, 4] if hidden else [4])
