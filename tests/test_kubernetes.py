"""The manifests in deploy/kubernetes: valid by Kubernetes' schemas, and at one with the code and with compose."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.serving import metrics
from app.settings import Settings
from tests.conftest import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
VERSION = "1.34"
OF_KUBERNETES = ["deployment", "disruption", "job", "service"]


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def test_all_manifests_are_tested() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == {*OF_KUBERNETES, "rayservice", "scaling"}


@pytest.mark.parametrize("name", OF_KUBERNETES)
def test_manifests_are_valid(name: str) -> None:
    kubernetes_validate.validate(read(name), VERSION, strict=True)


def test_misspelt_field_is_found() -> None:
    manifest = read("deployment")
    manifest["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_pods_of_the_ray_service_are_valid() -> None:
    cluster = read("rayservice")["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **group["template"]}
        kubernetes_validate.validate(pod, VERSION, strict=True)


def test_ray_reads_the_ray_services_configuration() -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="Ray is not installed (the extra `ray`)")
    text = read("rayservice")["spec"]["serveConfigV2"]
    found = schema.ServeDeploySchema.model_validate(yaml.safe_load(text))
    (deployment,) = found.applications[0].deployments
    settings = Settings()
    assert deployment.max_ongoing_requests == settings.batch_size + settings.picture_queue
    assert deployment.autoscaling_config["target_ongoing_requests"] == 2 * settings.batch_size


def test_selectors_find_the_pods() -> None:
    deployment = read("deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert labels == deployment["selector"]["matchLabels"] == read("service")["spec"]["selector"]
    assert labels == read("disruption")["spec"]["selector"]["matchLabels"]
    assert read("scaling")["spec"]["scaleTargetRef"]["name"] == read("deployment")["metadata"]["name"]


def test_scaling_asks_for_a_metric_that_there_is() -> None:
    (trigger,) = read("scaling")["spec"]["triggers"]
    name = re.search(r"recap_(\w+){task=", trigger["metadata"]["query"])
    assert name
    assert f'"{name[1]}"' in Path(metrics.__file__).read_text(encoding="utf-8")
    assert int(trigger["metadata"]["threshold"]) == Settings().batch_size


@pytest.mark.parametrize("name", ["deployment", "job"])
def test_containers_are_confined_and_have_threads_for_their_cpus(name: str) -> None:
    (container,) = read(name)["spec"]["template"]["spec"]["containers"]
    security = container["securityContext"]
    assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
    assert security["capabilities"] == {"drop": ["ALL"]}
    threads = next(entry["value"] for entry in container["env"] if entry["name"] == "RECAP_THREADS")
    assert threads == container["resources"]["limits"]["cpu"]


def test_servers_have_time_to_drain() -> None:
    pod = read("deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= wait + Settings().drain_seconds
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["recap"]
    assert container["resources"]["limits"]["memory"] == compose["mem_limit"].replace("g", "Gi")
