"""Pictures of the results: share of the machine's limit, ratio to the peers, scaling, kernels.

python bench/plots.py --results bench/results
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, PercentFormatter

from cases import MANY_STEPS, PEERS, RAGGED_FRACTION, STEP_COST_RANGE
from report import Results
from uses import THREADS
from uses_table import cell
from verdicts import ratio_target, share_target

COLOURS = dict(zip(PEERS, ("tab:red", "tab:blue", "tab:green", "tab:purple"), strict=True))
COLUMNS = 3


def grid(families):
    """One panel per family, COLUMNS side by side, as high as their cases need: yields the figure
    and (axes, (name, family's results)).
    """
    counts = [len(found["rows"]) for found in families.values()]
    heights = [1.1 + 0.24 * max(counts[k : k + COLUMNS]) for k in range(0, len(counts), COLUMNS)]
    figure, axes = plt.subplots(
        len(heights),
        COLUMNS,
        figsize=(5.2 * COLUMNS, sum(heights) + 0.6),
        squeeze=False,
        layout="constrained",
        height_ratios=heights,
    )
    for axis in axes.flat[len(families) :]:
        axis.set_visible(False)
    return figure, zip(axes.flat, families.items(), strict=False)


def case_axis(axis, rows):
    """Cases from top to bottom."""
    axis.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=8)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="x", alpha=0.3)


def target_ticks(axis, targets):
    """A short upright line per case at the number to reach, where it has one."""
    for y, target in enumerate(targets):
        if target is not None:
            axis.plot([target] * 2, [y - 0.4, y + 0.4], color="black", lw=1.6)


def whiskers(spread):
    """What errorbar takes for one point's 10th and 90th percentile."""
    m = spread["median"]
    return [[max(0.0, m - spread["p10"])], [max(0.0, spread["p90"] - m)]]


def plot_shares(families, path, subtitle):
    """Share of the FMA peak or of the cache bandwidth, with the target."""
    figure, panels = grid(families)
    for axis, (name, found) in panels:
        rows = [row for row in found["rows"] if "share" in row]
        for y, row in enumerate(rows):
            share = row["share"]
            axis.barh(y, share["median"], height=0.62, color="tab:blue", alpha=0.75)
            axis.errorbar(share["median"], y, xerr=whiskers(share), color="0.25", capsize=2, lw=1)
        target_ticks(axis, [share_target(name, row) for row in rows])
        case_axis(axis, rows)
        axis.axvline(1, color="0.4", lw=0.8, ls=":")
        axis.set_xlim(0, max([1.02, *(row["share"]["median"] * 1.1 for row in rows)]))
        axis.xaxis.set_major_formatter(PercentFormatter(1))
        of = " or, B=1, of the ".join(sorted({row["limit"] for row in rows}))
        axis.set_xlabel(f"share of the {of}", fontsize=8)
        axis.set_title(found["title"], fontsize=9)
    save(figure, path, f"Share of the limit measured in the same round. {subtitle}")


def plot_peers(families, path, subtitle):
    """Every peer's time over pyrnn's, on a logarithmic axis with lines at 1 and the target."""
    figure, panels = grid(families)
    for axis, (name, found) in panels:
        rows = [row for row in found["rows"] if row.get("ratios")]
        for y, row in enumerate(rows):
            for peer, ratio in row["ratios"].items():
                axis.errorbar(
                    ratio["median"], y, xerr=whiskers(ratio), fmt="o", ms=5, capsize=2, lw=1,
                    color=COLOURS[peer],
                )  # fmt: skip
        target_ticks(axis, [ratio_target(name, row) for row in rows])
        case_axis(axis, rows)
        axis.axvline(1, color="0.2", lw=1)
        axis.set_xscale("log")
        low, high = axis.get_xlim()
        axis.set_xlim(min(low, 0.8), max(high, 2.2))
        axis.axvspan(axis.get_xlim()[0], 1, color="tab:red", alpha=0.07)
        steps = [s for s in (0.25, 0.5, 1, 2, 3, 5, 10, 20, 50, 100) if low <= s <= max(high, 2.2)]
        axis.set_xticks(steps, [f"{s:g}" for s in steps])
        axis.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        axis.set_title(found["title"], fontsize=9)
    handles = [plt.Line2D([], [], marker="o", ls="", color=COLOURS[p], label=p) for p in PEERS]
    handles += [plt.Line2D([], [], color="0.2", lw=1, label="as fast as pyrnn (left: faster)")]
    handles += [plt.Line2D([], [], color="black", lw=1.6, label="target")]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9)
    save(figure, path, f"Peer's time over pyrnn's (right of 1: pyrnn is faster). {subtitle}")


def plot_scaling(families, path, subtitle):
    """Speed-up by threads, cost per step by T, ragged time over full time."""
    figure, axes = plt.subplots(1, 3, figsize=(17, 6), layout="constrained")
    drawings = {"threads": draw_threads, "steps": draw_steps, "ragged": draw_ragged}
    for axis, (name, draw) in zip(axes, drawings.items(), strict=True):
        rows = [row for row in families.get(name, {}).get("rows", []) if not row["wrong"]]
        axis.set_visible(bool(rows))
        if rows:
            draw(axis, rows)
            axis.set_title(families[name]["title"], fontsize=10)
    save(figure, path, subtitle)


def draw_threads(axis, rows):
    """One line of dots per case: speed-up over one thread."""
    for y, row in enumerate(rows):
        for label, ratio in row["ratios"].items():
            axis.plot(1 / ratio["median"], y, "o", color="tab:blue")
            axis.annotate(label.split()[0], (1 / ratio["median"], y), xytext=(5, -3),
                          textcoords="offset points", fontsize=8)  # fmt: skip
    counts = {int(label.split()[0]) for row in rows for label in row["seconds"]}
    for count in counts:
        axis.axvline(count, color="0.4", lw=0.8, ls=":")
    case_axis(axis, rows)
    names = [f"{row['case']['mode']} {row['name']}" for row in rows]
    axis.set_yticks(range(len(rows)), names, fontsize=8)
    axis.set_xlim(0.9, max(counts) + 0.3)
    axis.set_xlabel("speed-up over one thread, by the number of threads")


def draw_steps(axis, rows):
    """One line per cell: cost per step, the shortest sequence's = 1."""
    for row in rows:
        relative = {MANY_STEPS[0]: 1.0}
        for label, ratio in row["ratios"].items():
            T = int(label.removeprefix("T="))
            relative[T] = ratio["median"] * MANY_STEPS[0] / T
        axis.plot(list(relative), list(relative.values()), "o-", label=row["case"]["cell"])
    axis.axhspan(1 / STEP_COST_RANGE, STEP_COST_RANGE, color="0.5", alpha=0.15, label="±8 %")
    axis.set_xscale("log")
    axis.set_xlabel("steps T (B=8, H=64, training)")
    axis.set_ylabel(f"cost per step over that at T={MANY_STEPS[0]}")
    axis.legend()
    axis.grid(alpha=0.3)


def draw_ragged(axis, rows):
    """Ragged time over full-length time."""
    for y, row in enumerate(rows):
        axis.barh(y, 1 / row["ratios"]["full length"]["median"], height=0.6, color="tab:blue")
    case_axis(axis, rows)
    axis.axvline(RAGGED_FRACTION, color="black", lw=1.6, label="target: at most")
    axis.axvline(0.5, color="0.4", lw=0.8, ls=":", label="share of real steps")
    axis.set_xlim(0, 1)
    axis.set_xlabel("time over that of full length")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)


def plot_kernels(kernels, path, subtitle):
    """Every kernel's shapes per instruction set: share of the peak, or of the read bandwidth."""
    limits = {"share_of_peak": "FMA peak", "share_of_bandwidth": "read bandwidth"}
    isas = list(dict.fromkeys(k["isa"] for k in kernels))
    figure, axes = plt.subplots(1, 2, figsize=(15, 7), layout="constrained")
    for axis, (share, title) in zip(axes, limits.items(), strict=True):
        shown = [k for k in kernels if k[share] is not None and k["dtype"] == "float32"]
        names = list(dict.fromkeys(k["kernel"] for k in shown))
        for n, isa in enumerate(isas):
            own = [k for k in shown if k["isa"] == isa]
            y = [names.index(k["kernel"]) + 0.25 * (n - (len(isas) - 1) / 2) for k in own]
            axis.plot([k[share] for k in own], y, "|", ms=9, mew=1.6, alpha=0.8, label=isa)
        axis.set_yticks(range(len(names)), names, fontsize=9)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.axvline(1, color="0.4", lw=0.8, ls=":")
        axis.xaxis.set_major_formatter(PercentFormatter(1))
        axis.grid(alpha=0.3)
        axis.set_title(f"Kernels, float32, one mark per shape: share of the {title}", fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    save(figure, path, subtitle)


def plot_uses(found, path):
    """A panel for each use of README.md: milliseconds of pyrnn and its peers."""
    names = list(found["versions"])
    figure, panels = plt.subplots(2, 3, figsize=(10, 4.6), layout="constrained")
    for axis, (use, row) in zip(panels.flat, found["uses"].items(), strict=True):
        shown = [name for name in names if name in row["seconds"]]
        times = [row["seconds"][name]["median"] * 1e3 for name in shown]
        colours = [COLOURS.get(name, "0.25") for name in shown]
        bars = axis.barh(shown, times, color=colours, alpha=0.8, height=0.62)
        axis.bar_label(bars, [f" {cell(row, name)}" for name in shown], fontsize=8)
        axis.set_xlim(0, max(times) * (2.0 if "megabytes" in row else 1.25))
        axis.invert_yaxis()
        axis.tick_params(labelsize=8)
        axis.set_title(f"{use}\n{row['name']}".strip(), fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    save(
        figure, path, f"Milliseconds, less is better. {found['machine']['cpu']}, {THREADS} threads"
    )


def save(figure, path, title):
    """Writes the PNG."""
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=90)
    plt.close(figure)
    print(path)


def main():
    """All plots for which there are results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    folder = parser.parse_args().results
    results = Results(folder)
    if results.uses:
        plot_uses(results.uses, folder / "uses.png")
    if not results.machine:
        raise SystemExit(f"{folder} holds no results: make bench writes them")
    subtitle = f"{results.machine['cpu']}, {results.machine['cpus']} CPUs"

    def having(field):
        return {n: f for n, f in results.layers.items() if any(r.get(field) for r in f["rows"])}

    if shares := having("share"):
        plot_shares(shares, folder / "share.png", subtitle)
    if ratios := having("ratios"):
        plot_peers(ratios, folder / "peers.png", subtitle)
    if results.scaling:
        plot_scaling(results.scaling, folder / "scaling.png", subtitle)
    if results.kernels:
        plot_kernels(results.kernels, folder / "kernels.png", subtitle)


if __name__ == "__main__":
    main()
