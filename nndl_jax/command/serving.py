"""The command that opens the page which the pipeline has written."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from nndl_jax.command.console import Quiet, in_a_sentence, show

SITE = Path("report/site")


@in_a_sentence
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    browse: Annotated[bool, typer.Option("--browse/--no-browse", help="Open a browser.")] = True,
    quiet: Quiet = False,
) -> None:
    """Show the page of all experiments, until Ctrl-C.

    This machine alone can open it.
    """
    import webbrowser
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there.
            """Say nothing of each file."""

    if not (SITE / "index.html").is_file():
        message = f"{SITE}/index.html is written by the pipeline, and not here"
        raise FileNotFoundError(f"{message}; go to a checkout and run `nndl run`")
    try:
        server = ThreadingHTTPServer(("localhost", port), partial(Handler, directory=str(SITE)))
    except OSError as error:
        raise OSError(f"port {port}: {error.strerror}; give another --port") from None
    with server:
        address = f"http://localhost:{server.server_port}/"
        if not quiet:
            show(f"{address}; Ctrl-C ends it")
        if browse:
            webbrowser.open(address)
        server.serve_forever()
