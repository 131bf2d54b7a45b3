"""Medians, percentiles and the tables on standard output."""
import statistics
import sys


def percentile(values, part):
    ordered = sorted(values)
    return ordered[round(part * (len(ordered) - 1))] if ordered else None


def summary(values):
    return {"n": len(values), **{f"p{round(part * 100)}": _round(percentile(values, part)) for part in (.5, .9, .99)},
            "max": _round(max(values, default=None))}


def _round(value):
    return None if value is None else round(value, 3)


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def show(value, digits=2):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}"


def table(title, head, rows):
    """The first column to the left, figures to the right."""
    cells = [head, *[[show(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    print(f"\n{title}")
    for number, row in enumerate(cells):
        line = "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                         for column, (cell, width) in enumerate(zip(row, widths)))
        print("  " + line.rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    sys.stdout.flush()


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)
