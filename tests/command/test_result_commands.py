"""Commands that show what the pipeline has judged, and run it."""

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import webbrowser
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest
from project import ROOT


@pytest.fixture
def judged(nndl) -> list[dict]:
    """The report of the checkout, in the working folder."""
    Path("report").mkdir()
    shutil.copyfile(ROOT / "report/judgements.json", "report/judgements.json")
    return json.loads(Path("report/judgements.json").read_text())["judgements"]


def test_results_count_claims_as_the_readme_does(nndl, judged: list[dict]) -> None:
    lines = nndl("results").stdout.splitlines()
    (line,) = [line for line in lines if " claims of the book: " in line]
    number, _, counts = line.partition(" claims of the book: ")
    books = [entry for entry in judged if entry["chapter"] is not None]
    assert int(number) == len(books)
    assert f"{len(judged) - len(books)} claims of other documents: " in lines[-1]
    readme = (ROOT / "README.md").read_text()
    assert f"Of {number} claims of the book: {counts}, " in readme


def test_results_of_a_document_show_the_book_beside_ours(nndl, judged: list[dict]) -> None:
    own = [entry for entry in judged if entry["document"] == "ch1-30-hidden"]
    heads, *rows = nndl("results", "ch1-30-hidden").stdout.splitlines()
    assert heads.split() == ["verdict", "book", "here", "claim"]
    assert len(rows) == len(own)
    for row, entry in zip(rows, own, strict=True):
        assert row.endswith(entry["statement"])
    shown = json.loads(nndl("results", "ch1-30-hidden", "--json").stdout)
    assert [entry["statement"] for entry in shown] == [entry["statement"] for entry in own]
    assert len(json.loads(nndl("results", "--json").stdout)) == len(judged)


def test_a_recorded_verdict_stands_where_it_says_more_or_is_of_more_runs(nndl) -> None:
    def entry(verdict: str, statement: str, num_runs: int = 2) -> dict:
        told = {"statement": statement, "verdict": verdict, "num_runs": num_runs}
        return {"document": "a", "mean": 0.5, **told}

    today = [entry("undecided", "one"), entry("equal", "two"), entry("not run", "three", 0)]
    recorded = [entry("consistent", "one"), entry("differs", "two"), entry("undecided", "three")]
    today.append(entry("consistent", "four"))
    recorded.append(entry("inconsistent", "four", 30))
    Path("report").mkdir()
    Path("report/judgements.json").write_text(
        json.dumps({"judgements": today, "recorded": recorded})
    )
    shown = json.loads(nndl("results", "a", "--json").stdout)
    verdicts = [entry["verdict"] for entry in shown]
    assert verdicts == ["consistent", "equal", "undecided", "inconsistent"]


@pytest.fixture
def page(nndl) -> None:
    """A page in the working folder."""
    Path("report/site").mkdir(parents=True)
    Path("report/site/index.html").write_text("All experiments")


@pytest.mark.usefixtures("page")
def test_serve_shows_the_page_until_it_is_stopped(nndl, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, read = [], []

    def answer_one(server: ThreadingHTTPServer) -> None:
        reader = threading.Thread(target=lambda: read.append(urlopen(opened[0]).read()))  # noqa: S310
        server.socket.settimeout(60)
        reader.start()
        server.handle_request()
        reader.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", answer_one)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    done = nndl("serve", "--port", "0")
    assert done.exit_code == 130
    assert done.stderr == "stopped\n"
    assert re.fullmatch(r"http://localhost:\d+/", opened[0])
    assert done.stdout == f"{opened[0]}; Ctrl-C ends it\n"
    assert read == [b"All experiments"]


@pytest.mark.usefixtures("page")
def test_a_port_that_is_taken_is_refused(nndl) -> None:
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        done = nndl("serve", "--port", str(port), "--no-browse")
    assert done.exit_code == 1
    assert done.stderr == f"error: port {port}: Address already in use; give another --port\n"


def test_run_hands_its_words_to_the_pipeline(nndl, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dvc.yaml").write_text("")
    called = []
    monkeypatch.setattr(subprocess, "call", lambda command: called.append(command) or 7)
    done = nndl("run", "--dry", "report", "-f")
    assert done.exit_code == 7
    assert called == [[sys.executable, "-m", "pipeline", "--dry", "report", "-f"]]
    monkeypatch.setattr("nndl_jax.command.results.find_spec", {"dvc": "there"}.get)
    done = nndl("run")
    assert done.exit_code == 1
    assert "pip install 'nndl-jax[pipeline]', or make setup" in done.stderr


def test_diff_and_show_tell_what_was_judged_of_documents(nndl, judged: list[dict]) -> None:
    shown = nndl("diff", "ch1-30-hidden", "ch1-100-hidden").stdout
    below = shown.partition("\n\n")[2].splitlines()
    assert below[0].split() == ["document", "verdict", "book", "here", "claim"]
    names = [entry["document"] for entry in judged]
    wanted = [
        name for name in ("ch1-30-hidden", "ch1-100-hidden") for _ in range(names.count(name))
    ]
    assert [row.split()[0] for row in below[1:]] == wanted
    entry = json.loads(nndl("results", "ch1-30-hidden", "--json").stdout)[0]
    line = f"{entry['statement']} (test_accuracy = {entry['book']}, best): {entry['verdict']}, "
    assert f"  {line}{entry['mean']:.6g} ± " in nndl("show", "ch1-30-hidden").stdout


def test_diff_shows_metrics_of_the_variants_that_both_have(nndl, judged: list[dict]) -> None:
    folder = Path("metrics/documents")
    folder.mkdir(parents=True)
    for name, found in (("ch1-30-hidden", 0.95), ("mine", 0.96)):
        own = {"data": "mnist", "runs": 2, "base": {"test_accuracy.last": found}, name: {"x": 1}}
        (folder / f"{name}.json").write_text(json.dumps(own))
    nndl("new", "mine", "--from", "ch1-30-hidden", "-S", "training.epochs=40")
    words = ("diff", "ch1-30-hidden", "experiments/mine.yaml")
    _, measured, claims = nndl(*words).stdout.split("\n\n")
    assert [line.split() for line in measured.splitlines()] == [
        ["measured", "ch1-30-hidden", "mine"],
        ["data", "mnist", "mnist"],
        ["runs", "2", "2"],
        ["base.test_accuracy.last", "0.95", "0.96"],
    ]
    shown = json.loads(nndl(*words, "--json").stdout)
    assert shown["fields"]["training.epochs"] == {"ch1-30-hidden": 30, "mine": 40}
    assert shown["metrics"]["mine"]["base"] == {"test_accuracy.last": 0.96}
    own = [entry["statement"] for entry in judged if entry["document"] == "ch1-30-hidden"]
    assert [entry["statement"] for entry in shown["claims"]["ch1-30-hidden"]] == own
    assert len(claims.splitlines()) == 1 + len(own)
    (folder / "mine.json").write_text("3")
    done = nndl(*words)
    assert done.stdout.split("\n\n")[1:] == [claims]
    message = f"{folder / 'mine.json'} is not what the pipeline writes; run it again"
    assert done.stderr == f"error: {message}\n"


def test_claims_of_another_document_of_the_name_are_not_taken_for_its_own(
    nndl, judged: list[dict]
) -> None:
    path = Path("ch1-30-hidden.yaml")
    text = (ROOT / "spec" / path).read_text()
    path.write_text(text.replace("best epoch, best of three runs", "another claim"))
    claims = nndl("show", str(path)).stdout.partition("\nClaims\n")[2]
    assert "another claim (test_accuracy = 0.9542, best)\n" in claims
    assert " here" not in claims


def test_a_damaged_report_hides_nothing_else(nndl) -> None:
    shown = nndl("show", "ch1-30-hidden").stdout
    compared = nndl("diff", "ch1-30-hidden", "ch1-100-hidden").stdout
    Path("report").mkdir()
    Path("report/judgements.json").write_text("{}")
    for words, before in (
        (("show", "ch1-30-hidden"), shown),
        (("diff", "ch1-30-hidden", "ch1-100-hidden"), compared),
    ):
        done = nndl(*words)
        assert (done.exit_code, done.stdout) == (0, before)
        assert done.stderr.count("judgements.json is not what the pipeline writes") == 1


def test_ls_tells_minutes_where_trainings_were_measured(nndl) -> None:
    assert "minutes" not in nndl("ls", "--chapter", "2").stdout
    Path(".nndl").mkdir()
    Path(".nndl/seconds.json").write_text('{"ch1-30-hidden": 90.0}')
    heads, *rows = nndl("ls", "--chapter", "1").stdout.splitlines()
    assert heads.split() == ["id", "kind", "variants", "parameters", "minutes", "title"]
    (row,) = [row for row in rows if row.startswith("ch1-30-hidden ")]
    assert re.split(r"  +", row)[4] == "1.5"
    listed = {card["id"]: card for card in json.loads(nndl("ls", "--json").stdout)}
    assert listed["ch1-30-hidden"]["seconds"] == 90.0
    assert listed["ch1-100-hidden"]["seconds"] is None
    Path(".nndl/seconds.json").write_text("[3]")
    assert "minutes" not in nndl("ls", "--chapter", "1").stdout
