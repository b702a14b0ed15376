"""Which of two figures is better, and how a figure is written."""

from world import Beyond


def verdict(figure, python, daglet):
    """`better`, `equal`, `WORSE` or `MISSING`."""
    if python is None or daglet is None:
        return "MISSING"
    beyond = [isinstance(v, Beyond) for v in (python, daglet)]
    if any(beyond):
        # To go on for as long as was looked is best where more is better, else worst: where
        # daglet does not do in its time what it should, nothing is gained, whatever the other.
        if beyond[1]:
            return ("equal" if beyond[0] else "better") if figure.more else "WORSE"
        return "WORSE" if figure.more else "better"
    gain = daglet - python if figure.more else python - daglet
    share, absolute = figure.slack
    slack = max(share * abs(python), absolute)
    if gain < -slack:
        return "WORSE"
    return "better" if gain > slack else "equal"


def shown(value, unit=""):
    if value is None:
        return "-"
    if isinstance(value, Beyond):
        text = f"> {value.limit:g}"
    elif isinstance(value, int):
        text = str(value)
    elif value >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3g}"
    if unit == "% of a core":
        return f"{text} %"
    return f"{text} {unit}".rstrip()
