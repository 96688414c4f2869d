"""What was asked, what came of it, and what readers thought of it: for whoever runs the service."""

from rag.questions.log import QuestionLog
from rag.questions.logged import LoggedQuestion, QuestionOutcome, Rating, Reason
from rag.questions.watching import watched

__all__ = ["LoggedQuestion", "QuestionLog", "QuestionOutcome", "Rating", "Reason", "watched"]
