#!/usr/bin/env python3
"""Draws what simulate_scaling prints: speed-up over the number of GPUs, as an SVG of a page's width, and as a table.

usage: simulate_scaling | plot_scaling.py OUTPUT.svg      prints a Markdown table
"""
import json
import math
import sys

WIDTH, HEIGHT, LEFT, TOP, PLOT = 940, 330, 50, 40, 240
COLOURS = {"least-work": "#1b6ca8", "round-robin": "#c2572b"}
SHAPES = ["announcement", "chapter", "news"]


def place(column, gpus, speed_up):
    """Both axes are logarithmic, 1 to 64."""
    x = LEFT + column * 300 + PLOT * math.log2(gpus) / 6
    y = TOP + PLOT * (1 - max(0.0, math.log2(max(speed_up, 1e-3))) / 6)
    return f"{x:.1f},{y:.1f}"


def panel(rows, column, shape):
    out = [f'<text x="{LEFT + column * 300 + PLOT / 2}" y="{TOP - 14}" text-anchor="middle" font-weight="bold">{shape}</text>']
    for power in range(7):
        x, y = place(column, 2 ** power, 2 ** power).split(",")
        left, bottom = LEFT + column * 300, TOP + PLOT
        out.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" class="grid"/>')
        out.append(f'<line x1="{left}" y1="{y}" x2="{left + PLOT}" y2="{y}" class="grid"/>')
        out.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{2 ** power}</text>')
        out.append(f'<text x="{left - 6}" y="{float(y) + 4}" text-anchor="end">{2 ** power}</text>')
    out.append(f'<polyline points="{place(column, 1, 1)} {place(column, 64, 64)}" class="ideal"/>')
    for schedule, colour in COLOURS.items():
        for scaling, dash in (("strong", ""), ("weak", ' stroke-dasharray="5 4"')):
            points = " ".join(place(column, row["gpus"], row["speed_up"]) for row in rows
                              if (row["shape"], row["schedule"], row["scaling"]) == (shape, schedule, scaling))
            out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
    return out


def svg(rows):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           "<style>.grid{stroke:#ddd}.ideal{stroke:#999;stroke-dasharray:2 3;fill:none}</style>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for column, shape in enumerate(SHAPES):
        out += panel(rows, column, shape)
    legend = [("least-work", COLOURS["least-work"], ""), ("round-robin", COLOURS["round-robin"], "")]
    x = LEFT
    for name, colour, _ in legend:
        out.append(f'<line x1="{x}" y1="{HEIGHT - 14}" x2="{x + 24}" y2="{HEIGHT - 14}" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{x + 30}" y="{HEIGHT - 10}">{name}</text>')
        x += 130
    out.append(f'<text x="{x}" y="{HEIGHT - 10}">solid: one text on N GPUs; dashed: N times the text; '
               "dotted: N times the speed. Across: GPUs; up: speed-up</text>")
    out.append("</svg>")
    return "\n".join(out) + "\n"


def table(rows):
    counts = sorted({row["gpus"] for row in rows})
    lines = ["| text | scaling | schedule | " + " | ".join(str(n) for n in counts) + " |",
             "| --- | --- | --- |" + " --- |" * len(counts)]
    for shape in SHAPES:
        for scaling in ("strong", "weak"):
            for schedule in COLOURS:
                found = {row["gpus"]: row for row in rows
                         if (row["shape"], row["schedule"], row["scaling"]) == (shape, schedule, scaling)}
                cells = " | ".join(f'{found[n]["speed_up"]:.1f}' for n in counts)
                lines.append(f"| {shape} | {scaling} | {schedule} | {cells} |")
    return "\n".join(lines)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows = [json.loads(line) for line in sys.stdin if line.strip()]
    if not rows:
        sys.exit("plot_scaling.py: nothing came on standard input")
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write(svg(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
