"""The look at all nodes before a search; they are on this machine, one sees other files."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import pytest
from test_cluster import study
from toy_nodes import nodes, strange_node

import mmsearch
from mmsearch.cluster import machines
from mmsearch.cluster.nodes import check, peers
from mmsearch.errors import ClusterError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("nodes")]

METHOD = Path(__file__).parent / "own_method_example.py"


@dataclass(frozen=True)
class Site:
    """Folders of the test, and the node to which they look otherwise."""

    shared: Path
    hidden: Path
    """Empty on the strange node."""
    strange: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    here = tmp_path_factory.mktemp("nodes")
    shared, hidden, changed = (here / name for name in ("shared", "hidden", "changed"))
    for folder in (shared, hidden, changed):
        folder.mkdir()
    shutil.copy(METHOD, hidden)
    code = Path(mmsearch.__file__).parent / "fusion" / "sum.py"
    about = Path(str(metadata.distribution("optuna").locate_file(""))) / (
        f"optuna-{metadata.version('optuna')}.dist-info/METADATA"
    )
    (changed / "sum.py").write_text(code.read_text() + "\n# changed\n")
    text = about.read_text().replace(f"\nVersion: {metadata.version('optuna')}", "\nVersion: 4.4.0")
    (changed / "METADATA").write_text(text)
    replaced = {code: changed / "sum.py", about: changed / "METADATA"}
    with nodes({"num_cpus": 1}, {"num_cpus": 1}) as cluster:
        machines.start(cluster.address)
        with strange_node(cluster.address, hidden=hidden, replaced=replaced) as strange:
            yield Site(shared, hidden, strange)


def test_nodes_that_are_alike_are_passed_and_nothing_is_left(site: Site) -> None:
    alike = [peer for peer in peers(0.0) if peer.id != site.strange]
    assert len(alike) == 1
    own = replace(study(), method=str(site.hidden / METHOD.name))
    check(alike, own, site.shared / "studies" / "toy")
    assert not list(site.shared.iterdir())


def test_all_that_speaks_against_a_node_is_told_at_once(site: Site) -> None:
    method = site.hidden / METHOD.name
    own, out = replace(study(), method=str(method)), site.hidden / "studies" / "toy"
    with pytest.raises(ClusterError) as caught:
        check(peers(0.0), own, out)
    versions, code, folder, file = map(str, caught.value.problems)
    (peer,) = [peer for peer in peers(0.0) if peer.id == site.strange]
    assert all(
        problem.place == f"node {peer.host} ({peer.address})" for problem in caught.value.problems
    )
    assert f"has optuna 4.4.0, the driver has {metadata.version('optuna')}. Install" in versions
    assert "has other code of mmsearch, fingerprint" in code
    assert f"does not see what the driver writes below {out}. Give --out a folder" in folder
    assert f"has no {method}, which the driver has with fingerprint" in file


def test_a_folder_that_only_some_nodes_see_is_refused_for_those_alone(site: Site) -> None:
    with pytest.raises(ClusterError) as caught:
        check(peers(0.0), study(), site.hidden)
    (folder,) = [p for p in caught.value.problems if "does not see" in p.rule]
    assert str(site.hidden) in folder.rule
