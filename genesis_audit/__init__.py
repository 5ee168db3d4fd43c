"""The tools behind the repository audit: plain functions that read a folder and return findings.

Each tool is a module with one public function, `run`, that a `python` executor calls with a leaf's inputs as keyword
arguments and whose answer is a JSON-able dict. Every answer has `summary`, one sentence, and `findings`, a list of
`{severity, title, detail, where, advice}`; what else it promises is in the function's docstring.

The audited folder is untrusted. Nothing in it is executed or imported; git runs with hooks, filters and transports off;
links that leave the folder are not followed; every loop and child process has a bound. The one exception is
`tests.run(run_tests="yes")`, which a person has to ask for.

```
inventory  dependencies  lint  tests  secrets  todos  history  licence  documentation  complexity  infrastructure
                                              └── report ──┘
```
"""
