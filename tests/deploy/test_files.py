"""The files that deploy the server say nothing that it does not know, and leave training the memory it may have."""

from pathlib import Path
from typing import Any

import yaml

from app.settings import MIB, Settings

ROOT = Path(__file__).parents[2]
SETTINGS = {f"NEURONA_{name.upper()}" for name in Settings.model_fields}


def container() -> dict[str, Any]:
    files = yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text())
    (deployment,) = [each for each in files if each["kind"] == "Deployment"]
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return found


def test_every_variable_that_they_set_is_a_setting():
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    lines = (ROOT / "Dockerfile").read_text().split()
    said = [word.partition("=")[0] for word in lines if word.startswith("NEURONA_")]
    said += list(compose["services"]["neurona"]["environment"])
    said += [each["name"] for each in container()["env"]]
    assert len(said) > 5
    assert set(said) <= SETTINGS


def test_rows_that_are_held_in_memory_and_encoded_there_take_half_of_what_a_pod_may_have():
    (rows,) = [each["value"] for each in container()["env"] if each["name"].endswith("TRAINING_MEMORY_BYTES")]
    limit = container()["resources"]["limits"]["memory"]
    assert limit.endswith("Gi")
    assert 2 * int(rows) == int(limit.removesuffix("Gi")) * 1024 * MIB // 2


def test_what_the_image_is_made_of_gets_into_its_build():
    kept = {
        line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        match line.split():
            case ["COPY", *sources, _] if not sources[0].startswith("--"):
                for source in sources:
                    assert source in kept, line
                    assert (ROOT / source).exists()
