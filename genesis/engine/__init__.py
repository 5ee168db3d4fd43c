"""What runs a program inside a flow run: the driver, attempts at leaves, failover, replanning, the run's lease."""
