"""Promise: the tables of the benchmarks show the newest figures of one machine, judged fairly."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent / "bench"
HERE = {"cpu": "a CPU", "cpus": 2, "memory_gib": 8, "caches": "L1d 48 KiB", "system": "Linux"}
ELSEWHERE = HERE | {"cpu": "another CPU"}
KERNEL = {
    "kernel": "product",
    "isa": "avx2",
    "dtype": "float32",
    "shape": "K=64",
    "share_of_peak": 0.5,
    "share_of_bandwidth": None,
}


def run(script, *arguments):
    """A script of bench/ in a process of its own."""
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def spread(value):
    """A value that is always the same."""
    return {"median": value, "p10": value, "p90": value}


def row(seconds=1e-3, threads=2, wrong=(), **others):
    """A layer's row; one of pyrnn's own that is wrong has no figures."""
    case = {"mode": "training", "cell": "LSTM", "B": 1, "T": 2, "H": 64}
    found = {
        "name": "a case",
        "case": case,
        "threads": threads,
        "wrong": dict(wrong),
        "isa": "avx2",
    }
    if "pyrnn" in found["wrong"]:
        return found | {"seconds": {}}
    own = {"seconds": {"pyrnn": spread(seconds)}, "gflops": spread(2.0), "limit": "FMA peak"}
    return found | own | {"ratios": {}} | others


def write(path, families, when="2026-01-01 00:00 UTC", machine=HERE):
    """A results file of families {name: rows}."""
    details = {"title": "A title", "when": when, "python": "3.11", "versions": {}}
    found = {name: details | {"rows": rows} for name, rows in families.items()}
    path.write_text(json.dumps({"machine": machine, "families": found}))


def report(folder, part="layers"):
    """The text of one part of the report."""
    page = folder / "page.md"
    page.write_text(f"<!-- bench: begin {part} -->\n<!-- bench: end {part} -->")
    done = run("report.py", "--results", folder, "--write", page)
    assert done.returncode == 0, done.stderr
    return page.read_text()


def test_of_two_measurements_the_one_with_peers_is_shown(tmp_path):
    """A later one of pyrnn alone takes no peer out of the tables."""
    for name, seconds, day in (("peers", 5e-3, 1), ("layers", 3e-3, 2)):
        families = {"training-small-nets": [row(seconds)]}
        families |= {"training-lstm": [row(3e-3)]} if name == "layers" else {}
        write(tmp_path / f"{name}.json", families, f"2026-02-0{day} 00:00 UTC")
    page = report(tmp_path)
    assert page.count("| a case | 5,000 |") == page.count("| a case | 3,000 |") == 1


def test_kernels_are_kept_with_their_machine(tmp_path):
    program = tmp_path / "pyrnn_bench"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, sys\n"
        "assert sys.argv[1:3] == ['kernels', '--quick']\n"
        f"json.dump([{KERNEL}], open(sys.argv[-1], 'w'))\n"
    )
    program.chmod(0o755)
    path = tmp_path / "kernels.json"
    done = run("kernels.py", "--quick", "--probe", program, "--json", path)
    assert done.returncode == 0, done.stderr
    file = json.loads(path.read_text())
    assert file["machine"]["cpu"] and file["families"]["kernels"]["when"]
    assert "| product | avx2 |" in report(tmp_path, "kernels")


def test_kernels_of_another_machine_are_left_out(tmp_path):
    layers = {"training-small-nets": [row()]}
    write(tmp_path / "layers.json", layers, when="2026-02-01 00:00 UTC")
    for machine, shown in ((HERE, True), (ELSEWHERE, False)):
        write(tmp_path / "kernels.json", {"kernels": [KERNEL]}, machine=machine)
        assert ("| product |" in report(tmp_path, "kernels")) == shown


def test_a_file_without_a_machine_is_refused(tmp_path):
    (tmp_path / "kernels.json").write_text(json.dumps([KERNEL]))
    done = run("plots.py", "--results", tmp_path)
    assert "does not say which machine" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (row(ratios={"jax": spread(9.9)}, wrong={"torch": "y is off"}), "| wrong | **9.90"),
        (row(ratios={"jax": spread(9.9)}, wrong={"torch": "y is off"}), "| reached |"),
        (row(wrong={"pyrnn": "y is off"}), "| **y is off** |"),
        (row(ratios={"jax": spread(0.9)}), "| **slower than jax** |"),
    ],
)
def test_a_row_is_judged_by_its_own_results(found, words, tmp_path):
    write(tmp_path / "layers.json", {"training-small-nets": [found]})
    assert words in report(tmp_path)


def test_the_uses_say_where_a_peer_is_faster(tmp_path):
    """In their own rows and in the full tables, which may be of another machine."""
    uses = {
        use: row(ratios={"torch": spread(r), "jax": spread(9.9)}, megabytes={})
        for use, r in (("one", 2.0), ("two", 0.5))
    }
    uses["two"]["megabytes"] = {"pyrnn": 3.21}
    for found in uses.values():
        found["seconds"] = {"pyrnn": spread(1e-3), "torch": spread(2e-3)}
    versions = {name: {"version": "1"} for name in ("pyrnn", "torch")}
    about = {"when": "now", "python": "3", "versions": versions}
    written = {"machine": ELSEWHERE, **about, "uses": uses}
    (tmp_path / "uses.json").write_text(json.dumps(written))
    lost = row(name="lost", ratios={"jax": spread(0.5)})
    write(tmp_path / "peers.json", {"deepbench-training": [row(ratios={"jax": spread(2)}), lost]})
    text = report(tmp_path, "uses")
    assert "| one | 1 | 2 |" in text and "| two | 1 (3.21 MB on disk) | 2 |" in text
    assert "A peer is faster in two (torch takes 0.50 times pyrnn's time). another CPU" in text
    assert "a CPU" in text
    assert "faster in 1 of 2 cases: lost in DeepBench, training (jax takes 0.50 times" in text


def test_uses_that_were_not_measured_say_how(tmp_path):
    write(tmp_path / "layers.json", {"training-lstm": [row()]})
    assert "`make bench-uses` writes them here." in report(tmp_path, "uses")


def test_the_overview_counts_the_cases_on_target(tmp_path):
    rows = [row(share=spread(0.9), ratios={"jax": spread(r)}) for r in (0.9, 4.0)]
    write(tmp_path / "peers.json", {"training-small-nets": rows})
    assert "| 90% to 90% | 1.90, at least 0.90 (**mean below 3.5**) | 1 of 2 |" in report(
        tmp_path, "overview"
    )


@pytest.mark.parametrize(("threads", "words"), [(1, "| **share below 0.7** |"), (2, "| – | – |")])
def test_shares_are_judged_with_the_threads_they_are_meant_for(threads, words, tmp_path):
    found = row(threads=threads, share=spread(0.5))
    write(tmp_path / "layers.json", {"training-avx2": [found]})
    assert words in report(tmp_path)


@pytest.mark.parametrize(
    ("over", "words"), [(0.1e-6, "| reached |"), (0.2e-6, "| **over 0.15 µs**")]
)
def test_a_stream_may_take_little_more_than_its_kernel(over, words, tmp_path):
    found = row(1e-6, kernel_seconds=spread(1e-6 - over), over_kernel=spread(over))
    write(tmp_path / "layers.json", {"stream": [found]})
    text = report(tmp_path)
    assert words in text[text.index("stream.step over its kernel") :]


def test_a_document_without_known_marks_is_refused(tmp_path):
    page = tmp_path / "page.md"
    marks = "<!-- bench: begin speed -->\n<!-- bench: end speed -->"
    for text, words in (("no marks", "bench: begin"), (marks, "no part is called speed")):
        page.write_text(text)
        done = run("report.py", "--results", tmp_path, "--write", page)
        assert done.returncode != 0 and words in done.stderr and "Traceback" not in done.stderr
        assert page.read_text() == text


def test_plots_without_results_are_refused(tmp_path):
    done = run("plots.py", "--results", tmp_path)
    assert "holds no results" in done.stderr and "Traceback" not in done.stderr


def test_plots_leave_out_what_is_wrong(tmp_path):
    write(tmp_path / "kernels.json", {"kernels": [KERNEL]})
    write(tmp_path / "scaling.json", {"threads": [row(wrong={"2 threads": "y is off"})]})
    done = run("plots.py", "--results", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "kernels.png").exists() and (tmp_path / "scaling.png").exists()
