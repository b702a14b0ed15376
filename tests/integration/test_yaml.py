"""The YAML room against PyYAML: equal trees or both refuse, and equal dumps."""

import datetime
import json
import math
import os
import random
import re
import struct
import subprocess

import pytest
import yaml

BUILD = os.environ.get("DAGLET_BUILD", os.getcwd())
TOOL = os.path.join(BUILD, "tests", "tools", "yaml-dump")


class Loader(yaml.SafeLoader):
    """As Dagster reads its files: no timestamps."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, rx) for tag, rx in rows if tag != "tag:yaml.org,2002:timestamp"]
    for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Tool:
    def __init__(self):
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, what, text):
        data = text if isinstance(text, bytes) else text.encode("utf-8")
        self.process.stdin.write(b"%s %d\n" % (what.encode(), len(data)) + data)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the tool died of {text!r}"
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture(scope="module")
def tool():
    t = Tool()
    yield t
    t.close()


def tree(v):
    """What the tool prints for this value."""
    if v is None:
        return ["null", None]
    if isinstance(v, bool):
        return ["bool", v]
    if isinstance(v, int):
        return ["int", str(v)]
    if isinstance(v, float):
        return ["float", v]
    if isinstance(v, str):
        return ["str", v]
    if isinstance(v, bytes):
        return ["binary", v.hex()]
    if isinstance(v, (datetime.date, datetime.datetime)):
        return ["time", v.isoformat()]
    if isinstance(v, set):
        return ["set", sorted((tree(k) for k in v), key=json.dumps)]
    if isinstance(v, dict):
        return ["map", [tree(x) for pair in v.items() for x in pair]]
    if v and all(isinstance(x, tuple) for x in v):
        return ["pairs", [tree(x) for pair in v for x in pair]]
    return ["seq", [tree(x) for x in v]]


def python_tree(text, loader):
    try:
        return tree(yaml.load(text, Loader=loader))
    except RecursionError:
        raise
    except Exception:  # KeyError and the like are how SafeLoader refuses some texts
        return None


def same(ours, theirs):
    if isinstance(ours, float) and isinstance(theirs, float):
        return repr(ours) == repr(theirs)  # nan, and the sign of zero
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs


# What libyaml's scanner refuses and PyYAML's takes: a colon right before a closing bracket,
# unknown directives, a tab that begins a block scalar (and a lone question mark in brackets).
ONLY_LIBYAML_REFUSES = ("found unexpected ':'", "found unknown directive name", "found a tab character where")


def check(tool, text):
    for what, loader in (("dates", yaml.SafeLoader), ("load", Loader)):
        ours = tool.ask(what, text)
        theirs = python_tree(text, loader)
        if theirs is None:
            assert ours[0] == "error", f"only PyYAML refuses {text!r}: {ours}"
        elif theirs == ["seq", []] and ours == ["pairs", []]:
            pass  # an empty !!omap is an empty list
        elif ours[0] == "error" and any(known in ours[1] for known in ONLY_LIBYAML_REFUSES):
            pass
        else:
            assert same(ours, theirs), f"{text!r}\n ours   {ours}\n theirs {theirs}"


SCALARS = """
yes Yes YES yEs no No NO true True TRUE tRue false False FALSE on On ON off Off OFF y n Y N t f
~ null Null NULL nULL none None nil
0 00 010 -010 +010 017 018 019 08 0o10 0O10 0x 0xF 0xfF -0x1f +0XF 0b 0b0 0b101 -0b11 0b12 0B1
1 -1 +1 1_000 1__0 _1 1_ 0_ 0_7 00_ 0x_ 0x_f 0b_ 0b_1 --1 +-1 1- 12e3 123456789012345678901234567890
-9223372036854775808 9223372036854775807 9223372036854775808 0xffffffffffffffffffff 0777777777777777777777777
1:30 1:3 01:30 1:60 1:59 1:59:59 190:20:30 -1:30 +1:30 1:2:3:4:5:6 1:1_0 1_0:10 0:30 10:5 22:22 8080:80
1.0 1. .5 -.5 +.5 .5. 1.5 -1.5 +1.5 1e5 1.e5 1.0e5 1.0e+5 1.0e-5 1.0E+5 1e+5 .5e+3 .e+3 1_0.5_0 1._5 ._5 0.0 -0.0
.inf .Inf .INF -.inf +.inf .iNf .nan .NaN .NAN .Nan -.nan inf nan Infinity NaN 1:30.5 190:20:30.15 1:60.5 -1:30.5 1.5:3
123456789.123456789e+100 1.0e+400 4.9e-324 2.2250738585072011e-308 0.1 0.30000000000000004
2001-12-14 2001-12-14t21:59:43.10-05:00 2001-12-14T21:59:43Z 2001-1-1 2001-12-14T1:59:43 2001-02-30 2001-02-29
2000-02-29 0000-01-01 2001-12-14T24:00:00 2001-12-14T21:59:43.123456789 2001-12-14T21:59:43+14 2001-12-14T21:59:43-0:30
2001-12-14T21:59:43.5Z 2001-12-14T21:59:43+25:00 1.2.3 10.0.0.1 1-2 1/2 a b.c a:b a#b ab# - -- --- ... .. . :: :a a: =
<< <<< < = == !x ! & * | > % @ ` ? ?a -a , [ ] { } '' "" ' " # : {} [] key: - é ☃ 😀
""".split()

DOCUMENTS = [
    "", " ", "\n", "# only a comment\n", "---\n", "--- \n...\n", "---\n---\n", "a\n---\nb\n", "...\n",
    "a\n...\n", "a\n...\n...\n", "a\n...\nb\n", "%YAML 1.1\n---\na\n", "%YAML 1.1\na\n",
    "%YAML 2.0\n---\na\n", "%FOO bar\n---\na\n", "%TAG ! tag:yaml.org,2002:\n---\n!int '3'\n",
    "%TAG !y! tag:yaml.org,2002:\n---\n!y!str 3\n", "\ufeffa: 1\n", "a: 1\n".encode("utf-16"),
    "a: é\n".encode("utf-16-le"), b"\xff\xfea\x00", b"\xfe\xff\x00a\x00:\x00 \x001", b"a: \xff\n",
    b"a: \xc3\n", b"a\x00b", "a: \x07\n", "a: \x85b\n", "a: \u2028b\n", "a: \x7f\n", "a: \ufffe\n",
    '"\\x07"', "a: 1\n", "a: 1\na: 2\n", "a: 1\nb: 2\na: 3\n", "1: a\n1.0: b\ntrue: c\n",
    "0: a\nfalse: b\n-0.0: c\n", ".nan: 1\n.nan: 2\n", ".inf: 1\n1.0e+400: 2\n", "1: a\n'1': b\n",
    "~: a\nnull: b\n'': c\n", "? a\n: b\n", "? a\n", "? [a]\n: b\n", "? {a: 1}\n: b\n", "[a]: b\n",
    "{[a]: b}\n", "{a, b: c}", "{a: , b}", "{a:b}", "{a:b, c}", '{"a":b}', "[a:b]", '["a":b]', "[a: b]",
    "[a: b, c: d]", "[? a : b]", "{? a : b}", "[a, , b]", "[,]", "{,}", "[a,]", "{a: 1,}", "[", "]", "{",
    "}", "[}", "a: [", "a: ]", "[a b]", "[a\n b]", "[a\nb]", "a:\n  - b\n  -c\n", "- a\n-b\n",
    "- - a\n  - b\n", "- a: 1\n  b: 2\n", "-\n  a\n", "-\n", "- \n- a\n", "a:\n- b\n- c\n",
    "a:\n  b:\n c: 1\n", "a:\n  b\n c\n", "a: b: c\n", "a: 'b': c\n", "a: b\n c: d\n", "a: b\n  c\n",
    "a:\n b\n  c\n", "a: - b\n", "- a\nb: c\n", "a: |\n  x\n  y\n", "a: |-\n  x\n", "a: |+\n  x\n\n",
    "a: >\n  x\n  y\n\n  z\n", "a: >-\n  x\n   y\n  z\n", "a: |2\n    x\n", "a: |1\n  x\n", "a: |0\n x\n",
    "a: |-2\n   x\n", "a: |x\n b\n", "a: >\n\n\n", "a: |\n", "|\n x\n", "--- |\n x\n", "a: |\n\tx\n",
    "a: |\n  x\n y\n", "a:\tb\n", "a: \tb\n", "\ta: b\n", "a:\n\tb: c\n", "a:\n \tb\n", "- \ta\n", "-\ta\n",
    "[\ta,\tb\t]", "a: b\t# c\n", "a: b\t\n", "a\t: b\n", "a: 'x\ty'\n", "'a''b'", "'a\n b'", "'a\n\n b'",
    '"a\n b"', '"a\\\n b"', '"a\\n b"', '"\\q"', '"\\x4"', '"\\x41"', '"\\u00e9"', '"\\U0001F600"', '"\\/"',
    '"a', "'a", '"\\ "', '"\\\t"', '"\\0"', '"\\N\\_\\L\\P\\e\\a\\v"', '"\\u263a"', "a: 'b' c\n",
    'a: "b"c\n', '"a"b: c\n', "&a x", "*a", "&a", "- &a x\n- *a\n", "- &a x\n- &a y\n- *a\n",
    "- *a\n- &a x\n", "a: &x {b: 1}\nc: *x\n", "&a a: &b b\n*a : *b\n", "{&a a: 1, *a : 2}", "&a *a\n",
    "- &a\n- *a\n", "a: &x\nb: *x\n", "a: &x [1]\nb: {*x : 1}\n", "- &a [b, c]\n- [*a, *a]\n", "&é a",
    "- &a-b_c1 x\n- *a-b_c1\n", "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n",
    "a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc:\n  <<: [*x, *y]\n  r: 3\n",
    "a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc:\n  r: 3\n  <<: *x\n  <<: *y\n", "<<: {a: 1}\nb: 2\na: 3\n",
    "<<: [{a: 1}, {a: 2, b: 2}]\n", "<<: [a]\n", "<<: a\n", "<<:\n", "<<: []\na: 1\n", "'<<': {a: 1}\n",
    "!!merge x: {a: 1}\n", "a: <<\n", "- <<\n", "{<<: {<<: {a: 1}, b: 2}, c: 3}",
    "a: &x {<<: {z: 1}, y: 2}\nb: {<<: *x, w: 3}\n", "<<: !!set {a, b}\nc: 1\n", "<<: !foo {a: 1}\n",
    "!!set {<<: {a: 1}, b}", "=: 1\n", "a: =\n", "- =\n", "!!str {=: x, y: z}", "!!int {=: '3'}",
    "!!str {a: b}", "!!int [1]", "!!str 1", "!!str", "!!str ~", "!!int 1", "!!int '1'", "!!int ' 1 '",
    "!!int '0x1f'", "!!int '1:30'", "!!int a", "!!int ''", "!!int 1.5", "!!int 1_0", "!!int '09'",
    "!!int '+ 1'", "!!float 1", "!!float 1e5", "!!float a", "!!float ''", "!!float inf", "!!float '1_0'",
    "!!float 0x1p3", "!!float '1:30'", "!!float nan", "!!bool yes", "!!bool 'On'", "!!bool yEs", "!!bool 1",
    "!!bool y", "!!null ''", "!!null x", "!!null [a]", "!!seq [a]", "!!seq {a: 1}", "!!map {a: 1}",
    "!!map [a]", "!!map x", "!!seq x", "!!binary aGVsbG8=", "!!binary 'aGVs bG8='", "!!binary aGVsbG8",
    "!!binary a", "!!binary ''", "!!binary é", "!!binary |\n aGVs\n bG8=\n", "!!binary 'aGVsbG8=xx'",
    "!!binary '='", "!!set {a, b, a}", "!!set\n? a\n? b\n", "!!set [a]", "!!set {[a]: b}",
    "!!omap [a: 1, b: 2, a: 3]", "!!omap [a]", "!!omap [{a: 1, b: 2}]", "!!omap {a: 1}", "!!omap []",
    "!!pairs [a: 1, a: 2]", "!!pairs [[a]: 1]", "!!pairs [{}]", "{!!omap [a: 1]: b}",
    "!!timestamp 2001-01-01", "!!timestamp x", "!!timestamp '2001-1-1'",
    "!!timestamp '2001-01-01 1:00:00 +1'", "!foo a", "!!foo a", "!<tag:yaml.org,2002:str> 1", "!<tag:x> 1",
    "! 1", "! yes", "! '1'", "! [a]", "! {a: 1}", "!!python/none x", "!!yaml x", "!foo {a: 1}", "!foo [a]",
    "a: !x\n", "a: ! \n", "- !!str\n- !!null\n", "!!str &a x", "&a !!str x", "!!str &a !!int x", "&a &b x",
    "a: &b\n  c: d\n", "? &a x\n: *a\n", "a: b # c\n", "a: b#c\n", "a: #b\n", "a#b: c\n",
    "# c\na: b\n# d\n", "a: [b, # x\n c]\n", "a:b\n", "a :b\n", "a : b\n", "a:\n", "a:  \n  b\n", ": a\n",
    ":\n", "? : a\n", "- : a\n", "- ? a\n", "? - a\n  - b\n", "?a: b\n", "? a: b\n", "-a: b\n",
    "- -1\n- --1\n", "a?b: c\n", "[a?b]", "{a?: b}", "[?a]", "[? a]", "{?a: b}", "[-, a]", "[- a]", "[-]",
    "{-: a}", "[:a]", "[::]", "{:a: b}", "x: " + "y" * 2000 + "\n", "y" * 1025 + ": x\n",
    "'" + "y" * 1030 + "': x\n", "? " + "y" * 2000 + "\n: x\n", "[" + "y" * 1100 + ": x]",
    "[" * 50 + "]" * 50, "- " * 50 + "a\n", "a: @b\n", "a: `b\n", "a: %b\n", "%a: b\n", "a: !!str\nb: 1\n",
    "--- a\n--- b\n", "--- a\n...\n--- b\n", "---a\n", "--- # c\na\n", "...a\n", "a\n--- \n", "'---'\n",
    "'a\n---\nb'\n", "a: 'b\n---\n'\n",
    "dagster_cloud_api:\n  agent_token:\n    env: TOKEN\n  deployments: [prod, &d dev]\n  headers: {x: 010, y: 1:30, z: on}\n",
    "a: {b: {c: [1, 2, {d: e}]}}\n", "- {a: 1}\n- [b]\n- c\n", "a: 1\r\nb: 2\r\n", "a: 1\rb: 2\r",
    "a: |\r\n  x\r\n", "'a\r\n b'\n", "a: x\x85b: y\n", "a: 'x\u2028 y'\n",
]


def test_the_differences_are_the_known_ones(tool):
    for text in ("[a:]", "{a:}", "[?]", "%FOO bar\n---\na\n", "&a [*a]", '"\\ud800"'):
        assert python_tree(text, Loader) is not None if "&a" not in text else True
        assert tool.ask("load", text)[0] == "error"


def test_hand_made_documents(tool):
    for text in DOCUMENTS:
        check(tool, text)


def test_every_scalar_everywhere(tool):
    for s in SCALARS:
        inside = (f"a: {s}\n", f"- {s}\n", f"[{s}]", f"{{a: {s}}}", f"{s}: a\n", f"a:\n  {s}\n  {s}\n")
        for text in (s, f"'{s}'", f"! '{s}'", *inside):
            if text != "[?]":
                check(tool, text)


class Maker:
    """Random documents that like the corners of YAML 1.1."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.anchors = []

    def scalar(self):
        r = self.r
        s = r.choice(SCALARS)
        if r.random() < 0.3:
            s = "".join(r.choice("ab1 .:-_0x'\"#,&*!é") for _ in range(r.randint(0, 8)))
        quote = r.random()
        if quote < 0.1:
            return "'" + s.replace("'", "''") + "'"
        if quote < 0.15:
            return json.dumps(s)
        if quote < 0.2:
            return r.choice(["!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "! ", "!x "]) + s
        return s

    def node(self, depth, indent):
        """A node as it follows "key:" or "-"; ends with a newline."""
        r = self.r
        kind = r.random()
        if self.anchors and kind < 0.08:
            return f" *{r.choice(self.anchors)}\n"
        anchor = ""
        if r.random() < 0.12:
            name = f"n{len(self.anchors)}"
            anchor = f" &{name}"
        if depth == 0 or kind < 0.5:
            text = f"{anchor} {self.scalar()}\n"
        elif kind < 0.6:
            text = f"{anchor} {self.flow(depth - 1)}\n"
        elif kind < 0.65:
            pad = "\n" + " " * (indent + 2)
            text = f"{anchor} {r.choice('|>')}{r.choice(['', '-', '+'])}" + "".join(
                pad + r.choice(["x", "y z", " lead", "", "- a", "#b"]) for _ in range(r.randint(1, 4))) + "\n"
        else:
            text = f"{anchor}\n{self.block(depth - 1, indent + r.choice([1, 2, 2, 2, 4]))}"
        if anchor:
            self.anchors.append(name)
        return text

    def flow(self, depth):
        r = self.r
        if depth <= 0 or r.random() < 0.3:
            s = self.scalar()
            return "x" if s in ("?", "!") else s
        n = r.randint(0, 3)
        if r.random() < 0.5:
            return "[" + ", ".join(self.flow(depth - 1) for _ in range(n)) + "]"
        return "{" + ", ".join(f"{self.scalar()}: {self.flow(depth - 1)}" for _ in range(n)) + "}"

    def block(self, depth, indent):
        r = self.r
        pad = " " * indent
        if r.random() < 0.4:
            return "".join(f"{pad}-{self.node(depth, indent)}" for _ in range(r.randint(1, 4)))
        out = ""
        for _ in range(r.randint(1, 5)):
            if self.anchors and r.random() < 0.1:
                names = r.sample(self.anchors, min(len(self.anchors), r.randint(1, 2)))
                many = "[" + ", ".join("*" + n for n in names) + "]"
                out += f"{pad}<<: " + (f"*{names[0]}" if len(names) == 1 else many) + "\n"
            else:
                out += f"{pad}{r.choice(['a', 'b', 'c', 'key', self.scalar()])}:{self.node(depth, indent)}"
        return out


@pytest.mark.parametrize("seed", range(20))
def test_generated_documents(tool, seed):
    for i in range(100):
        check(tool, Maker(seed * 1000 + i).block(3, 0))


SPLINTERS = ["", "\n", " ", "\t", ":", "- ", "[", "]", "{", "}", ",", "'", '"', "&a ", "*a", "#", "!", "|", "?", "\r"]


@pytest.mark.parametrize("seed", range(10))
def test_mutilated_documents(tool, seed):
    r = random.Random(seed)
    for i in range(100):
        text = Maker(seed * 1000 + i).block(2, 0)
        for _ in range(r.randint(1, 3)):
            at = r.randrange(len(text))
            text = text[:at] + r.choice(SPLINTERS) + text[at + r.randint(0, 2):]
        if not re.search(r"[|>][-+0-9]*#|[\[,{] *[?]", text):  # comments glued to a block header; see above
            check(tool, text)


def test_bombs_are_refused_quickly(tool):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    assert tool.ask("load", bomb)[0] == "error"
    merge = "a0: &a0 {x: 1, y: 2}\n" + "".join(
        f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}], k{i}: 1}}\n" for i in range(1, 30))
    tool.ask("load", merge)
    assert tool.ask("load", "[" * 100000)[0] == "error"
    assert tool.ask("load", "a: " * 5)[0] == "error"
    assert tool.ask("load", "&a [*a]")[0] == "error"
    assert tool.ask("load", "x" * (5 << 20))[0] == "error"
    assert tool.ask("load", "0x" + "f" * 100000)[0] == "error"


WORDS = [
    "prod", "a b", "", " lead", "trail ", "yes", "no", "on", "null", "~", "1", "010", "0x1f", "1.5", "1e5",
    "1.0e+5", "1:30", "2020-01-01", "{}\n", "a: b", "a #b", "#a", "- a", "-", "--- a", "...", "?", "? a",
    ":", ":a", "a:", "'q'", '"d"', "it's", "back\\slash", "tab\there", "line\nbreak", "two\n\nbreaks",
    "\nlead", "trail\n", "sp \nbr", "br\n sp", "é", "☃ snow", "😀", "x" * 100, "word " * 30, "é word " * 20,
    "https://x.agent.dagster.cloud", "agent:org:uuid", "*a", "&a", "!t", "%d", "@x", "`x`", "[a]", "{a}",
    "a,b", "a]b", ",", "|", ">", "=", "<<", "\x07", "\x00", "\u2028", "\ufeff", "\x85", "\xa0x",
    "it's " * 30, "a\n" * 30, "dagster_cloud.workspace.user_code_launcher", "12:30:45", ".inf", ".nan",
    "inf", "a  b   c", "  ", "\n", "\\n", "long " * 15 + "'quoted' " * 5, "é" * 90, "k" * 130, "k" * 122,
    "k" * 123,
]


FLOATS = [0.5, 1.0, 1e16, 1e-5, 1.5e300, -0.0, 123456.789, 2.0**-44, 5e-324]
FLOATS += [float("inf"), float("-inf"), float("nan")]


def config_tree(r, depth, shared):
    kind = r.random()
    if depth == 0 or kind < 0.35:
        return r.choice(WORDS)
    if kind < 0.4:
        return r.choice([0, 1, -1, 180, 10**20, -(2**63)])
    if kind < 0.45:
        return r.choice(FLOATS)
    if kind < 0.5:
        return r.choice([True, False, None])
    if kind < 0.55 and shared:
        return r.choice(shared)
    if kind < 0.7:
        v = [config_tree(r, depth - 1, shared) for _ in range(r.randint(0, 3))]
    elif kind < 0.75:
        v = {"env": "NAME"}
    elif kind < 0.78:
        v = {r.choice([1, 2.5, True, None, "x", 8080]): config_tree(r, depth - 1, shared) for _ in range(2)}
    else:
        keys = [r.choice(WORDS + ["config", "module", "class", "a", "b", "c"]) for _ in range(r.randint(0, 4))]
        v = {k: config_tree(r, depth - 1, shared) for k in keys}
    if r.random() < 0.2:
        shared.append(v)
    return v


@pytest.mark.parametrize("seed", range(30))
def test_dumps_are_pyyamls(tool, seed):
    for i in range(30):
        value = config_tree(random.Random(seed * 1000 + i), 4, [])
        text = yaml.dump(value)
        # the dump is also the way in; it keeps shared collections shared and the order sorted
        assert tool.ask("dump", text) == yaml.dump(yaml.load(text, Loader=Loader)), text
        unsorted = yaml.dump(value, sort_keys=False, default_flow_style=None, allow_unicode=True)
        assert tool.ask("dump", unsorted) == yaml.dump(yaml.load(unsorted, Loader=Loader)), unsorted


def test_every_word_is_dumped_as_pyyaml_does(tool):
    for word in WORDS + SCALARS:
        for value in (word, [word], {"k": word}, {word: "v"}, {"a": {"b": [word, {word: word}]}}):
            assert tool.ask("dump", yaml.dump(value)) == yaml.dump(value), value


def test_floats_are_pythons(tool):
    r = random.Random(7)
    for _ in range(3000):
        v = struct.unpack("<d", struct.pack("<Q", r.getrandbits(64)))[0]
        if r.random() < 0.3:
            v = r.choice([2.0 ** r.randint(-1074, 1023), r.random() * 10 ** r.randint(-8, 20), float(r.randint(0, 10**17))])
        if not math.isnan(v):
            assert tool.ask("dump", yaml.dump([v])) == yaml.dump([v])
