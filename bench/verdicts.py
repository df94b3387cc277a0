"""Which rows reach their numbers: one judgement for the tables, the summary and the pictures."""

from cases import FAMILIES, Target, geometric_mean
from results import best_peer


def share_target(name, row):
    """The share that a row has to reach with the family's threads, or None."""
    family = FAMILIES[name]
    return (
        Target.at(family.target.share, row["case"]["H"])
        if row["threads"] == family.threads
        else None
    )


def ratio_target(name, row):
    """The ratio to the best peer that a row has to reach, or None."""
    return Target.at(FAMILIES[name].target.each, row["case"]["H"])


def best_ratio(row):
    """The best peer's time over pyrnn's, or None."""
    peer = best_peer(row)
    return row["ratios"][peer]["median"] if peer else None


def misses(name, row):
    """What a row fails to reach, in words; nothing where it reaches all."""
    found = [row["wrong"]["pyrnn"]] if "pyrnn" in row["wrong"] else []
    ratio, wanted = best_ratio(row), ratio_target(name, row)
    if ratio is not None and ratio < 1:
        found.append(f"slower than {best_peer(row)}")
    elif ratio is not None and wanted is not None and ratio < wanted:
        found.append(f"ratio below {wanted:g}")
    wanted = share_target(name, row)
    if "share" in row and wanted is not None and row["share"]["median"] < wanted:
        found.append(f"share below {wanted:.3g}")
    return found


def is_judged(name, row):
    """Whether the row has a number that could be missed, and was measured."""
    by_ratio = best_ratio(row) is not None
    by_share = "share" in row and share_target(name, row) is not None
    return bool(by_ratio or by_share or "pyrnn" in row["wrong"])


def family_geomean(rows):
    """The geometric mean over the best peer of each row, or None."""
    found = [ratio for row in rows if (ratio := best_ratio(row)) is not None]
    return geometric_mean(found) if found else None
