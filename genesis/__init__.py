"""Genesis: plan, route, check, compile and run a fleet of agents on Prefect."""
