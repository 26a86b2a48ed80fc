"""The app: every command with an example."""

import warnings
from collections.abc import Callable

import typer

from nndl_jax.command import documents, evaluating, predicting, results, serving, showing, training

app = typer.Typer(
    name="nndl",
    help="The networks of Nielsen's Neural Networks and Deep Learning: look, change, train.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _add(name: str, command: Callable[..., None], example: str) -> None:
    app.command(name, epilog=f"Example: {example}")(command)


_add("ls", documents.ls, "nndl ls --chapter 3")
_add("show", showing.show_document, "nndl show ch6-relu")
_add("check", documents.check, "nndl check experiments/mine.yaml")
_add("schema", documents.schema, "nndl schema > schema.json")
_add("new", documents.new, "nndl new mine --from ch3-dropout -S training.epochs=10")
_add("diff", documents.diff, "nndl diff ch6-relu ch6-dropout")
_add("train", training.train, "nndl train ch1-30-hidden --runs 4 --data digits")
_add("evaluate", evaluating.evaluate, "nndl evaluate trained/ch1-30-hidden/seed=0.safetensors")
_add("predict", predicting.predict, "nndl predict ch1-100-hidden seven.png")
_add("export", predicting.export, "nndl export ch1-100-hidden --to onnx")
_add("import", predicting.import_network, "nndl import net.json --out net.safetensors")
_add("results", results.results, "nndl results ch1-30-hidden")
_add("serve", serving.serve, "nndl serve --port 8080")
app.command(
    "run",
    epilog="Example: nndl run --dry",
    options_metavar="[ARGS]...",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(results.run)


def main() -> None:
    """Run the command that the process was called with."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    app(prog_name="nndl")
