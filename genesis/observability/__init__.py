"""What is known of a run while it continues: one id, traces, metrics, log lines. Off, or silent, by default."""
