"""The command line of `doctor`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmsearch import exits
from mmsearch.errors import ClusterError, Problem

if TYPE_CHECKING:
    from mmsearch.doctor.finding import Finding


def doctor(
    cluster: Annotated[
        Path | None,
        typer.Argument(help="A cluster file of Ray: its machines are asked by ssh."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="A running Ray cluster to look over: auto, or host:port."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that studies are to lie in.")] = Path("studies"),
    data: Annotated[Path | None, typer.Option(help="Folder of a dataset's files.")] = None,
    dataset: Annotated[str | None, typer.Option(help="A dataset that is needed here.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list of findings.")] = False,
) -> None:
    """Find what keeps machines from training."""
    with exits.mistakes():
        findings: list[Finding] = []
        for finding in _asked(cluster, address, out, data, dataset):
            findings.append(finding)
            if not as_json:
                print(finding, flush=True)
    errors, warnings = (sum(f.level == one for f in findings) for one in ("error", "warning"))
    if as_json:
        print(json.dumps([finding.table() for finding in findings], indent=2))
    else:
        print(f"{errors} errors, {warnings} warnings")
    if errors:
        raise typer.Exit(1)


def _asked(
    cluster: Path | None, address: str | None, out: Path, data: Path | None, dataset: str | None
) -> "Iterator[Finding]":
    folder = None if data is None else str(data)
    if cluster is not None and address is not None:
        rule = f"a cluster file and a running cluster are asked in turn, got both, {address!r}"
        raise ClusterError(Problem("--address", rule, "Leave one of them out."))
    if address is not None:
        from mmsearch.doctor import attached

        return attached.surveyed(address, out=str(out.absolute()), data=folder)
    if cluster is None:
        from mmsearch.doctor import here

        return here.surveyed(out=str(out), data=data, dataset=dataset)
    from mmsearch.doctor import remote
    from mmsearch.doctor.cluster_file import read

    # A relative path starts there at the home folder of who logs in.
    return remote.surveyed(read(cluster), out=str(out), data=folder)
