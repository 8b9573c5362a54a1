"""Claim: whatever is published, moved, rolled back or deleted, the answers are those of a plain dict."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.errors import AliasNotFound, ModelNotFound, NothingToRollBack, VersionInUse, VersionNotFound
from app.repository.repository import Repository

IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - hundreds of fsyncs cost nothing there
versions = st.integers(1, 4)
aliases = st.sampled_from(["production", "canary"])


@pytest.fixture
def machine(make_model):
    """The state machine, with models to publish."""

    class Machine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.root = Path(tempfile.mkdtemp(dir=IN_MEMORY))
            self.repository = Repository(self.root)
            self.versions, self.aliases, self.trail, self.last = set(), {}, [None], 0

        def expected(self, version):
            if not self.versions:
                return ModelNotFound
            return None if version in self.versions else VersionNotFound

        def moved(self, alias):
            if alias == "production" and self.trail[-1] != self.aliases.get(alias):
                self.trail.append(self.aliases.get(alias))

        @initialize()
        def begin(self):
            self.publish({1, 2, 3, 4})

        @rule()
        def reopen(self):
            self.repository = Repository(self.root)

        @rule(chosen=st.sets(versions, min_size=2))
        def publish(self, chosen):
            for version in chosen:
                self.repository.publish(make_model(version))
            self.versions |= chosen
            self.last = max(self.last, *chosen)

        @rule(alias=aliases, version=versions)
        def set_alias(self, alias, version):
            if error := self.expected(version):
                with pytest.raises(error):
                    self.repository.set_alias("iris", alias, version)
                return
            assert self.repository.set_alias("iris", alias, version) == self.aliases.get(alias)
            self.aliases[alias] = version
            self.moved(alias)

        @rule(alias=aliases)
        def delete_alias(self, alias):
            if alias not in self.aliases:
                with pytest.raises((AliasNotFound, ModelNotFound)):
                    self.repository.delete_alias("iris", alias)
                return
            self.repository.delete_alias("iris", alias)
            del self.aliases[alias]
            self.moved(alias)

        @rule(times=st.sampled_from([3, 2, 1]))
        def rollback(self, times):
            for _ in range(times):
                self.roll_back_once()

        def roll_back_once(self):
            below = self.trail[:-1]
            while below and (below[-1] not in self.versions or below[-1] == self.trail[-1]):
                below.pop()
            if not below:
                with pytest.raises((NothingToRollBack, ModelNotFound)):
                    self.repository.rollback("iris")
                return
            assert self.repository.rollback("iris")[1] == below[-1]
            self.trail = below
            self.aliases["production"] = below[-1]

        @rule(order=st.permutations([1, 2, 3, 4]))
        def promote(self, order):
            for version in order:
                self.set_alias("production", version)

        @rule(version=versions)
        def delete_version(self, version):
            error = self.expected(version) or (VersionInUse if version in self.aliases.values() else None)
            if error:
                with pytest.raises(error):
                    self.repository.delete_version("iris", version)
                return
            self.repository.delete_version("iris", version)
            self.versions.remove(version)

        @rule()
        def delete_model(self):
            if not self.versions:
                with pytest.raises(ModelNotFound):
                    self.repository.delete_model("iris")
                return
            self.repository.delete_model("iris")
            self.versions, self.aliases = set(), {}
            self.moved("production")

        @invariant()
        def answers_as_a_dict_would(self):
            assert self.repository.versions("iris") == sorted(self.versions)
            assert self.repository.aliases("iris") == self.aliases
            assert self.repository.names() == (["iris"] if self.versions else [])
            assert self.repository.last_version("iris") == self.last
            for alias, version in self.aliases.items():
                assert self.repository.resolve(f"iris@{alias}") == ("iris", version)

        def teardown(self):
            shutil.rmtree(self.root)

    return Machine


@pytest.mark.slow
def test_the_repository_answers_as_a_plain_dict_would(machine):
    case = machine.TestCase
    case.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
    case("runTest").runTest()
