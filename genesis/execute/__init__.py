"""Execution on Prefect: task runs, ledger, results, resume, and the embedded server."""
