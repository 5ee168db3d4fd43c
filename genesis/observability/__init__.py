"""What is known of a run while it goes on: one id, traces, metrics, log lines. Off, or silent, by default."""
