import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.toml_lines import TomlPath, key_lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# a = 1\n\n", {}),
        ("a = 1", {("a",): 1}),
        ("\n # x\n\t'a b' = 1 # y\nc=2", {("a b",): 3, ("c",): 4}),
        ('"a\\u0062" = 1', {("ab",): 1}),
        ("a.b . 'c.d' = 1", {("a",): 1, ("a", "b"): 1, ("a", "b", "c.d"): 1}),
        ("a = '''\nb = 2\n''''\nc = 1", {("a",): 1, ("c",): 4}),
        ('a = """\\"""\n[x]\n"""""\nc = 1', {("a",): 1, ("c",): 4}),
        (
            "a = '#[x]'\nb = \"\\\"[y]\"\nc = ''\nd = ''''''",
            {(k,): i + 1 for i, k in enumerate("abcd")},
        ),
        ("a = [\n1, # x ]\n\n2,\n]\nb = 1", {("a",): 1, ("a", 0): 2, ("a", 1): 4, ("b",): 6}),
        ("a = [[], [1]]", {("a",): 1, ("a", 0): 1, ("a", 1): 1, ("a", 1, 0): 1}),
        (
            "a = { b = 1, c.d = [\n2] }",
            {("a",): 1, ("a", "b"): 1, ("a", "c"): 1, ("a", "c", "d"): 1, ("a", "c", "d", 0): 2},
        ),
        ("a = 1979-05-27 07:32:00\nb = +inf", {("a",): 1, ("b",): 2}),
        (
            "[ a . b ]\nc = 1\n[a]\nd = 2",
            {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 2, ("a", "d"): 4},
        ),
        (
            "[[a]]\nb = 1\n[a.c]\nd = 2\n[[a]]\nb = 3\n[[a.e]]\n[[a.e]]\nf = 4",
            {
                ("a",): 1,
                ("a", 0): 1,
                ("a", 0, "b"): 2,
                ("a", 0, "c"): 3,
                ("a", 0, "c", "d"): 4,
                ("a", 1): 5,
                ("a", 1, "b"): 6,
                ("a", 1, "e"): 7,
                ("a", 1, "e", 0): 7,
                ("a", 1, "e", 1): 8,
                ("a", 1, "e", 1, "f"): 9,
            },
        ),
    ],
)
def test_lines(text: str, expected: dict[TomlPath, int]) -> None:
    tomllib.loads(text)
    assert key_lines(text) == expected


# --- documents written at random, their lines noted while they are written ------------------------

keys = st.text(max_size=5)
blank = st.sampled_from(["", "\n", "  \n\t\n", "# a = [1]\n", "#'\n"])
plain = st.sampled_from(["1", "true", "-1.5e3", "1979-05-27 07:32:00", "nan", "0x1F"])


def literal(text: str) -> str:
    escaped = "".join(f"\\U{ord(character):08X}" for character in text)
    return f'"{escaped}"'


strings = st.one_of(
    st.text().map(literal),
    st.text('ab=[]{}#\\,.\n"', max_size=12).map(lambda text: f"'''{text}'''"),
    st.text("ab=[]{}#,.'\n", max_size=12).map(lambda text: f'"""{text}"""'),
    st.text('ab=[]{}#,.\\"', max_size=12).map(lambda text: f"'{text}'"),
)
values = st.recursive(
    plain | strings,
    lambda inner: (
        st.lists(st.tuples(blank, inner), max_size=3) | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=5,
)


class Writer:
    """Writes a document and keeps account of where everything went."""

    def __init__(self) -> None:
        self.text = ""
        self.lines: dict[TomlPath, int] = {}

    def note(self, path: TomlPath) -> None:
        self.lines.setdefault(path, 1 + self.text.count("\n"))

    def table(self, path: TomlPath, content: dict[str, Any], before: list[str]) -> None:
        self.note(path)
        self.text += f"[{literal(str(path[0]))}]  # table\n"
        for index, (key, value) in enumerate(content.items()):
            self.text += before[index % len(before)] if before else ""
            self.pair((*path, key), value)
            self.text += "\n"

    def pair(self, path: TomlPath, value: Any) -> None:
        self.note(path)
        self.text += f"{literal(str(path[-1]))} = "
        self.value(path, value)

    def value(self, path: TomlPath, value: Any) -> None:
        if isinstance(value, str):
            self.text += value
        elif isinstance(value, dict):
            self.text += "{"
            for index, (key, inner) in enumerate(value.items()):
                self.text += ", " if index else " "
                self.pair((*path, key), inner)
            self.text += "}"
        else:
            self.text += "["
            for index, (before, inner) in enumerate(value):
                self.text += before
                self.note((*path, index))
                self.value((*path, index), inner)
                self.text += ", "
            self.text += "]"


@given(
    st.dictionaries(keys, st.dictionaries(keys, values, max_size=3), max_size=3),
    st.lists(blank, max_size=3),
)
def test_lines_of_any_document(document: dict[str, dict[str, Any]], before: list[str]) -> None:
    writer = Writer()
    for name, content in document.items():
        writer.table((name,), content, before)
    tomllib.loads(writer.text)
    assert key_lines(writer.text) == writer.lines
