"""What watches a run and reports it: spans and metrics, events, artifacts, progress, the run's journal."""
