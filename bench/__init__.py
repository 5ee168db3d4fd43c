"""What is measured, one module a subject; see the README beside this file."""
