"""What is built and shipped: the wheel, the pins, the container's files."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import BytesParser
from importlib.metadata import entry_points, requires
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.build import build_wheel
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def pins() -> dict[str, str]:
    """Name -> version of constraints.txt; every line must be a pin, for all platforms or for some."""
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pin = re.fullmatch(r"([\w.-]+)==([\w.]+)( ; .+)?", line)
            assert pin, f"constraints.txt: {line!r} is not name==version"
            found[canonicalize_name(pin[1])] = pin[2]
    return found


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_every_requirement_is_pinned_to_a_version_it_allows(extra: str | None) -> None:
    versions = pins()
    for requirement in map(Requirement, EXTRAS[extra] if extra else PROJECT["dependencies"]):
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier, requirement


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # hatchling builds the project it stands in
        return zipfile.ZipFile(folder / build_wheel(str(folder)))


def test_the_wheel_has_every_file_of_the_packages_and_the_checkpoints(wheel: zipfile.ZipFile) -> None:
    sources = {
        file.relative_to(ROOT).as_posix().replace("checkpoints/", "recap/checkpoints/", 1)
        for package in ("app", "checkpoints", "model", "recap", "training")
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith(".")
    }
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {f"{package}/py.typed" for package in ("app", "model", "recap", "training")} <= sources
    assert {"training/data/__init__.py", "recap/checkpoints/flickr8k-coco/model.safetensors"} <= sources
    assert shipped == sources


def test_the_wheel_asks_for_no_training_library_unless_wanted(wheel: zipfile.ZipFile) -> None:
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    needed = map(Requirement, BytesParser().parsebytes(wheel.read(metadata)).get_all("Requires-Dist") or [])
    plain = {requirement.name for requirement in needed if not requirement.marker}
    assert "torch" in plain
    assert plain & {Requirement(line).name for extra in EXTRAS.values() for line in extra} == set()


@pytest.mark.parametrize("name", PROJECT["scripts"])
def test_commands_load(name: str) -> None:
    (script,) = entry_points(group="console_scripts", name=name)
    assert callable(script.load())


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, comments dropped and continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def test_the_container_runs_one_process_of_an_ordinary_user() -> None:
    instructions = dockerfile()
    last_stage = max(place for place, (instruction, _) in enumerate(instructions) if instruction == "FROM")
    final = dict(instructions[last_stage:])
    assert int(final["USER"].split(":")[0]) > 0
    assert final["ENTRYPOINT"] == '["recap"]'
    assert final["HEALTHCHECK"].endswith('CMD ["recap", "health"]')
    assert not any("<<" in rest for _, rest in instructions)
    assert not any("--chown" in rest or "chown " in rest for _, rest in instructions)  # all that it runs is root's


def test_the_image_says_what_it_is() -> None:
    (labels,) = (rest for instruction, rest in dockerfile() if instruction == "LABEL")
    said = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', labels))
    assert said["version"] == PROJECT["version"]
    assert said["licenses"] == PROJECT["license"]
    assert said.keys() >= {"title", "description"}


def test_torch_is_the_same_everywhere() -> None:
    arguments = dict(rest.split("=", 1) for instruction, rest in dockerfile() if instruction == "ARG")
    assert arguments["TORCH"] == f"torch=={pins()['torch']}"
    assert arguments["BASE_IMAGE"] == "python:3.11-slim"


def test_the_container_is_sent_all_it_copies() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for instruction, rest in dockerfile()
        if instruction == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
        if not source.startswith("--")
    }
    assert copied == sent


@pytest.mark.parametrize("service", ["recap", "recap-gpu"])
def test_compose_confines_its_services(service: str) -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    described = compose["services"][service]
    assert described["read_only"] is True
    assert described["tmpfs"] == ["/tmp"]
    assert described["cap_drop"] == ["ALL"]
    assert described["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+g", described["mem_limit"])
    assert 100 <= described["pids_limit"] <= 1000
    assert described["logging"]["options"].keys() == {"max-size", "max-file"}
    assert "healthcheck" not in described  # the image has one
    assert described["stop_grace_period"]
    assert all(port.startswith("127.0.0.1:") for port in described["ports"])


def test_the_documented_container_is_bounded() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^docker run .*", readme, flags=re.MULTILINE)
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["recap"]
    assert f"--memory {compose['mem_limit']} --pids-limit {compose['pids_limit']} " in command


def test_compose_takes_the_gpu_only_when_asked() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert "profiles" not in services["recap"]
    assert services["recap-gpu"]["profiles"] == ["gpu"]
    assert services["recap-gpu"]["build"]["args"] == {"TORCH_INDEX": ""}
    assert services["recap-gpu"]["environment"]["RECAP_DEVICE"] == "cuda"


def test_what_requirements_require_is_pinned_too() -> None:
    versions = pins()
    remaining = [*PROJECT["dependencies"], *chain.from_iterable(EXTRAS.values())]
    seen: set[str] = set()
    while remaining:
        requirement = Requirement(remaining.pop())
        name = canonicalize_name(requirement.name)
        if name in seen or not (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        remaining += requires(name) or []
    assert {"jinja2", "starlette"} <= seen
    assert seen - versions.keys() == set()


def test_the_classifiers_name_the_pythons_that_are_tested() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    pythons = {name: job["strategy"]["matrix"]["python"] for name, job in workflow["jobs"].items() if "strategy" in job}
    claimed = [line.split(" :: ")[-1] for line in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", line)]
    assert pythons["install"] == claimed
    assert pythons["test"] == [claimed[0], claimed[-1]]
    assert PROJECT["requires-python"] == f">={claimed[0]}"


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository as `make release` wants it, with a package of one line."""
    for file in ("pyproject.toml", "README.md", "LICENSE", "CITATION.cff", ".ci/release"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    for package in ("app", "checkpoints", "model", "recap", "training"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## [{PROJECT['version']}] - 2026-11-30\n")
    (tmp_path / ".gitignore").write_text("/dist/\n")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "a change")


def release(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GIT_COMMITTER_NAME": "Tests",
        "GIT_COMMITTER_EMAIL": "tests@example.com",
    }
    return subprocess.run([folder / ".ci" / "release"], env=environment, capture_output=True, text=True, check=False)


def test_a_release_builds_and_tags_the_version(project: Path) -> None:
    version = PROJECT["version"]
    told = release(project)
    assert told.returncode == 0, told.stderr
    assert f'git push origin HEAD "v{version}"' in told.stdout
    assert git(project, "tag").split() == [f"v{version}"]
    built = {file.name for file in (project / "dist").iterdir()}
    assert built == {f"recap_captioner-{version}{end}" for end in (".tar.gz", "-py3-none-any.whl")}
    again = release(project)
    assert (again.returncode, "is tagged already" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("file", "text", "error"),
    [
        ("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n", "CHANGELOG.md has no section"),
        ("CITATION.cff", "version: 0.0.1\n", "CITATION.cff names another version"),
    ],
)
def test_a_release_wants_its_documents(project: Path, file: str, text: str, error: str) -> None:
    (project / file).write_text(text)
    told = release(project)
    assert (told.returncode, "not committed" in told.stderr) == (1, True)
    commit(project)
    told = release(project)
    assert (told.returncode, error in told.stderr) == (1, True)
    assert git(project, "tag") == ""
