"""Search: words, labels, time and facets; what users write is never query syntax."""

import sqlite3
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govbus.errors import AdapterError, ConfigError, FencedError, SourceUnavailableError
from govbus.service.catalogue import database as module
from govbus.service.catalogue.database import CatalogueDatabase
from govbus.service.catalogue.items import Item, Kind, directory_items
from govbus.service.catalogue.query import WORDS_MAX, Query, match_expression
from govbus.testing.example_bus import ExampleBus
from govbus.testing.rich_example import RICH_EXAMPLE
from govbus.transport.base import TopicPartition

INDEX = CatalogueDatabase(":memory:")
INDEX.replace_directory(directory_items(ExampleBus.of(RICH_EXAMPLE).directory()), "1")


def _ids(**query):
    return [(one.kind, one.id) for one in INDEX.search(Query(**query)).items]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rates service", []),
        ("strasse", [("asset", "tax.example/rates")]),
        ("STRA", [("asset", "tax.example/rates")]),
        ("percent", [("schema", "tax.rates/1")]),
        ("previous_kind", [("schema", "tax.rates/1")]),
        ("appeals everybody", [("agreement", "tax-rates")]),
        ("sealed court", [("asset", "tax.example/sealed")]),
    ],
)
def test_words_find_what_has_them_all(words, expected):
    """Beginnings of words, without case and accents, in titles, texts, field names and their documentation."""
    if words == "strasse":
        words = "straß"
    assert expected == _ids(words=words)


def test_every_kind_is_there():
    """Assets, packages, every schema version, agreements and taxonomies are found by kind."""
    results = INDEX.search(Query(results_max=0))

    assert {"agreement": 3, "asset": 3, "schema": 3, "package": 2, "taxonomy": 1} == results.facets["kind"]
    assert () == results.items
    assert 12 == results.matches


def test_filters_hold_together():
    """Kind, agency, topic, classification and access level are all required at once."""
    assert [("package", "tax.rates")] == _ids(
        kinds=(Kind.PACKAGE,),
        agency="court.example",
        topic="rates",
        classification="public",
        access_level="public",
    )
    assert [] == _ids(kinds=(Kind.PACKAGE,), classification="public", access_level="non-public")
    assert [] == _ids(agency="nobody.example")


def test_a_broader_topic_finds_what_stands_under_it():
    """What is about rates is found under taxes, which is above; not the other way round."""
    assert ("asset", "tax.example/rates") in _ids(topic="example-topics/taxes")
    assert ("package", "tax.assessment") not in _ids(topic="example-topics/rates")


def test_facets_count_all_that_matches():
    """Counts are over all matches, not over those shown."""
    results = INDEX.search(Query(words="tax", results_max=1))

    assert 1 == len(results.items)
    assert results.matches == sum(results.facets["kind"].values()) > 1


def test_time_overlaps():
    """An agreement is found by any time within its validity; what is about no time is not found by one."""
    within = _ids(from_ms=1_900_000_000_000, to_ms=1_900_000_000_000)

    assert {"agreement"} == {kind for kind, _ in within}
    assert [] == _ids(from_ms=2_000_000_000_000)


@pytest.mark.parametrize(
    "words",
    [
        '"',
        '""',
        'tax"',
        "tax*",
        "tax OR court",
        "NEAR(tax, 1)",
        "title: tax",
        "-tax",
        "(tax",
        "tax AND",
        "^tax",
        "{a b}: c",
        "';--",
    ],
)
def test_query_syntax_is_text(words):
    """Operators of FTS5 and quotes of SQL are looked for as words; none is obeyed, none is an error."""
    try:
        results = INDEX.search(Query(words=words))
    except ConfigError as err:
        assert "no letter" in err.message
    else:
        assert results.matches <= 12


def test_or_is_a_word():
    """With OR obeyed, this would find something."""
    assert 0 < len(_ids(words="tax"))
    assert [] == _ids(words="tax OR zzz")


@given(st.text(max_size=200))
def test_any_text_is_searched_or_refused(text):
    """Whatever is typed, in whatever field, ends in results or in one sentence."""
    try:
        INDEX.search(Query(words=text))
    except ConfigError as err:
        assert "letter" in err.message or "at most" in err.message
    found = INDEX.search(Query(agency=text, topic=text, classification=text, access_level=text))
    assert 0 == found.matches
    assert () == INDEX.get(Kind.ASSET, text)


def test_lone_surrogates_and_nulls_of_a_command_line():
    """Bytes that are no UTF-8 arrive as lone surrogates; SQLite never sees them."""
    assert '"tax"* "rates"*' == match_expression("tax\udcff \x00rates\ud800")
    assert () == INDEX.get(Kind.ASSET, "a\udcffb\x00")


def test_words_have_bounds():
    """Too many words are refused; a long word is cut; blanks are no words at all."""
    with pytest.raises(ConfigError, match=f"at most {WORDS_MAX} words"):
        match_expression("a " * (WORDS_MAX + 1))
    assert len(match_expression("a" * 100_000)) < 200
    assert match_expression(" \t ") is None
    with pytest.raises(ConfigError, match="no letter"):
        match_expression("!!! ???")


def test_results_are_bounded(monkeypatch):
    """No query returns more than the bound, whatever it asks for."""
    monkeypatch.setattr(module, "RESULTS_MAX", 2)

    assert 2 == len(INDEX.search(Query(results_max=10**9)).items)
    assert 0 == len(INDEX.search(Query(results_max=-5)).items)


def test_another_directory_takes_the_place():
    """A new version replaces every entry; the same version does nothing."""
    index = CatalogueDatabase(":memory:")
    old = Item(Kind.ASSET, "a", "Old", "", frozenset({"x"}), frozenset({"t/o"}), {})
    new = Item(Kind.ASSET, "a", "New", "", frozenset(), frozenset(), {})

    assert [True, False, True] == [
        index.replace_directory([one], version) for one, version in ((old, "1"), (old, "1"), (new, "2"))
    ]
    results = index.search(Query())
    assert ["New"] == [one.title for one in results.items]
    assert {} == results.facets["agency"]
    assert 0 == index.search(Query(words="old")).matches
    index.close()


def test_two_processes_on_one_index():
    """One that has fallen behind is told so, and adds nothing."""
    index, source = CatalogueDatabase(":memory:"), TopicPartition("govbus.log", 0)
    index.add_documents([], source, start=None, end=5)

    with pytest.raises(FencedError):
        index.add_documents([], source, start=None, end=7)
    assert 5 == index.next_offset(source)
    index.close()


def test_a_failure_leaves_nothing_half_done():
    """Where an item cannot be added, neither the items before it nor the version are."""
    index = CatalogueDatabase(":memory:")

    def items():
        yield Item(Kind.ASSET, "a", "A", "", frozenset(), frozenset(), {})
        raise ValueError("stops here")

    with pytest.raises(ValueError, match="stops here"):
        index.replace_directory(items(), "1")
    assert 0 == index.search(Query()).matches
    assert index.replace_directory([], "1")
    index.close()


def test_a_file_that_is_none_is_told(tmp_path):
    """A file that is no database is named, with what to do."""
    file = tmp_path / "index.sqlite"
    file.write_bytes(b"not a database" * 100)

    with pytest.raises(AdapterError, match="delete the file"):
        CatalogueDatabase(file)


def test_a_file_of_another_form_is_made_again(tmp_path):
    """An index of another version of govbus is emptied rather than misread."""
    file = tmp_path / "index.sqlite"
    first = CatalogueDatabase(file)
    first.replace_directory([Item(Kind.ASSET, "a", "A", "", frozenset(), frozenset(), {})], "1")
    first.close()
    with sqlite3.connect(file) as raw:
        raw.execute("PRAGMA user_version = 999")
    raw.close()

    again = CatalogueDatabase(file)
    assert 0 == again.search(Query()).matches
    again.close()


def test_an_index_that_is_held_is_told(tmp_path, monkeypatch):
    """Where another process writes for too long, the error says that it passes."""
    monkeypatch.setattr(module, "BUSY_TIMEOUT_S", 0.05)
    file = tmp_path / "index.sqlite"
    first, second = CatalogueDatabase(file), CatalogueDatabase(file)
    held, done = threading.Event(), threading.Event()

    def hold():
        with first._transaction():
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(SourceUnavailableError):
        second.replace_directory([], "2")
    done.set()
    thread.join()
    first.close()
    second.close()
