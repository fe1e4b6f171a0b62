"""Which replicate is trained next, and when a race is over."""

from collections import Counter
from dataclasses import replace

import pytest
from toy_race import EPOCHS, race, search, trial, value

from mmsearch.errors import SelectionError
from mmsearch.seeds import Seed
from mmsearch.selection.choice import BEST, SIMPLEST, choose
from mmsearch.selection.contest import Contest, Plan, Racing
from mmsearch.selection.race import OPENING, Over, Rules
from mmsearch.trial import Completed, Failed, Running

PLAN = Plan(candidates=4, epochs=30.0 * EPOCHS)


def seeds(contest: Contest) -> Counter[int]:
    return Counter({one.number: len(one.replicates) for one in contest.candidates})


def test_the_best_of_the_search_and_the_published_one_are_raced():
    found = search()
    contest = race(found, PLAN)
    best = {one.number for one in found.ranking[:4]}
    assert set(seeds(contest)) == {*best, 0}
    assert min(seeds(contest).values()) >= OPENING


def test_all_share_fresh_seeds_that_no_trial_of_the_search_has_used():
    contest = race(search(), PLAN)
    used = {trial.seed for trial in contest.search.trials}
    for one in contest.candidates:
        replicates = [t.seed for t in one.replicates]
        assert replicates == [Seed(7, 0, 1 + n) for n in range(len(replicates))]
        assert not used & set(replicates)


def test_seeds_go_to_those_that_may_be_the_best():
    contest = race(search(), replace(PLAN, epochs=60.0 * EPOCHS))
    leader = choose(contest).chosen.number
    assert seeds(contest)[leader] == max(seeds(contest).values())
    assert seeds(contest)[4] == OPENING, "0.58 is clearly behind 0.53"


def test_a_race_resumed_anywhere_decides_the_same():
    whole = race(search(), PLAN)
    for done in range(0, len(whole.replicates), 3):
        again = race(search(), PLAN, before=whole.replicates[:done])
        assert again.replicates == whole.replicates


def test_replicates_that_run_count_as_begun():
    found, trials = search(), []
    proposer = Racing(found, PLAN)
    while len(trials) < 5 and (wanted := proposer.next(trials, 0)):
        trials.append(trial(len(trials), dict(wanted.config), wanted.seed, None, Running()))
    assert len({tuple(t.config.items()) for t in trials}) == 5
    assert Contest(found, tuple(trials), PLAN).spent == 5 * EPOCHS


def test_the_budget_is_a_quarter_of_the_searchs_epochs_and_is_kept():
    contest = race(search(), Plan(candidates=2, share=2.0))
    assert contest.budget == 2.0 * 7 * EPOCHS
    assert contest.spent <= contest.budget


def test_the_winner_and_the_published_one_get_their_seeds_whatever_the_budget():
    contest = race(search(), Plan(candidates=2, epochs=0.0, rules=Rules(seeds_at_least=4)))
    choice = choose(contest)
    assert choice.chosen.seeds >= 4
    assert choice.published.seeds >= 4
    assert choice.why == "the budget is spent"


def test_without_noise_a_race_is_soon_over():
    contest = race(search(noise=0.0), PLAN, noise=0.0)
    choice = choose(contest)
    assert choice.why == "one is clearly the best"
    assert len(contest.replicates) == 5 * OPENING + 2
    assert choice.chosen.number == 3
    assert choice.chosen.expected == pytest.approx(0.53, abs=1e-4)


def test_a_candidate_that_fails_under_a_seed_is_out_and_shown():
    def ending(one):
        return Failed("nan", "NaN in epoch 2") if one.config["rate"] == 3 else Completed()

    contest = race(search(), PLAN, ending=ending)
    choice = choose(contest)
    assert seeds(contest)[3] == 1
    (row,) = [row for row in choice.rows if row.failures]
    assert (row.number, row.best, row.tied) == (3, 0.0, False)
    assert choice.rows[-1] is row
    assert choice.chosen.number != 3


def test_a_lost_machine_is_no_failure_and_its_seed_is_not_taken_again():
    def ending(one):
        lost = one.config["rate"] == 3 and one.seed.replicate == 1
        return Failed("lost", "3 gangs were lost") if lost else Completed()

    contest = race(search(), PLAN, ending=ending)
    (one,) = [one for one in contest.candidates if one.number == 3]
    assert not one.failures
    assert [t.seed.replicate for t in one.replicates][:2] == [1, 2]
    assert 1 not in one.values


def test_where_all_candidates_fail_it_is_said():
    contest = race(search(), PLAN, ending=lambda _: Failed("oom", "out of memory"))
    wanted = contest.next()
    assert isinstance(wanted, Over)
    assert wanted.why == "every candidate failed under a fresh seed"
    with pytest.raises(SelectionError, match="fewer than two replicates have a value"):
        choose(contest)


def test_more_trials_of_the_search_go_on_with_the_race():
    found = search()
    before = race(found, PLAN)
    better = trial(7, {"rate": 3, "more": 1}, Seed(7, 7), 0.2)
    more = replace(found, trials=(*found.trials, better))
    after = race(more, replace(PLAN, epochs=40.0 * EPOCHS), before=before.replicates)
    assert after.candidates[0].number == 7
    assert len(after.candidates[0].replicates) >= OPENING
    assert {one.number for one in before.candidates} < {one.number for one in after.candidates}


def test_a_configuration_that_was_tried_twice_is_one_candidate():
    found = search()
    again = trial(7, dict(found.trials[3].config), Seed(7, 7), 0.1)
    contest = race(replace(found, trials=(*found.trials, again)), PLAN)
    assert contest.candidates[0].number == 7
    assert 3 not in [one.number for one in contest.candidates]


def test_a_search_without_a_completed_trial_is_refused():
    found = search()
    running = tuple(replace(t, state=Running()) for t in found.trials)
    with pytest.raises(
        SelectionError, match=r"'toy': no trial has completed.*Go on with the search"
    ):
        _ = Contest(replace(found, trials=running), (), PLAN).candidates


def test_the_search_is_told_how_lucky_its_winner_was():
    found = search(noise=0.0)
    lucky = trial(7, {"rate": 1}, Seed(7, 7), 0.40)
    trials = tuple(t for t in found.trials if t.number != 1)
    contest = race(replace(found, trials=(*trials, lucky)), PLAN)
    row = next(row for row in choose(contest).rows if row.number == 7)
    assert row.expected == pytest.approx(0.55, abs=0.02)


def test_the_simplest_is_the_tied_one_with_the_fewest_weights():
    contest = race(search(), PLAN)
    plain = choose(contest)
    assert plain.rule == BEST
    tied = [r for r in plain.rows if r.tied and r.seeds >= 3 and r is not plain.chosen]
    weights = {one.number: 100 + one.number for one in contest.candidates}
    weights[4] = 1
    smallest = min([plain.chosen, *tied], key=lambda row: weights[row.number])
    simplest = choose(contest, weights=weights)
    assert simplest.rule == SIMPLEST
    assert simplest.chosen.number == smallest.number


def test_what_is_printed_is_what_was_observed():
    contest = race(search(), PLAN)
    for row in choose(contest).rows:
        own = [value(dict(row.candidate.trial.config), Seed(7, 0, s + 1)) for s in range(row.seeds)]
        assert row.mean == pytest.approx(sum(own) / len(own))
        assert row.low < row.expected < row.high
    assert sum(row.best for row in choose(contest).rows) == pytest.approx(1.0)
