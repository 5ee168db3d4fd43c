"""The fleet: work pools, automations and deployments, as the registry wants them.

`desired` says what should be there, `observe` looks what is, `diff` compares, `apply` makes it so on a Prefect server;
`project`, `entries` and `prefect_yaml` do the same for the files of a team's project. Prefect is imported by `observe`,
`apply` and `sync` alone.
"""
