"""What is known of a run while it goes on: one id, traces, metrics, log lines. All of it is off or silent by default."""
