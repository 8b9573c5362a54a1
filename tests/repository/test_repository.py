"""Claims about models on disk."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
import safetensors.numpy

from app.errors import (
    AliasNotFound,
    Invalid,
    ModelBroken,
    ModelNotFound,
    NothingToRollBack,
    VersionInUse,
    VersionNotFound,
)
from app.repository.repository import Repository
from app.storage.folder import LEFTOVERS
from core import network


def publish(repository, make_model, *versions, **kwargs):
    for version in versions:
        repository.publish(make_model(version, **kwargs))


def test_a_published_model_is_loaded_as_it_was(repository, make_model):
    model = make_model(3, metrics={"accuracy": 0.5})
    repository.publish(model)
    loaded = repository.load("iris", 3)
    assert (loaded.name, loaded.version, loaded.classes) == ("iris", 3, model.classes)
    assert (loaded.temperature, loaded.encoding, loaded.sizes) == (1.25, model.encoding, (6, 5, 3))
    for ours, theirs in zip(loaded.parameters, model.parameters, strict=True):
        assert np.array_equal(ours.weight, theirs.weight)
        assert np.array_equal(ours.bias, theirs.bias)
    assert loaded.card == repository.card("iris", 3)
    assert loaded.card["metrics"] == {"accuracy": 0.5}
    assert loaded.card["created_at"].startswith("2026-01-01T00:00:")


def test_names_come_in_order_all_of_them_or_some_behind_another(repository, make_model, root):
    for name in ("c", "a", "d", "b"):
        repository.publish(make_model(1, name=name))
    (root / "bb" / "1").mkdir(parents=True)  # not complete, and so no model
    assert repository.names() == ["a", "b", "c", "d"]
    assert repository.names(after="a", most=2) == ["b", "c"]
    assert repository.names(after="c", most=2) == ["d"]


def test_a_loaded_model_can_be_published_under_another_name(repository, make_model, root):
    repository.publish(make_model(1))
    (root / "other").mkdir()
    (root / "iris" / "1").rename(root / "other" / "4")
    loaded = repository.load("other", 4)
    assert (loaded.name, loaded.version, loaded.card["name"]) == ("other", 4, "other")
    assert repository.names() == ["other"]


def test_softmax_regression_in_float64_and_every_type_of_class_come_back(repository, make_model):
    for version, classes in enumerate([("a", "b"), (3, 1), (False, True)], start=1):
        repository.publish(make_model(version, hidden=(), classes=classes, dtype=np.float64))
        loaded = repository.load("iris", version)
        assert loaded.classes == classes
        assert loaded.parameters[0].weight.dtype == np.float64


def test_the_weights_file_is_one_that_the_library_opens(repository, make_model):
    model = make_model()
    repository.publish(model)
    tensors = safetensors.numpy.load_file(repository.weights("iris", 1))
    assert set(tensors) == {f"layers.{i}.{part}" for i in (0, 1) for part in ("weight", "bias")}
    assert np.array_equal(tensors["layers.1.weight"], model.parameters[1].weight)


def staged(repository, model, members):
    with repository.staged(model, members=members) as publish:
        publish()


def test_members_of_a_committee_come_back_beside_their_model(repository, make_model):
    model = make_model(hidden=())
    features, classes = model.sizes
    rng = np.random.default_rng(0)
    members = tuple(
        (
            network.Dense(
                rng.normal(size=(features, classes)).astype(np.float32),
                rng.normal(size=classes).astype(np.float32),
            ),
        )
        for _ in range(4)
    )
    staged(repository, model, members)
    read = repository.members(repository.load("iris", 1), 4)
    for (ours,), (theirs,) in zip(read, members, strict=True):
        assert np.array_equal(ours.weight, theirs.weight)
        assert np.array_equal(ours.bias, theirs.bias)
    with pytest.raises(ModelBroken, match="not as long as"):
        repository.members(model, 3)


def test_members_that_were_not_kept_are_none_and_those_of_a_network_are_refused(repository, make_model, root):
    publish(repository, make_model, 1)
    assert repository.members(make_model(1, hidden=()), 5) is None
    (root / "iris" / "1" / "members.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelBroken):
        repository.members(make_model(1, hidden=()), 5)
    with pytest.raises(ModelBroken, match="beside a network"):
        repository.members(make_model(1), 5)


def test_publishing_a_version_again_changes_nothing(repository, make_model, root):
    repository.publish(make_model(1))
    before = {path: path.stat().st_mtime_ns for path in (root / "iris" / "1").iterdir()}
    repository.publish(make_model(1, hidden=(9,)))
    assert {path: path.stat().st_mtime_ns for path in (root / "iris" / "1").iterdir()} == before
    assert repository.load("iris", 1).sizes == (6, 5, 3)
    assert not [path for path in (root / "iris").iterdir() if path.name.startswith(LEFTOVERS)]


def test_an_incomplete_folder_in_the_place_of_a_version_is_no_version_and_gives_way_to_one(
    repository, make_model, root
):
    (root / "iris" / "1").mkdir(parents=True)
    (root / "iris" / "1" / "model.json").write_text("{}")
    assert repository.names() == []
    assert repository.versions("iris") == []
    assert repository.last_version("iris") == 1
    repository.publish(make_model(1))
    assert repository.load("iris", 1).version == 1


def test_a_model_that_could_not_be_loaded_again_is_not_published(repository, make_model, root):
    good = make_model()
    layer = good.parameters[0]
    nan = network.Dense(np.full_like(layer.weight, np.nan), layer.bias)
    for broken in (
        {"classes": ("a", "b")},
        {"classes": ("a", "b", 1)},
        {"temperature": 0.0},
        {"card": {"x": float("nan")}},
        {"parameters": (nan, good.parameters[1])},
        {"parameters": good.parameters[1:]},
    ):
        fields = {key: getattr(good, key) for key in good.__dataclass_fields__}
        with pytest.raises(ModelBroken, match="Version 1 of model 'iris' cannot be loaded: "):
            repository.publish(type(good)(**{**fields, **broken}))
    assert not root.exists()


def test_more_weights_than_the_limit_are_neither_published_nor_loaded(repository, make_model, root):
    repository.publish(make_model())
    small = Repository(root, max_parameters=52)
    with pytest.raises(ModelBroken, match="53 weights are more than the limit of 52"):
        small.load("iris", 1)
    with pytest.raises(ModelBroken, match="max_parameters"):
        small.publish(make_model(2))


def test_references_mean_versions(repository, make_model):
    publish(repository, make_model, 1, 2)
    repository.set_alias("iris", "production", 1)
    repository.set_alias("iris", "canary", 2)
    assert repository.resolve("iris") == ("iris", 1)
    assert repository.resolve("iris@2") == ("iris", 2)
    assert repository.resolve("iris@canary") == ("iris", 2)
    assert repository.aliases("iris") == {"production": 1, "canary": 2}


def test_what_is_not_there_is_told_apart(repository, make_model):
    publish(repository, make_model, 1)
    for ref, error in {
        "nobody": ModelNotFound,
        "nobody@1": ModelNotFound,
        "nobody@canary": ModelNotFound,
        "iris": AliasNotFound,
        "iris@canary": AliasNotFound,
        "iris@2": VersionNotFound,
        "../iris": Invalid,
        "iris@": Invalid,
    }.items():
        with pytest.raises(error):
            repository.resolve(ref)
    for version in (0, -1, 2):
        with pytest.raises(VersionNotFound):
            repository.load("iris", version)
    with pytest.raises(VersionNotFound):
        repository.set_alias("iris", "production", 2)
    with pytest.raises(ModelNotFound):
        repository.set_alias("nobody", "production", 1)
    with pytest.raises(AliasNotFound):
        repository.delete_alias("iris", "canary")
    with pytest.raises(Invalid):
        repository.set_alias("iris", "7", 1)


def test_a_repository_without_a_folder_is_empty(tmp_path):
    repository = Repository(tmp_path / "missing")
    assert repository.names() == []
    assert (repository.versions("iris"), repository.aliases("iris")) == ([], {})
    assert repository.last_version("iris") == 0
    assert repository.sweep() == 0


def test_moving_an_alias_says_where_it_was_and_is_written_in_the_history(repository, make_model, root):
    publish(repository, make_model, 1, 2)
    assert repository.set_alias("iris", "production", 1) is None
    assert repository.set_alias("iris", "production", 2) == 1
    assert repository.set_alias("iris", "production", 2) == 2
    repository.delete_alias("iris", "production")
    content = json.loads((root / "iris" / "aliases.json").read_text())
    assert content["format"] == 1
    assert content["aliases"] == {}
    assert content["last_version"] == 2
    assert [(move["alias"], move["from"], move["to"]) for move in content["history"]] == [
        ("production", None, 1),
        ("production", 1, 2),
        ("production", 2, None),
    ]
    assert all(datetime.fromisoformat(move["at"]).tzinfo == UTC for move in content["history"])


def test_rolling_back_twice_walks_further_back_until_nothing_is_left(repository, make_model):
    publish(repository, make_model, 1, 2, 3)
    for version in (1, 2, 3):
        repository.set_alias("iris", "production", version)
    assert repository.rollback("iris") == (3, 2)
    assert repository.rollback("iris") == (2, 1)
    with pytest.raises(NothingToRollBack):
        repository.rollback("iris")
    assert repository.aliases("iris") == {"production": 1}


def test_of_several_who_roll_back_at_once_each_hears_where_he_found_production(root, repository, make_model):
    publish(repository, make_model, *range(1, 10))
    for version in range(1, 10):
        repository.set_alias("iris", "production", version)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: Repository(root).rollback("iris"), range(8)))
    assert sorted(told) == [(version + 1, version) for version in range(1, 9)]


def test_a_version_with_an_alias_is_not_deleted_and_a_deleted_one_is_gone_for_good(repository, make_model):
    publish(repository, make_model, 1, 2)
    repository.set_alias("iris", "production", 2)
    with pytest.raises(VersionInUse, match="alias 'production'"):
        repository.delete_version("iris", 2)
    repository.delete_alias("iris", "production")
    repository.delete_version("iris", 2)
    assert repository.versions("iris") == [1]
    assert repository.last_version("iris") == 2
    with pytest.raises(VersionNotFound):
        repository.delete_version("iris", 2)


def test_a_deleted_model_is_listed_no_more_and_its_numbers_stay_used(repository, make_model, root):
    publish(repository, make_model, 1, 5)
    repository.set_alias("iris", "production", 5)
    repository.delete_model("iris")
    assert repository.names() == []
    assert repository.aliases("iris") == {}
    assert Repository(root).last_version("iris") == 5
    with pytest.raises(ModelNotFound):
        repository.resolve("iris")
    with pytest.raises(ModelNotFound):
        repository.delete_model("iris")
    publish(repository, make_model, 6)
    repository.set_alias("iris", "production", 6)
    with pytest.raises(NothingToRollBack):
        repository.rollback("iris")


def test_versions_are_sorted_as_numbers(repository, make_model):
    publish(repository, make_model, 10, 9, 2)
    assert repository.versions("iris") == [2, 9, 10]
    assert repository.last_version("iris") == 10


def test_the_sweep_takes_what_crashed_writers_left_an_hour_ago(repository, make_model, root):
    publish(repository, make_model, 1)
    (root / "iris" / ".staging-dead").mkdir()
    (root / ".writing-dead").write_bytes(b"")
    now = datetime.now(UTC)
    assert Repository(root, clock=lambda: now).sweep() == 0
    later = datetime.fromtimestamp(now.timestamp() + 3700, UTC)
    assert Repository(root, clock=lambda: later).sweep() == 2
    assert repository.versions("iris") == [1]


def test_what_a_crashed_writer_left_goes_with_the_models_next_version(repository, make_model, root):
    publish(repository, make_model, 1)
    (root / "iris" / ".staging-dead").mkdir()
    later = datetime.fromtimestamp(datetime.now(UTC).timestamp() + 3700, UTC)
    Repository(root, clock=lambda: later).publish(make_model(2))
    assert {path.name for path in (root / "iris").iterdir()} == {".lock", "1", "2"}


def test_a_stamp_is_another_one_after_every_change_of_what_a_reference_means(repository, make_model):
    publish(repository, make_model, 1, 2)
    assert repository.stamp("iris") is None
    assert repository.stamp("iris@3") is None
    stamps = []
    for i in range(20):
        repository.set_alias("iris", "production", 1 + i % 2)
        stamps.append(repository.stamp("iris"))
    assert stamps == sorted(set(stamps))
    assert repository.stamp("iris@1") == repository.stamp("iris@1") is not None


def test_a_mapped_version_goes_on_answering_after_it_is_deleted(root, make_model):
    repository = Repository(root, map_from=0)
    repository.publish(make_model(1))
    repository.publish(make_model(2))
    mapped = repository.load("iris", 1)
    assert not mapped.parameters[0].weight.flags.owndata
    repository.delete_version("iris", 1)
    for layer, wanted in zip(mapped.parameters, make_model(1).parameters, strict=True):
        assert np.array_equal(layer.weight, wanted.weight)
        assert np.array_equal(layer.bias, wanted.bias)
