from __future__ import annotations

import datetime
import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganforge.recipes.positions import positions


def every_path(value, path=()):
    """Return the paths of every key and entry that tomllib finds."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from every_path(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from every_path(inner, (*path, index))


def check(text):
    data = tomllib.loads(text)
    found = positions(text)
    assert set(found) == set(every_path(data))
    for path, place in found.items():
        piece = text[place.start : place.end]
        lines = text[: place.start].split("\n")
        assert (place.line, place.column) == (len(lines), len(lines[-1]) + 1)
        if isinstance(path[-1], str):
            assert list(tomllib.loads(f"{piece} = 1")) == [path[-1]], (path, piece)
        elif not isinstance(value_at(data, path), dict):
            assert tomllib.loads(f"x = {piece}")["x"] == value_at(data, path)
    return found


def value_at(data, path):
    for step in path:
        data = data[step]
    return data


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=6)
keys = st.sampled_from(["a", "b", "kind", "1", "-", "a.b", "", "# no", '"', "ü", "x\ty"]) | words
scalars = (
    st.integers(-99, 99)
    | st.booleans()
    | st.floats(allow_nan=False, width=32)
    | words
    | st.dates(datetime.date(1970, 1, 1))
    | st.datetimes(datetime.datetime(1970, 1, 1)).map(lambda moment: moment.replace(microsecond=0))
)
trees = st.dictionaries(
    keys,
    st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
    ),
    max_size=4,
)
blanks = st.sampled_from(["", " ", "\n", " # a = [ \" '\n", "\t", "\r\n"])


@st.composite
def texts(draw):
    """Draw a TOML text: tables as headers, arrays of tables, dotted keys or inline; strings of all four sorts."""

    def quoted(word):
        basic = json.dumps(word, ensure_ascii=draw(st.booleans()) and all(ord(letter) < 0xFFFF for letter in word))
        plain = all(letter.isprintable() for letter in word)
        forms = [basic]
        if plain and "'" not in word:
            forms.append(f"'{word}'")
        return draw(st.sampled_from(forms))

    def key(word):
        bare = word and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in word)
        return word if bare and draw(st.booleans()) else quoted(word)

    def inline(value):
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str):
            body = json.dumps(value, ensure_ascii=False)[1:-1]
            long = f'"""\n{body}"""'
            return draw(st.sampled_from([quoted(value), long, long.replace('\n"""', '"""')]))
        if isinstance(value, list):
            blank = draw(blanks)
            return "[" + blank + f",{blank}".join(inline(entry) for entry in value) + blank + "]"
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{key(name)} = {inline(entry)}" for name, entry in value.items()) + " }"
        return str(value)

    def table(value, path):
        lines, later = [], []
        for name, entry in value.items():
            style = draw(st.integers(0, 2))
            if isinstance(entry, dict) and style == 0:
                later.append(("[{}]", name, [entry]))
            elif isinstance(entry, dict) and entry and style == 1:
                start = key(name)
                lines += [f"{start} . {key(inner)}={inline(deep)}" for inner, deep in entry.items()]
            elif isinstance(entry, list) and entry and all(isinstance(one, dict) for one in entry) and style == 0:
                later.append(("[[{}]]", name, entry))
            else:
                lines.append(f"  {key(name)} = {inline(entry)} # x = 1")
        for form, name, entries in later:
            for entry in entries:
                header = " . ".join(key(step) for step in (*path, name))
                lines.append(form.format(f" {header}\t") + "  # [b]")
                lines += table(entry, (*path, name))
        return lines

    return draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(table(draw(trees), ())) + "\n"


@settings(max_examples=300, deadline=None)
@given(texts())
def test_finds_every_key_that_tomllib_finds(text):
    check(text)


@pytest.mark.parametrize(
    ("text", "path", "line", "column"),
    [
        ("a = 1", ("a",), 1, 1),
        ("# a = 2\n\n  a = 1", ("a",), 3, 3),
        ('a = "]#\\""\nb = 2', ("b",), 2, 1),
        ("a = {x = {y = 1}, z = [1, {k = 2}]}", ("a", "z", 1, "k"), 1, 28),
        ("[a.b]\nc = 1\n[a]\nd = 1", ("a",), 3, 2),
        ("[[a]]\nx = 1\n[[a]]\nx = 2\n[a.b]\ny = 3", ("a", 1, "b", "y"), 6, 1),
        ("[[a]]\n[[a.b]]\n[[a.b]]\nx = 1", ("a", 0, "b", 1, "x"), 4, 1),
        ("a.'b.c'.\"d\\u0041\" = 1", ("a", "b.c", "dA"), 1, 9),
        ('a = """x"""""\nb = 1', ("b",), 2, 1),
        ("a = '''\n'x'''''\nb = 1", ("b",), 3, 1),
        ("a = 1979-05-27 07:32:00\nb=[1,\n 2, # ]\n]\nc = 1", ("c",), 5, 1),
    ],
)
def test_places(text, path, line, column):
    place = check(text)[path]
    assert (place.line, place.column) == (line, column)


def test_dotted_keys_inside_an_array_of_tables_stay_in_its_last_entry():
    found = check("[[m]]\nkind = 'a'\n[[m]]\nx.y = 1\n")
    assert found[("m", 1, "x", "y")].line == 4
    assert ("m", 0, "x") not in found
