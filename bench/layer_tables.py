"""The tables of whole layers, in Markdown."""

from cases import FAMILIES, PEERS, STREAM_OVERHEAD
from results import best_peer
from tables import machine_line, microseconds, ranged, table, verdict, versions_line
from verdicts import (
    best_ratio,
    family_geomean,
    is_judged,
    misses,
    ratio_target,
    share_target,
)


def layer_row(name, row, peers):
    """One case of a family."""
    if "gflops" not in row:
        return [row["name"], *["–"] * (4 + len(peers)), verdict(misses(name, row))]
    share, wanted = row.get("share"), share_target(name, row)
    best = best_peer(row)
    cells = [row["name"], microseconds(row["seconds"]["pyrnn"]["median"])]
    cells += [f"{row['gflops']['median']:.1f}", ranged(share, ".2f") if share else "–"]
    cells += ["–" if wanted is None else f"{wanted:.3g}"]
    for peer in peers:
        ratio = row["ratios"].get(peer)
        text = ranged(ratio, ".2f") if ratio else "wrong" if peer in row["wrong"] else "–"
        cells.append(f"**{text}**" if peer == best else text)
    return [*cells, verdict(misses(name, row)) if is_judged(name, row) else "–"]


def family_section(name, found):
    """A family's heading, table and geometric mean."""
    family, rows = FAMILIES[name], found["rows"]
    peers = [
        p for p in PEERS if any(p in row.get("ratios", {}) or p in row["wrong"] for row in rows)
    ]
    head = " | ".join(["case", "µs", "GFLOP/s", "share", "to reach", *peers, "verdict"])
    threads = sorted({row["threads"] for row in rows})
    lines = [f"### {found['title']}", "", f"Threads: {', '.join(map(str, threads))}. "]
    if rows[0].get("fma_gflops"):
        lines[-1] += (
            f"FMA peak {ranged(rows[0]['fma_gflops'], '.0f')} GFLOP/s on {rows[0]['isa']}. "
        )
    lines[-1] += versions_line(found)
    lines += ["", table(head, [layer_row(name, row, peers) for row in rows]), ""]
    if (geomean := family_geomean(rows)) is not None:
        wanted = family.target.geomean
        told = ""
        if wanted:
            told = f", to reach {wanted:g}: {'reached' if geomean >= wanted else '**missed**'}"
        least = ratio_target(name, rows[0])
        each = f"; each case at least {least:g}" if least else ""
        lines.append(f"Over the best peer, geometric mean: {geomean:.2f}{told}{each}.\n")
    return "\n".join(lines)


def stream_section(results):
    """stream.step less the same step in a loop of C++, both measured in the same rounds."""
    lines = []
    for row in results.layers.get("stream", {}).get("rows", []):
        if "over_kernel" in row and row["case"]["H"] < 512:
            over = row["over_kernel"]
            late = over["median"] > STREAM_OVERHEAD
            words = [f"over {microseconds(STREAM_OVERHEAD)} µs"] * late
            spreads = (row["seconds"]["pyrnn"], row["kernel_seconds"])
            times = [f"{spread['median'] * 1e6:.3f}" for spread in spreads]
            overhead = ranged({name: value * 1e6 for name, value in over.items()}, ".2f")
            lines.append([row["name"], *times, overhead, verdict(words)])
    if not lines:
        return ""
    text = table("case | step, µs | from C++, µs | over C++, µs | verdict", lines)
    return f"### stream.step over its kernel\n\n{text}\n"


def layers(results):
    """All families, with their pictures."""
    if not results.layers:
        return "Nothing was measured yet."
    text = [f"Machine: {machine_line(results.machine)}\n"]
    text += [f"![{p}](results/{p})" for p in results.pictures if p in ("share.png", "peers.png")]
    text += ["", slower_cases(results), ""]
    order = [name for name in FAMILIES if name in results.layers]
    text += [family_section(name, results.layers[name]) for name in order]
    return "\n".join([*text, stream_section(results)])


def compared(results):
    """(family, row) of every case that was measured beside another library."""
    return [
        (name, row)
        for name, found in results.layers.items()
        for row in found["rows"]
        if best_ratio(row) is not None
    ]


def slower_cases(results):
    """All cases where a peer is faster, first and in one place."""
    title = "### Where pyrnn is slower\n\n"
    if not compared(results):
        return title + "No peers were measured on this machine (`make bench-peers`)."
    found = [
        f"- {FAMILIES[name].title}: {row['name']}: {best_peer(row)} takes "
        f"{best_ratio(row):.2f} times pyrnn's time"
        for name, row in compared(results)
        if best_ratio(row) < 1
    ]
    return title + ("\n".join(found) or "In no case that was measured.")


def overview(results):
    """One line for each family: its shares, its ratios, and how many cases reach their numbers."""
    if not results.layers:
        return "Nothing was measured yet."
    lines = []
    for name in (name for name in FAMILIES if name in results.layers):
        rows = results.layers[name]["rows"]
        shares = [row["share"]["median"] for row in rows if "share" in row]
        judged = [row for row in rows if is_judged(name, row)]
        reached = sum(not misses(name, row) for row in judged)
        lines.append(
            [
                FAMILIES[name].title,
                f"{min(shares):.0%} to {max(shares):.0%}" if shares else "–",
                overview_ratio(name, rows),
                f"{reached} of {len(judged)}" if judged else "–",
            ]
        )
    head = "what | share of the limit | fastest peer's time over pyrnn's | cases on target"
    return table(head, lines)


def overview_ratio(name, rows):
    """The geometric mean and the least ratio to the best peer."""
    if (geomean := family_geomean(rows)) is None:
        return "–"
    wanted = FAMILIES[name].target.geomean
    text = f"{geomean:.2f}, at least {min(filter(None, map(best_ratio, rows))):.2f}"
    return text + (f" (**mean below {wanted:g}**)" if wanted and geomean < wanted else "")


def slower(results):
    """How many cases a peer wins, and which."""
    rows = compared(results)
    lost = [
        f"{row['name']} in {FAMILIES[name].title} ({best_peer(row)} takes {best_ratio(row):.2f} "
        "times pyrnn's time)"
        for name, row in rows
        if best_ratio(row) < 1
    ]
    found = f"another library is faster in {len(lost) or 'none'} of {len(rows)} cases"
    return f"{found}: {'; '.join(lost)}." if lost else f"{found}."
