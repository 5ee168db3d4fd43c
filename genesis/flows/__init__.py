"""The Prefect flows of Genesis, and what starts them."""
