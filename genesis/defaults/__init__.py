"""What Genesis brings along: the registry of agents (`agents.yaml`) and the playbooks, as data."""
