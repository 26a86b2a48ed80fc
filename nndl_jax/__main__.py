"""`python -m nndl_jax` is the command `nndl`."""

import signal

_ASKED = signal.getsignal(signal.SIGINT)
"""What Ctrl-C does by default; nothing in the background."""
if _ASKED is signal.default_int_handler:  # No traceback of imports, before and after the command.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Run the command that the process was called with."""
    from nndl_jax.command import app

    before = signal.signal(signal.SIGINT, _ASKED)
    try:
        app.main()
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    main()
