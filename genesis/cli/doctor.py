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
    """Look for what is wrong on this machine, and say how to mend it."""
    from rich.markup import escape
    from rich.table import Table

    from genesis.execute.doctor import diagnose

    findings = diagnose(load_settings())
    ok = all(found.ok for found in findings)
    if as_json:
        print_document({"ok": ok, "findings": [found.model_dump(mode="json") for found in findings]})
        return 0 if ok else 1
    table = Table(box=None, pad_edge=False, show_header=False)
    for found in findings:
        table.add_row("[green]✓[/]" if found.ok else "[bold red]✗[/]", escape(found.name), escape(found.detail))
        if found.mend:
            table.add_row(
                "", "", f"[yellow]{escape(found.mend)}[/]" if not found.ok else f"[dim]{escape(found.mend)}[/]"
            )
    console().print(table)
    return 0 if ok else 1
