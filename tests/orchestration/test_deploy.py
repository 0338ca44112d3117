"""Names in `deploy/` exist, and Dagster and Celery accept them: checks without an engine."""

import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from b2b_pipelines.cli import main
from b2b_pipelines.settings import PREFIX, PROJECT, Settings

DEPLOY = PROJECT / "deploy"
SETTINGS = {f"{PREFIX}{field}".upper() for field in Settings.model_fields}
OTHERS = {
    "POSTGRES_PASSWORD", "POSTGRES_IMAGE", "REDIS_PASSWORD", "REDIS_IMAGE",
    "INSTANCE", "DAGSTER_POSTGRES_URL", "CELERY_BROKER_URL", "CELERY_BACKEND_URL",
}  # fmt: skip
PROGRAMS = PROJECT / ".venv" / "bin"


def parsed(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


SERVICES: dict[str, Any] = parsed("compose.yaml")["services"]


def program_exists(command: list[str]) -> bool:
    return command[0] == "python" or (PROGRAMS / command[0]).exists()


def test_the_instances_are_taken_by_dagster_and_differ_only_in_who_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from dagster._core.instance.config import dagster_instance_config
    from dagster._core.instance.ref import InstanceRef

    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql+psycopg2://x@localhost/dagster")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://localhost:6379/0")
    monkeypatch.setenv("CELERY_BACKEND_URL", "redis://localhost:6379/1")
    launchers = {}
    for name in ("dagster.yaml", "dagster.celery.yaml"):
        config, _ = dagster_instance_config(str(DEPLOY), name)
        ref = InstanceRef.from_dir(str(tmp_path), config_dir=str(DEPLOY), config_filename=name)
        launcher = ref.run_launcher
        launchers[name] = type(launcher).__name__
        assert config["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert launchers == {"dagster.yaml": "DefaultRunLauncher", "dagster.celery.yaml": "CeleryRunLauncher"}
    with_workers = parsed("dagster.celery.yaml")
    del with_workers["run_launcher"]
    assert with_workers == parsed("dagster.yaml")


def test_celery_takes_the_worker_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster_celery.cli import get_config_value_from_yaml

    monkeypatch.setenv("CELERY_BROKER_URL", "redis://broker:6379/0")
    monkeypatch.setenv("CELERY_BACKEND_URL", "redis://broker:6379/1")
    config = get_config_value_from_yaml(str(DEPLOY / "worker.yaml"))
    assert config["broker"] == {"env": "CELERY_BROKER_URL"}
    assert config["config_source"]["worker_prefetch_multiplier"] == 1


def test_every_process_of_compose_is_a_program_of_this_project() -> None:
    ours = {name: service["command"] for name, service in SERVICES.items() if service["image"] == "b2b-pipelines"}
    assert set(ours) == {"upgrade", "code", "webserver", "daemon", "api", "worker"}
    for command in ours.values():
        assert program_exists(command), command
        for argument in command:
            assert not argument.startswith("deploy/") or (PROJECT / argument).exists()


def test_compose_waits_for_services_that_have_a_health_check_and_mounts_what_is_there() -> None:
    for service in SERVICES.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] != "service_healthy" or "healthcheck" in SERVICES[name]
        for volume in service.get("volumes", []):
            source = volume.replace("${INSTANCE:-dagster.yaml}", "dagster.yaml").partition(":")[0]
            assert source in parsed("compose.yaml")["volumes"] or (DEPLOY / source).exists(), source
        assert "test" in service.get("healthcheck", {"test": ""})


def test_compose_and_its_example_set_only_what_exists() -> None:
    named = {
        name for service in SERVICES.values() for name in service.get("environment", {}) if name.startswith("B2B_")
    }
    example = re.findall(r"^(?:# )?([A-Z0-9_]+)=", (DEPLOY / "env.example").read_text(), re.MULTILINE)
    assert named | set(example) <= SETTINGS | OTHERS
    assert re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()) != []
    assert set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text())) <= OTHERS


def test_webserver_and_daemon_find_the_code_server_of_compose() -> None:
    [server] = [entry["grpc_server"] for entry in parsed("workspace.yaml")["load_from"]]
    command = SERVICES[server["host"]]["command"]
    assert command[command.index("--port") + 1] == str(server["port"])
    [local] = yaml.safe_load((PROJECT / "workspace.yaml").read_text())["load_from"]
    assert server["location_name"] == local["python_module"]["location_name"]
    assert command[command.index("--module-name") + 1] == local["python_module"]["module_name"]


def test_the_image_is_built_from_files_that_exist_and_starts_a_program_that_exists() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    lines = text.replace("\\\n", " ").splitlines()
    for line in (line for line in lines if line.startswith("COPY") and "--from" not in line):
        *sources, _ = [word for word in shlex.split(line)[1:] if not word.startswith("--")]
        assert all((PROJECT / source).exists() for source in sources), line
    packages = {line.split()[1] for line in lines if line.startswith("COPY") and len(line.split()) == 3}
    assert {"b2b_pipelines", "assets", "resources", "schedules"} <= packages
    assert "sandbox" not in packages
    [command] = [yaml.safe_load(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD")]
    assert program_exists(command)
    assert "uv==" in (DEPLOY / "requirements.lock").read_text()
    assert lines[-1].startswith("CMD")
    assert any(line == "USER b2b" for line in lines)


CHART = {
    "global": {"postgresqlSecretName"},
    "generatePostgresqlPasswordSecret": None,
    "postgresql": {
        "enabled", "postgresqlHost", "postgresqlUsername", "postgresqlDatabase", "postgresqlScheme", "service",
    },
    "dagster-user-deployments": {"enabled", "deployments"},
    "runLauncher": {"type", "config"},
    "dagsterDaemon": {"runCoordinator", "runMonitoring", "runRetries"},
    "concurrency": {"enabled", "pools", "runs"},
    "additionalInstanceConfig": None,
    "telemetry": {"enabled"},
    "extraManifests": None,
}  # fmt: skip
"""The keys of Dagster's chart that we set, as its schema has them."""


def test_the_values_for_kubernetes_use_keys_that_the_chart_has_and_say_what_dagster_yaml_says() -> None:
    values, instance = parsed("helm-values.yaml"), parsed("dagster.yaml")
    for key, value in values.items():
        assert key in CHART, key
        assert CHART[key] is None or set(value) <= CHART[key], key
    assert values["additionalInstanceConfig"]["run_retries"] == instance["run_retries"]
    assert values["dagsterDaemon"]["runRetries"]["enabled"] is False
    pools = instance["concurrency"]["pools"]
    assert values["concurrency"]["pools"] == {"defaultLimit": pools["default_limit"], "granularity": "run"}
    runs = instance["concurrency"]["runs"]
    assert values["concurrency"]["runs"] == {
        "maxConcurrentRuns": runs["max_concurrent_runs"],
        "tagConcurrencyLimits": runs["tag_concurrency_limits"],
    }
    monitoring = instance["run_monitoring"]
    assert values["dagsterDaemon"]["runMonitoring"] == {
        "enabled": monitoring["enabled"],
        "startTimeoutSeconds": monitoring["start_timeout_seconds"],
        "maxResumeRunAttempts": monitoring["max_resume_run_attempts"],
        "maxRuntimeSeconds": monitoring["max_runtime_seconds"],
    }
    [ingress] = [each["spec"] for each in values["extraManifests"] if each["kind"] == "Ingress"]
    [service] = [each for each in values["extraManifests"] if each["kind"] == "Service"]
    [path] = ingress["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": service["metadata"]["name"], "port": {"name": "http"}}
    assert ingress["tls"][0]["hosts"] == [ingress["rules"][0]["host"]]
    [deployment] = values["dagster-user-deployments"]["deployments"]
    image = f"{deployment['image']['repository']}:{deployment['image']['tag']}"
    for manifest in values["extraManifests"]:
        for container in manifest["spec"].get("template", {}).get("spec", {}).get("containers", []):
            assert container["image"] == image
            assert program_exists(container["command"])


def pins(lock: Path) -> set[str]:
    """`name==version` of everything in a lock."""
    return set(re.findall(r"^[a-z0-9][^ ]*==\S+", lock.read_text(encoding="utf-8"), re.MULTILINE))


def test_images_hold_what_was_tested_and_nothing_that_only_development_needs() -> None:
    installed, tested = pins(DEPLOY / "requirements.lock"), pins(PROJECT / "requirements.lock")
    assert {pin.partition("==")[0] for pin in installed} > {"dagster", "sqlalchemy", "pygsheets", "stripe"}
    assert installed < tested
    assert not {"pytest", "django", "playwright", "mypy"} & {pin.partition("==")[0] for pin in installed}


def test_versions_that_deploy_names_are_those_of_the_lock() -> None:
    locked = (PROJECT / "requirements.lock").read_text()
    values = (DEPLOY / "helm-values.yaml").read_text()
    version = re.search(r"^dagster==(\S+)", locked, re.MULTILINE)
    family = re.search(r"^dagster-postgres==(\S+)", locked, re.MULTILINE)
    assert version is not None
    assert family is not None
    assert f"--version {version[1]}" in values
    assert f"dagster-k8s=={family[1]}" in values


def test_the_wheel_holds_the_product_and_no_stand_in(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "b2b_pipelines", "assets", "resources", "schedules",
    }  # fmt: skip


def test_commands_of_the_stand_ins_appear_only_where_they_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"demo", "sandbox"} <= set(main.single_commands())
    monkeypatch.setitem(sys.modules, "sandbox", None)  # as in an installed wheel
    assert not {"demo", "sandbox"} & set(main.single_commands())
    assert "doctor" in main.single_commands()
