"""The name that a line of code defines, in the languages that people write."""

from __future__ import annotations

import pytest

from rag.definitions import name_of, title_at


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("class Client:", "Client"),
        ("class HttpClient extends EventEmitter {", "HttpClient"),
        ("export default class Page extends React.Component {", "Page"),
        ("class Dog : public Animal {", "Dog"),
        ("class Dog < Animal", "Dog"),
        ("extension String: Codable {", "String"),
        ("data class User(val name: String)", "User"),
        ("enum class Color { RED }", "Color"),
        ("interface Store<T> extends Map<string, T> {", "Store"),
        ("type Reader struct {", "Reader"),
        ("type Doer interface {", "Doer"),
        ("func (r *Reader) Read(p []byte) (int, error) {", "Read"),
        ("func NewReader(r io.Reader) *Reader {", "NewReader"),
        ("pub struct DiffExecutor<A, B> {", "DiffExecutor"),
        ("impl<E, EM> Executor<EM> for DiffExecutor<E> {", "DiffExecutor"),
        ("impl<T: Clone> Cache<T> {", "Cache"),
        ("pub(crate) async fn read_all<R: Read>(r: R) -> usize {", "read_all"),
        ("macro_rules! my_vec {", "my_vec"),
        ("static int read_all(int fd) {", "read_all"),
        ("void Foo::bar(int x) {", "bar"),
        ("public static <T> List<Map<K, V>> build(int x) {", "build"),
        ("const getUser = async (id) => {", "getUser"),
        ("async readAll(limit) {", "readAll"),
        ("function* numbers() {", "numbers"),
        ("def self.find(id)", "find"),
        ("fun String.shout(): String {", "shout"),
        ("CREATE TABLE IF NOT EXISTS users (", "users"),
    ],
)
def test_a_definition_has_the_name_of_what_it_defines_and_not_of_what_that_rests_on(
    line: str, name: str
) -> None:
    title = title_at([line, "}"], 0, python=False)
    assert title is not None
    assert name_of(title) == name


@pytest.mark.parametrize(
    "line", ["return read(x)", "if (ready(x)) {", "x = call(1)", "", "class of 2024 graduates"]
)
def test_what_defines_nothing_has_no_title(line: str) -> None:
    assert title_at([line, "}"], 0, python=False) is None


def test_a_title_without_words_has_no_name() -> None:
    assert name_of("") == ""
