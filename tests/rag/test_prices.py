"""The bill: what a request costs by the dated table."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.claude.prices import Usage, cost, estimate, load_prices
from rag.claude.tokens import estimated_tokens
from rag.errors import SettingsError

TABLE = load_prices(None)


def test_a_request_is_billed_by_its_four_kinds_of_tokens() -> None:
    usage = Usage(input_tokens=1000, cache_write_tokens=2000, cache_read_tokens=4000, output_tokens=500)
    expected = (1000 * 0.10 + 2000 * 0.125 + 4000 * 0.01 + 500 * 0.50) / 1e6
    assert cost(TABLE, "claude-haiku-5-5", usage) == pytest.approx(expected, abs=1e-9)


def test_above_the_step_every_token_costs_the_higher_rate() -> None:
    at = cost(TABLE, "claude-haiku-5-5", Usage(input_tokens=100_000))
    above = cost(TABLE, "claude-haiku-5-5", Usage(input_tokens=50_000, cache_read_tokens=50_001))
    assert at == pytest.approx(0.01)
    assert above == pytest.approx((50_000 * 0.50 + 50_001 * 0.05) / 1e6, abs=1e-8)


def test_no_request_costs_more_than_its_estimate() -> None:
    for prompt, output in ((400, 100), (5_000, 1024), (100_000, 10), (100_001, 10)):
        expected = estimate(TABLE, "claude-haiku-5-5", prompt, output, "5m")
        assert expected is not None
        for written in (0, prompt // 2, prompt):
            kept = written if prompt >= TABLE.models["claude-haiku-5-5"].cache_minimum else 0
            usage = Usage(prompt - kept, kept, 0, output)
            assert (cost(TABLE, "claude-haiku-5-5", usage) or 0.0) <= expected


def test_the_estimate_knows_the_step_and_what_is_kept() -> None:
    haiku = "claude-haiku-5-5"
    assert estimate(TABLE, haiku, 100_000, 1000, "off") == pytest.approx(0.0105)
    assert estimate(TABLE, haiku, 100_001, 1000, "off") == pytest.approx(0.0525, abs=1e-6)
    assert estimate(TABLE, haiku, 1_000, 0, "5m") == pytest.approx(0.000125)
    assert estimate(TABLE, haiku, 1_000, 0, "1h") == pytest.approx(0.0002)
    assert estimate(TABLE, "another-model", 1_000, 0, "5m") is None


@pytest.mark.parametrize(
    "text", ["Keys rotate every year, and two safes keep them. ", "2024-11-05 17:30 ", "鍵"]
)
def test_tokens_are_estimated_on_the_safe_side(text: str) -> None:
    """Prose has at least three characters a token; digits, signs and other scripts may have one."""
    letters = sum(one.isascii() and (one.isalpha() or one.isspace()) for one in text)
    assert estimated_tokens(text * 100) >= 100 * (letters / 3.08 + len(text) - letters)


def test_what_an_unknown_model_costs_is_not_known() -> None:
    assert cost(TABLE, "another-model", Usage(input_tokens=10)) is None


def test_the_user_may_replace_the_table(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        'read = "2027-01-01"\n[models.m]\ninput = 1\noutput = 2\ncache_write = 0\ncache_read = 0\n'
        "context = 1000\nmax_output = 100\nthinking_can_be_off = true\n",
        encoding="utf-8",
    )
    assert cost(load_prices(path), "m", Usage(input_tokens=1_000_000)) == 1.0


@pytest.mark.parametrize("content", [None, "not toml [", 'read = "x"\n[models.m]\ninput = 1\n'])
def test_a_table_that_cannot_be_used_is_a_clear_error(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "prices.toml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match="RAG_PRICES_FILE"):
        load_prices(path)
