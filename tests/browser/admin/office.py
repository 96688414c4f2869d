"""An office whose readers have asked for a month: documents, questions, thumbs, and what it all cost."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from rag.documents import Charge, document_id_of
from rag.questions import LoggedQuestion, QuestionLog
from rag.questions.log import FILE
from rag.usage import Ledger

SAMPLE = Path(__file__).parents[3] / "data" / "library"
FAST, THOROUGH = "claude-haiku-5-5", "claude-sonnet-5-5"
HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>'
HOSTILE_QUESTION = f"Who wrote {HOSTILE}?"
CUT = "travel-policy-2026.pdf"
"""A document that cannot be read."""

DOCUMENTS = {
    "remote-work.md": (
        "handbook",
        "everyone",
        "# Remote work\n\nUp to three days a week may be worked from home.\n",
    ),
    "salary-bands.md": ("people", "hr", "# Salary bands\n\nBand four begins at sixty thousand a year.\n"),
    "incident-response.md": (
        "handbook",
        "everyone",
        "# Incident response\n\nThe first on call opens the channel.\n",
    ),
    "onboarding-checklist.md": (
        "handbook",
        "everyone",
        "# Onboarding checklist\n\nThe laptop is set up on day one.\n",
    ),
}
HEADINGS = ("Who it is for", "What has to be done", "Who decides", "Exceptions", "When it was changed")
RULE = "Whoever is in doubt asks their team lead, who writes down what was decided and why. " * 4
SAMPLES = ("sudo-troubleshooting.md", "restic-removing-snapshots.html", "unattended-upgrades-readme.md")

ANSWERED = {
    "How many days a week may I work from home?": "remote-work.md",
    "Who opens the channel in an incident?": "incident-response.md",
    "When is my laptop set up?": "onboarding-checklist.md",
    "How do I see which snapshots restic would remove?": "restic-removing-snapshots.html",
    "Why does sudo not find my command?": "sudo-troubleshooting.md",
}
MISSING = {
    "How do I request parental leave?": 9,
    "How can I apply for parental leave?": 5,
    "parental leave application": 3,
    "What is the process for taking parental leave?": 2,
    "How do I reset my VPN password?": 6,
    "VPN password forgotten": 4,
    "Who approves travel expenses?": 5,
    "Who signs off travel expense reports?": 2,
    "Is there a gym discount for employees?": 3,
    "Which lawyer reviews contracts with new customers?": 1,
}
CALLERS = ("intranet", "wiki", "origin:https://wiki.example.com", "anna.berg")


def fill_documents(http: httpx.Client) -> None:
    """Upload them, one broken one with them."""
    for name, (collection, groups, text) in DOCUMENTS.items():
        data = {"collection": collection, "groups": groups}
        body = text + "".join(
            f"\n## {number}. {heading}\n\n{RULE}\n" for number, heading in enumerate(HEADINGS, 1)
        )
        http.post("/v1/documents", files={"file": (name, body.encode())}, data=data).raise_for_status()
    for name in SAMPLES:
        file = (name, (SAMPLE / name).read_bytes())
        http.post("/v1/documents", files={"file": file}, data={"collection": "tools"}).raise_for_status()
    broken = (SAMPLE / "postgresql-backup-and-restore.pdf").read_bytes()[:3000]
    failed = http.post("/v1/documents", files={"file": (CUT, broken)}, data={"collection": "handbook"})
    assert failed.status_code == 422


def id_of(name: str) -> str:
    collection = DOCUMENTS[name][0] if name in DOCUMENTS else "tools"
    return document_id_of(f"upload://{collection}/{name}")


async def fill_log(data_dir: Path, now: datetime, days: int = 30) -> None:
    """A month of questions, thumbs and costs, the same each time but for the days."""
    dice = random.Random(7)
    log = QuestionLog(data_dir / FILE, 365)
    entries: list[LoggedQuestion] = []
    missing = [question for question, count in MISSING.items() for _ in range(count)]
    dice.shuffle(missing)
    for day in range(days):
        at = now if day == days - 1 else (now - timedelta(days=days - 1 - day)).replace(hour=18)
        weekend = at.weekday() >= 5
        questions = dice.choices(list(ANSWERED), k=dice.randint(1, 3) if weekend else dice.randint(6, 12))
        share = missing[day * len(missing) // days : (day + 1) * len(missing) // days]
        entries += [_answered(dice, at, question) for question in questions]
        entries += [_missing(dice, at, question) for question in share]
        if day % 9 == 4:
            entries.append(
                _entry(dice, at, "Summarise all contracts of the year", outcome="failed", ms=30_000.0)
            )
        await _spend(Ledger(data_dir / "usage.sqlite", at.timestamp), entries[-len(questions) - len(share) :])
    for entry in sorted(entries, key=lambda one: one.at):
        log.note(entry)
        await log.written()


def _answered(dice: random.Random, at: datetime, question: str) -> LoggedQuestion:
    cached = dice.random() < 0.2
    thorough = not cached and dice.random() < 0.15
    rating = dice.choices(("up", "down", None), (12, 4, 84))[0]
    outdated = rating == "down" and dice.random() < 0.6
    ms = dice.uniform(60, 120) if cached else dice.lognormvariate(8.6 if thorough else 7.3, 0.35)
    return _entry(
        dice,
        at,
        question,
        outcome="answered",
        route="synthesis" if thorough else "lookup",
        model=THOROUGH if thorough else FAST,
        ms=round(ms, 1),
        usd=0.0 if cached else round(dice.uniform(0.02, 0.06) if thorough else dice.uniform(0.001, 0.004), 5),
        cached=cached,
        documents=(id_of(ANSWERED[question]),),
        rating=rating,
        reasons=(("outdated",) if outdated else ("incomplete",)) if rating == "down" else (),
        comment="It has been two days since October." if outdated and "home" in question else None,
    )


def _missing(dice: random.Random, at: datetime, question: str) -> LoggedQuestion:
    near = (id_of(dice.choice(("remote-work.md", "onboarding-checklist.md"))),)
    ms = round(dice.uniform(150, 600), 1)
    return _entry(dice, at, question, outcome="not_found", model="none", ms=ms, usd=0.0, nearest=near)


def _entry(dice: random.Random, at: datetime, question: str, **more: object) -> LoggedQuestion:
    asked = at - timedelta(minutes=dice.uniform(0, 0.9 * (at.hour * 60 + at.minute)))
    known = {
        "id": uuid.UUID(int=dice.getrandbits(128)).hex,
        "at": asked,
        "caller": dice.choice(CALLERS),
        "question": question,
        "rated": asked if more.get("rating") else None,
    }
    return LoggedQuestion.model_validate({**known, **more})


async def _spend(ledger: Ledger, entries: list[LoggedQuestion]) -> None:
    for entry in entries:
        if entry.usd:
            await ledger.settle(entry.id, entry.caller, [Charge(model=str(entry.model), usd=entry.usd)])


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
