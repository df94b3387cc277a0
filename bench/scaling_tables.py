"""The tables of scaling and of the kernels, in Markdown."""

from cases import MANY_STEPS, RAGGED_FRACTION, RAGGED_OVER_TORCH, STEP_COST_RANGE
from tables import microseconds, ranged, table, verdict, versions_line


def scaling(results):
    """The studies of threads, steps and ragged lengths."""
    makers = {"threads": threads_table, "steps": steps_table, "ragged": ragged_table}
    text = [f"![{p}](results/{p})\n" for p in results.pictures if p == "scaling.png"]
    for name, make in makers.items():
        if name in results.scaling:
            found = results.scaling[name]
            right = [row for row in found["rows"] if not row["wrong"]]
            text += [f"### {found['title']}\n", versions_line(found), "", make(right), ""]
            wrong = [row for row in found["rows"] if row["wrong"]]
            text += [f"**Wrong, not timed**: {row['name']}: {row['wrong']}\n" for row in wrong]
    return "\n".join(text) or "Nothing was measured yet."


def threads_table(rows):
    """Speed-up over one thread."""
    counts = list(dict.fromkeys(count for row in rows for count in row["ratios"]))
    lines = [
        [f"{row['case']['mode']} {row['name']}", microseconds(row["seconds"]["1 thread"]["median"])]
        + [f"{1 / row['ratios'][count]['median']:.2f}" for count in counts]
        for row in rows
    ]
    return table(" | ".join(["case", "1 thread, µs", *(f"× on {c}" for c in counts)]), lines)


def steps_table(rows):
    """Cost per step, the shortest sequence's = 1."""
    lines = []
    for row in rows:
        first = f"T={MANY_STEPS[0]}"
        cost = {first: 1.0} | {
            label: ratio["median"] * MANY_STEPS[0] / int(label[2:])
            for label, ratio in row["ratios"].items()
        }
        worst = max(cost.values()) / min(cost.values())
        words = [f"over {STEP_COST_RANGE:g}"] * (worst > STEP_COST_RANGE)
        per_step = row["seconds"][first]["median"] / MANY_STEPS[0]
        lines.append(
            [row["case"]["cell"], f"{per_step * 1e6:.2f}"]
            + [f"{cost[f'T={T}']:.3f}" for T in MANY_STEPS]
            + [f"{worst:.3f}", verdict(words)]
        )
    head = ["cell", f"µs per step at T={MANY_STEPS[0]}", *(f"T={T}" for T in MANY_STEPS)]
    return table(" | ".join([*head, "dearest over cheapest", "verdict"]), lines)


def ragged_table(rows):
    """Ragged over full length, and torch's packed sequences."""
    lines = []
    for row in rows:
        fraction = 1 / row["ratios"]["full length"]["median"]
        words = [f"over {RAGGED_FRACTION}"] * (fraction > RAGGED_FRACTION)
        torch = row["ratios"].get("torch")
        slow = torch and torch["median"] < RAGGED_OVER_TORCH
        words += [f"under {RAGGED_OVER_TORCH:g}"] * bool(slow)
        time = microseconds(row["seconds"]["pyrnn"]["median"])
        over = ranged(torch, ".2f") if torch else "–"
        lines.append([row["name"], time, f"{fraction:.3f}", over, verdict(words)])
    return table("case | µs | of full length | torch packed over pyrnn | verdict", lines)


def kernels(results):
    """Each kernel's range of shares per instruction set and dtype."""
    if not results.kernels:
        return "Nothing was measured yet."
    groups = {}
    for k in results.kernels:
        groups.setdefault((k["kernel"], k["isa"], k["dtype"]), []).append(k)
    lines = [
        [*key, str(len(found)), span(found, "share_of_peak"), span(found, "share_of_bandwidth")]
        for key, found in groups.items()
    ]
    text = [f"![{p}](results/{p})\n" for p in results.pictures if p == "kernels.png"]
    head = "kernel | instruction set | dtype | shapes | share of FMA peak | share of bandwidth"
    return "\n".join([*text, table(head, lines)])


def span(found, field):
    """The lowest and highest share over the shapes."""
    values = [k[field] for k in found if k[field] is not None]
    return f"{min(values):.2f}–{max(values):.2f}" if values else "–"
