"""Plots as SVG text, drawn by hand: bars of several figures, and points over time."""
from html import escape

FONT = 'font-family="sans-serif" font-size="12"'
ROW, LEFT, WIDTH, RIGHT, TITLE = 20, 190, 420, 130, 28
COLOURS = {"tether": "#1a6fb3", "base": "#b3541a", "other": "#8a8a8a"}


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def bars(charts, base):
    """charts: (title, [(name, value, ratio to base)]) below each other; the longest bar of each fills its width."""
    height = sum(TITLE + ROW * len(rows) + 10 for _, rows in charts)
    out, y = [], 0
    for title, rows in charts:
        most = max((value for _, value, _ in rows if value), default=1)
        y += TITLE
        out.append(f'<text x="4" y="{y - 8}" {FONT} font-weight="bold">{escape(title)}</text>')
        for name, value, ratio in rows:
            colour = COLOURS["tether" if name.startswith("tether") else "base" if name == base else "other"]
            length = WIDTH * (value or 0) / most
            words = number(value or 0) + (f"   {ratio:.2f} ×" if ratio is not None else "")
            out.append(f'<text x="{LEFT - 6}" y="{y + 14}" text-anchor="end" {FONT}>{escape(name)}</text>'
                       f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}" fill="{colour}"/>'
                       f'<text x="{LEFT + length + 5:.1f}" y="{y + 14}" {FONT}>{escape(words)}</text>')
            y += ROW
        y += 10
    return frame(LEFT + WIDTH + RIGHT, height, out)


def ticks(most):
    """About five round steps up to most."""
    step = 10 ** len(str(int(most))) / 100
    while most / step > 6:
        step *= 2.5 if str(step)[0] == "2" else 2
    return [step * i for i in range(int(most / step) + 1)]


def points(title, series, bound=None, y_label="ms", x_label="s"):
    """series: (name, [(x, y)]); a line at the bound."""
    width, height, left, bottom, top = 720, 260, 60, 40, 34
    all_points = [point for _, values in series for point in values]
    x_most = max((x for x, _ in all_points), default=1) or 1
    y_most = max([y for _, y in all_points] + [bound or 0]) * 1.05 or 1

    def at(x, y):
        return left + (width - left - 10) * x / x_most, height - bottom - (height - bottom - top) * y / y_most

    out = [f'<text x="4" y="18" {FONT} font-weight="bold">{escape(title)}</text>']
    for value in ticks(y_most):
        _, y = at(0, value)
        out.append(f'<line x1="{left}" x2="{width - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                   f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" {FONT}>{value:g}</text>')
    for value in ticks(x_most):
        x, _ = at(value, 0)
        out.append(f'<text x="{x:.1f}" y="{height - bottom + 16}" text-anchor="middle" {FONT}>{value:g}</text>')
    if bound:
        _, y = at(0, bound)
        out.append(f'<line x1="{left}" x2="{width - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#b31a1a" stroke-dasharray="4 3"/>')
    for index, (name, values) in enumerate(series):
        colour = ("#1a6fb3", "#b3541a", "#3a8a3a")[index % 3]
        out += [f'<circle cx="{at(x, y)[0]:.1f}" cy="{at(x, y)[1]:.1f}" r="1.6" fill="{colour}"/>' for x, y in values]
        out.append(f'<text x="{left + 160 * index}" y="{height - 6}" fill="{colour}" {FONT}>{escape(name)}</text>')
    out.append(f'<text x="{width - 10}" y="{height - 6}" text-anchor="end" {FONT}>{escape(y_label)} over {escape(x_label)}</text>')
    return frame(width, height, out)


def frame(width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
            f'<rect width="{width}" height="{height}" fill="white"/>' + "\n".join(parts) + "</svg>\n")
