"""The one client to the Prefect API, and where that API is: addresses, profiles, environment variables."""
