"""`genesis doctor`."""

from __future__ import annotations

import click

from genesis.cli.options import debug_option, json_option, load_settings
from genesis.cli.output import console, print_document

__all__ = ["doctor"]


@click.command(epilog="Example: genesis doctor")
@json_option
@debug_option
def doctor(as_json: bool) -> int:
    """Diagnose problems on this machine and suggest fixes."""
    from rich.text import Text

    from genesis.cli.rows import Rows
    from genesis.server.doctor import diagnose

    findings = diagnose(load_settings())
    ok = all(found.ok for found in findings)
    if as_json:
        print_document({"ok": ok, "findings": [found.model_dump(mode="json") for found in findings]})
        return 0 if ok else 1
    table = Rows(("", ""))
    for found in findings:
        mark = ("✓ ", "green") if found.ok else ("✗ ", "bold red")
        said = Text(found.detail)
        if found.mend:
            said.append(f"\n→ {found.mend}", style="dim" if found.ok else "yellow")
        table.add(Text.assemble(mark, found.name), said)
    console().print(table)
    return 0 if ok else 1
