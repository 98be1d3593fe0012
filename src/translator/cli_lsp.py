"""``xlate lsp``: the language server, for editors."""

from __future__ import annotations

import click

from translator.cli_root import HELP_OPTIONS


@click.command(context_settings=HELP_OPTIONS)
@click.option("--tcp", metavar="PORT", type=click.IntRange(1, 65535), help="Listen on this local port instead.")
def lsp(tcp: int | None) -> None:
    """Run the language server over standard input and output.

    It needs the extra: pip install 'xlate[lsp]'. docs/editors.md says how editors start it.
    """
    try:
        from translator.lsp.server import make_server
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise click.ClickException("the language server needs pygls: pip install 'xlate[lsp]'") from None
    server = make_server()
    if tcp is not None:
        server.start_tcp("127.0.0.1", tcp)
    else:
        server.start_io()
