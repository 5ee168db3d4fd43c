"""Detection of secrets by name and by form, and redaction of text."""
