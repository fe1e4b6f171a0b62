"""Which completed trials are saved: the driver says what they must reach."""

from pathlib import Path

from test_dispatcher import FakeLedger

from mmsearch.cluster.dispatcher import Dispatcher
from mmsearch.cluster.messages import Begin, Order, Ready, Stretch
from mmsearch.trial import Failed, Observation


def test_a_gang_is_told_what_a_trial_must_reach_to_be_the_incumbent(tmp_path: Path) -> None:
    ledger = FakeLedger(4)
    mail: list[Order] = []

    def sitting() -> Dispatcher:
        return Dispatcher(ledger, out=tmp_path, gangs=1, post=lambda _, order: mail.append(order))

    def bar_of(number: int) -> float | None:
        (order,) = [o for o in mail if isinstance(o, Begin) and o.number == number]
        mail.clear()
        return order.bar

    first = sitting()
    first.reported("gang-0", Ready("host"))
    assert bar_of(0) is None
    first.reported("gang-0", Stretch(0, failed=Failed("nan", "")))
    assert bar_of(1) is None
    first.reported("gang-0", Stretch(1, (Observation(1, {"valid/mae": 1.0}, 0.1),), finished=True))
    assert bar_of(2) == 1.0
    ledger.release(2)
    second = sitting()
    second.reported("gang-0", Ready("host"))
    assert bar_of(2) == 1.0
