"""The table that the bench prints: daglet, the Python agent, their ratio, the target."""

import json


class Table:
    def __init__(self):
        self.rows, self.notes = [], []

    def put(self, name, scheme, unit, values, target=None):
        """One measure. `target` is ("<" or ">", figure) for daglet."""
        row = {"name": name, "scheme": scheme, "unit": unit, **values}
        if target is not None and "daglet" in values:
            row["target"] = f"{target[0]} {target[1]:g}"
            row["met"] = (values["daglet"] < target[1] if target[0] == "<"
                          else values["daglet"] > target[1])
        self.rows.append(row)
        print(self.line(row), flush=True)

    def note(self, text):
        self.notes.append(text)

    @staticmethod
    def ratio(row):
        """How many times better daglet is."""
        ours, theirs = row.get("daglet"), row.get("python")
        if not ours or not theirs:
            return ""
        ratio = ours / theirs if row["unit"] == "1/s" else theirs / ours
        return f"{ratio:.3g} x"

    def line(self, row):
        met = {True: "met", False: "MISSED", None: ""}[row.get("met")]
        return (f"{row['name']:<50} {row['scheme']:<4} {figure(row.get('daglet')):>9} "
                f"{figure(row.get('python')):>9} {row['unit']:<11} {self.ratio(row):>9}  "
                f"{row.get('target', ''):<7} {met}").rstrip()

    @staticmethod
    def head():
        return (f"{'':<50} {'over':<4} {'daglet':>9} {'Python':>9} {'':<11} {'better':>9}  "
                f"{'target':<7}")

    def text(self):
        missed = [row["name"] for row in self.rows if row.get("met") is False]
        asked = sum(1 for row in self.rows if "met" in row)
        lines = [self.head(), *(self.line(row) for row in self.rows), "", *self.notes, "",
                 f"targets: {asked - len(missed)} met, {len(missed)} missed"
                 + (f" ({'; '.join(missed)})" if missed else "")]
        return "\n".join(lines)

    def json(self):
        return json.dumps({"rows": self.rows, "notes": self.notes}, indent=2)


def figure(value):
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
