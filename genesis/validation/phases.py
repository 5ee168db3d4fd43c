"""Which phase of a delivery a leaf belongs to: design, build, test or deploy; most leaves belong to none.

The leading verb decides where it is clear, else the type. It is on purpose a careful reading: `Write unit tests` is not
running them, `Prepare the deployment` is not deploying, and `Publish the report` is no release of software, so none of
them is ever out of order.
"""

from __future__ import annotations

import re
from enum import IntEnum

from genesis.model import Task
from genesis.validation.words import WordAnalyzer, split_words

__all__ = ["Phase", "Phases"]


class Phase(IntEnum):
    """A phase of a delivery; the values add up to sets of phases."""

    DESIGN = 1
    BUILD = 2
    TEST = 4
    DEPLOY = 8


_DEPLOY_TYPES = split_words("deploy deployment release rollout")
_BUILD_TYPES = split_words("implement implementation code coding build develop development frontend backend ui feature")
_TEST_TYPES = split_words("test tests testing test_run qa quality_assurance")
_DESIGN_TYPES = split_words(
    "design requirements requirement architecture system_design technical_spec specification spec"
)
_OPEN_TYPES = split_words("generic task step devops infrastructure api database ops operations validation")
_TYPES = _DEPLOY_TYPES | _BUILD_TYPES | _TEST_TYPES | _DESIGN_TYPES | _OPEN_TYPES

_PREPARE = """
    write create draft add prepare plan design define document set setup configure provision review research analyse
    describe list collect choose select evaluate estimate decide specify outline generate scaffold bootstrap initialise
    initialize init install
"""
_LOOK = "test verify validate check qa monitor observe announce measure investigate"
_DEPLOY = "deploy release publish ship launch rollout promote"
_BUILD = "implement build develop code program refactor fix"
_RUN = "run execute test perform conduct rerun verify validate check qa"
_TESTS = "test tests testing suite regression qa pytest unittest e2e"
_NO_TESTS = "idea hypothesis assumption market requirement design prototype concept strategy message price pricing user"
_NO_DEPLOY = """
    campaign note article post blog report newsletter survey announcement press marketing content video podcast
    documentation plan email finding result summary paper book
"""
_BASELINE = re.compile(r"\b(?:baseline|existing|current|before|reproduc\w+|failing|first)\b", re.IGNORECASE)
_AFTERCARE = re.compile(
    r"\b(?:smoke|acceptance|deploy\w*|releas\w+|live|production|prod|staging|canary|roll-?out|health|post|monitor\w*|"
    r"after|beta|launch\w*|url|site is)\b",
    re.IGNORECASE,
)
_TRIAL = re.compile(r"\b(?:staging|stage|canary|preview|sandbox|test|testing|demo|beta|qa|dev)\b", re.IGNORECASE)
_DESIGN_OF_LATER = re.compile(
    r"\b(?:test\w*|launch\w*|campaign\w*|marketing|deploy\w*|roll-?out|monitor\w*|next|future|v?2|onboarding|logo|"
    r"landing|documentation|docs|training|dashboard\w*|alert\w*|maintenance|support)\b",
    re.IGNORECASE,
)


class Phases:
    """Reads the phase of leaves."""

    def __init__(self, vocabulary: WordAnalyzer) -> None:
        stems = vocabulary.stems
        self._prepare, self._look = stems(_PREPARE), stems(_LOOK)
        self._deploy, self._build = stems(_DEPLOY), stems(_BUILD)
        self._no_build = self._prepare | self._look | self._deploy
        self._run, self._words_of_tests = stems(_RUN), stems(_TESTS)
        self._no_tests, self._no_deploy = stems(_NO_TESTS), stems(_NO_DEPLOY)

    def read(self, task: Task, words: tuple[str, ...]) -> Phase | None:
        """Read the phase of a leaf from its type and the content words of its description."""
        kind = task.type.casefold()
        if kind not in _TYPES:
            return None
        verb = words[0] if words else ""
        if self._deploys(kind, verb, words):
            return Phase.DEPLOY
        if self._tests(kind, verb, words):
            return Phase.TEST
        if self._builds(kind, verb, words):
            return Phase.BUILD
        if kind in _DESIGN_TYPES and verb not in self._build and not _DESIGN_OF_LATER.search(task.description):
            return Phase.DESIGN
        return None

    def _deploys(self, kind: str, verb: str, words: tuple[str, ...]) -> bool:
        if kind in _DEPLOY_TYPES:
            clear = verb not in self._prepare and verb not in self._build and verb not in self._look
        else:
            clear = verb in self._deploy and kind in _OPEN_TYPES
        return clear and self._no_deploy.isdisjoint(words[1:])

    def _tests(self, kind: str, verb: str, words: tuple[str, ...]) -> bool:
        if kind in _TEST_TYPES:
            clear = verb not in self._prepare and verb not in self._build
        else:
            clear = verb in self._run and kind in _OPEN_TYPES and not self._words_of_tests.isdisjoint(words)
        return clear and self._no_tests.isdisjoint(words)

    def _builds(self, kind: str, verb: str, words: tuple[str, ...]) -> bool:
        if kind in _BUILD_TYPES:
            clear = verb in self._build or verb not in self._no_build
        else:
            clear = verb in self._build and kind in _OPEN_TYPES and self._no_deploy.isdisjoint(words)
        return clear and self._words_of_tests.isdisjoint(words)

    @staticmethod
    def is_baseline(description: str) -> bool:
        """Whether a test says that it looks at what is there before the work starts."""
        return _BASELINE.search(description) is not None

    @staticmethod
    def is_aftercare(description: str) -> bool:
        """Whether a test says that it looks at what has been deployed."""
        return _AFTERCARE.search(description) is not None

    @staticmethod
    def is_trial(description: str) -> bool:
        """Whether a deployment says that it goes where tests are run."""
        return _TRIAL.search(description) is not None
