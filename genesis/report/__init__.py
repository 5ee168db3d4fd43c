"""The report of a run: one page of HTML, and the same facts as data. Pure; what it is made from is read elsewhere."""

from genesis.report.evidence import Evidence
from genesis.report.facts import ReportFacts, facts_of
from genesis.report.page import report_page

__all__ = ["Evidence", "ReportFacts", "facts_of", "report_page"]
