"""Pieces of generated Markdown."""


def lines_of_table(head, rows):
    """The lines of a Markdown table, each when its row is there; `head` is "name | name | ..."."""
    yield f"| {head} |"
    yield "|---" * (head.count("|") + 1) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def table(head, rows):
    """All of them as one text."""
    return "\n".join(lines_of_table(head, rows))


def printed(lines):
    """The lines as a list, each printed as it comes."""
    kept = []
    for line in lines:
        print(line, flush=True)
        kept.append(line)
    return kept


def microseconds(seconds):
    """Three digits, at least."""
    us = seconds * 1e6
    return f"{us:.3g}" if us < 1000 else f"{us:,.0f}"


def ranged(spread, form):
    """median (10th to 90th percentile)."""
    return f"{spread['median']:{form}} ({spread['p10']:{form}}–{spread['p90']:{form}})"


def verdict(words):
    """Failures in bold, so that they are seen."""
    return "; ".join(f"**{word}**" for word in words) or "reached"


def machine_line(m):
    """The machine that the figures belong to."""
    return (
        f"{m['cpu']}, {m['cpus']} CPUs, {m['memory_gib']} GiB, caches of a core: {m['caches']}; "
        f"{m['system']}."
    )


def versions_line(found):
    """What was measured when, in which version."""
    named = [f"{name} {facts['version']}" for name, facts in found["versions"].items()]
    own = found["versions"].get("pyrnn", {})
    if "isa" in own:
        named[0] += f" ({own['isa']}, {own['compiler']})"
    return f"{found['when']}: {', '.join(named)}; Python {found['python']}."
