"""The files that describe clusters, and what Ray, AWS and Kubernetes have to say to them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from botocore.session import get_session
from botocore.validate import ParamValidator
from ray.autoscaler._private.util import prepare_config, validate_config

import mmsearch

ROOT = Path(__file__).resolve().parent.parent
RAY_FILES = ("cluster.yaml", "clusters/aws.yaml")
FILES = (*RAY_FILES, "clusters/kuberay.yaml")
KUBERNETES = "1.33"
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
START = {"type": "object", "additionalProperties": TEXT}
GROUP = {
    "type": "object",
    "required": ["template", "rayStartParams"],
    "additionalProperties": False,
    "properties": {"template": {"type": "object"}, "rayStartParams": START},
}
WORKERS = {
    **GROUP,
    "required": ["groupName", "template", "minReplicas", "maxReplicas", "rayStartParams"],
    "properties": {
        **GROUP["properties"],
        "groupName": TEXT,
        **dict.fromkeys(("replicas", "minReplicas", "maxReplicas", "numOfHosts"), COUNT),
    },
}
RAY_CLUSTER = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayCluster"},
        "spec": {
            "type": "object",
            "required": ["headGroupSpec", "rayVersion"],
            "additionalProperties": False,
            "properties": {
                "rayVersion": TEXT,
                "authOptions": {"properties": {"mode": {"enum": ["disabled", "token"]}}},
                "enableInTreeAutoscaling": {"type": "boolean"},
                "headGroupSpec": GROUP,
                "workerGroupSpecs": {"type": "array", "items": WORKERS},
            },
        },
    },
}
"""What of KubeRay's resource `ray.io/v1` our manifest uses."""


class Strict(yaml.SafeLoader):
    """YAML takes the last of two equal keys in silence."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key is there twice: {keys}"
        return super().construct_mapping(node, deep)


def documents(name: str) -> list[Any]:
    return list(yaml.load_all((ROOT / name).read_text(), Strict))


def cluster(name: str) -> dict[str, Any]:
    (document,) = documents(name)
    return document


def commands(name: str) -> list[str]:
    return [text for key, value in cluster(name).items() if "commands" in key for text in value]


def pods() -> Iterator[dict[str, Any]]:
    _, ray_cluster = documents("clusters/kuberay.yaml")
    jsonschema.validate(ray_cluster, RAY_CLUSTER)
    groups = [ray_cluster["spec"]["headGroupSpec"], *ray_cluster["spec"]["workerGroupSpecs"]]
    for group in groups:
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, **group["template"]}


@pytest.mark.parametrize("name", FILES)
def test_a_cluster_file_says_nothing_twice(name):
    assert documents(name)


@pytest.mark.parametrize("name", RAY_FILES)
def test_ray_takes_a_cluster_file_as_it_stands(name):
    validate_config(prepare_config(cluster(name)))


def test_ray_refuses_a_cluster_file_with_a_wrong_key():
    wrong = {**cluster("cluster.yaml"), "setup_comands": []}
    with pytest.raises(jsonschema.ValidationError, match="setup_comands"):
        validate_config(prepare_config(wrong))


@pytest.mark.parametrize("name", RAY_FILES)
def test_what_is_copied_to_the_nodes_lies_in_the_project_or_is_made_by_prepare(name):
    mounts = cluster(name)["file_mounts"]
    made = {"~/.ray/auth_token", "clusters/constraints.txt"}
    assert [
        here for here in mounts.values() if here not in made and not (ROOT / here).exists()
    ] == []
    assert made <= set(mounts.values())


@pytest.mark.parametrize("name", RAY_FILES)
def test_every_command_of_a_cluster_file_is_good_bash(name):
    for command in commands(name):
        done = subprocess.run(
            ["bash", "-n", "-c", command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        # A comment of YAML inside of folded text would end up in the command.
        assert ">-" not in command


def test_nodes_of_aws_are_set_up_and_started_like_those_at_home():
    home, aws = (cluster(name) for name in RAY_FILES)
    assert "spot.py" in aws["worker_start_ray_commands"].pop(), "who hears of its notice"
    del aws["file_mounts"]["~/mmsearch/spot.py"]
    for key in ("setup_commands", "worker_start_ray_commands", "file_mounts", "rsync_exclude"):
        assert aws[key] == home[key]
    stop, start = home["head_start_ray_commands"]
    assert aws["head_start_ray_commands"] == [
        stop,
        start.replace(" RAY_enable_autoscaler_v2=0", ""),
    ]


@pytest.mark.parametrize("name", RAY_FILES)
def test_a_cluster_asks_for_its_token_and_shows_its_dashboard_to_nobody(name):
    settings = cluster(name)["setup_commands"][0]
    assert re.search("^export RAY_AUTH_MODE=token ", settings, re.MULTILINE)
    (start,) = [text for text in commands(name) if "ray start --head" in text]
    assert " --dashboard-host=127.0.0.1 " in start


@pytest.mark.parametrize("kind", ["head", "gpu"])
def test_aws_knows_every_word_of_a_machine(kind):
    model = get_session().get_service_model("ec2").operation_model("RunInstances")
    machine = cluster("clusters/aws.yaml")["available_node_types"][kind]["node_config"]
    asked = {**machine, "MinCount": 1, "MaxCount": 1}
    assert not ParamValidator().validate(asked, model.input_shape).generate_report()
    wrong = {**asked, "ImageID": "ami-0"}
    assert ParamValidator().validate(wrong, model.input_shape).generate_report()


def test_workers_on_aws_are_spot_machines_and_the_head_is_none():
    kinds = cluster("clusters/aws.yaml")["available_node_types"]
    market = {
        name: kind["node_config"].get("InstanceMarketOptions") for name, kind in kinds.items()
    }
    assert market == {"head": None, "gpu": {"MarketType": "spot"}}


def test_kubernetes_takes_the_volume_and_the_pods_of_the_manifest():
    volume, _ = documents("clusters/kuberay.yaml")
    for document in (volume, *pods()):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_kubernetes_refuses_a_pod_with_a_wrong_key():
    head, _ = pods()
    head["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="volumeMount"):
        kubernetes_validate.validate(head, KUBERNETES, strict=True)


def test_kuberay_starts_the_version_of_ray_that_is_installed():
    import ray

    _, manifest = documents("clusters/kuberay.yaml")
    assert manifest["spec"]["rayVersion"] == ray.__version__
    assert manifest["spec"]["authOptions"] == {"mode": "token"}


def test_the_container_is_built_of_what_is_there():
    text = (ROOT / "clusters" / "Dockerfile").read_text()
    copied = re.findall(r"^COPY --chown=\d+ (.*)$", text, re.MULTILINE)
    sources = [name for line in copied for name in line.split()[:-1]]
    made = "clusters/constraints.txt"
    assert made in sources
    assert [name for name in sources if name != made and not (ROOT / name).exists()] == []


def test_the_container_is_written_as_hadolint_advises():
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    hadolint = shutil.which("hadolint", path=path)
    assert hadolint, "a package of mmsearch[dev]"
    done = subprocess.run(
        [hadolint, str(ROOT / "clusters" / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_nodes_get_the_versions_of_this_environment_but_not_their_local_labels(
    tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(str(ROOT / "clusters"))
    import prepare

    (tmp_path / "Odd.Name-1.0+cpu.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: Odd.Name\nVersion: 1.0+cpu\n"
    (tmp_path / "Odd.Name-1.0+cpu.dist-info" / "METADATA").write_text(metadata)
    monkeypatch.syspath_prepend(str(tmp_path))
    lines = prepare.constraints()
    assert "odd-name==1.0" in lines
    assert "numpy==" + __import__("numpy").__version__ in lines
    assert not [line for line in lines if line.startswith(f"{mmsearch.__name__}==") or "+" in line]
