import pytest
from pydantic import ValidationError

from genesis.model import Diagnostic, Report, ScoreParts

_PARTS = ScoreParts(success=1, quality=1, cost=1, time=1)


def _diagnostic(severity: str) -> Diagnostic:
    return Diagnostic.model_validate({"code": f"GEN-{severity}", "severity": severity, "message": "m"})


def test_a_report_tells_errors_and_warnings_apart():
    found = tuple(map(_diagnostic, ("error", "warning", "info", "warning")))
    report = Report(ok=False, score=0.5, parts=_PARTS, diagnostics=found)
    assert report.errors == found[:1]
    assert report.warnings == (found[1], found[3])


@pytest.mark.parametrize("wrong", [{"score": 1.1}, {"score": -0.1}, {"parts": {"success": 1}}, {"diagnostics": [{}]}])
def test_a_report_that_cannot_be_is_refused(wrong: dict):
    with pytest.raises(ValidationError):
        Report.model_validate({"ok": True, "score": 1, "parts": _PARTS, **wrong})


def test_there_are_three_severities():
    with pytest.raises(ValidationError):
        _diagnostic("fatal")


def test_evidence_survives_json():
    finding = Diagnostic(code="GEN-X", severity="info", message="m", evidence={"tasks": ["a", None, 1.5, {"b": True}]})
    assert Diagnostic.model_validate_json(finding.model_dump_json()) == finding
