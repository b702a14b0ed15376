"""JSON as bytes: where each value stands, and the text with some of them blanked. Nothing is
re-encoded, so that texts can be compared byte for byte in all that is not blanked.

A path is like `response.error_infos[].stack`; `[]` is any index, `*` any key, and `>` goes into
a string that itself holds JSON: `response.serialized_response_or_error>error.stack`."""

import json
import re
from json.decoder import scanstring

SPACE = re.compile(r"[ \t\n\r]*")
SCALAR = re.compile(r"[-+.\w]+")


def spans(text):
    """[(path, start, end)] of every value, outer ones first; start and end of its text."""
    found = []

    def space(at):
        return SPACE.match(text, at).end()

    def value(path, at):
        slot = len(found)
        found.append(None)
        if text[at] == '"':
            _, end = scanstring(text, at + 1, False)
        elif text[at] in "{[":
            end = inside(path, at)
        else:
            end = SCALAR.match(text, at).end()
        found[slot] = (path, at, end)
        return end

    def inside(path, at):
        is_object, close = text[at] == "{", "}" if text[at] == "{" else "]"
        at = space(at + 1)
        while text[at] != close:
            inner = path + "[]"
            if is_object:
                key, at = scanstring(text, at + 1, False)
                at = space(at)
                assert text[at] == ":"
                at = space(at + 1)
                inner = f"{path}.{key}" if path else key
            at = space(value(inner, at))
            if text[at] == ",":
                at = space(at + 1)
        return at + 1

    assert space(value("", space(0))) == len(text)
    return found


def pattern(path):
    return re.compile(re.escape(path).replace(r"\*", r"[^.\[>]+") + r"\Z")


def blanked(text, paths, used=None, prefix=""):
    """The text with the values at `paths` replaced by their path in <>. Strings that hold JSON
    into which a path goes are opened, keeping how they were escaped. `used` collects the paths
    that were met."""
    patterns = {path: pattern(path) for path in paths}
    out, done = [], 0
    for path, start, end in spans(text):
        if start < done:
            continue
        whole = prefix + path
        hit = next((p for p, regex in patterns.items() if regex.match(whole)), None)
        if hit is not None:
            if used is not None:
                used.add(hit)
            shown = f"<{hit}>"
        elif text[start] == '"' and text[start + 1:start + 2] in "{[":
            inner, _ = scanstring(text, start + 1, False)
            try:
                json.loads(inner, strict=False)
            except ValueError:
                continue
            style = "plain" if json.dumps(inner) == text[start:end] else text[start:end]
            shown = f"<{style}: {blanked(inner, paths, used, whole + '>')}>"
        else:
            continue
        out += [text[done:start], shown]
        done = end
    return "".join(out) + text[done:]


def ordered(text, paths, used=None):
    """The text with the members of the objects at `paths` (and all below) sorted by key."""
    for path in paths:
        regex = pattern(path)
        for found, start, end in spans(text):
            if regex.match(found):
                if used is not None:
                    used.add(path)
                value = json.dumps(json.loads(text[start:end]), sort_keys=True)
                text = text[:start] + value + text[end:]
                break
    return text
