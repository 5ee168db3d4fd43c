"""What Genesis brings along: playbooks, as data."""
