"""Feedback: what people are asked about the agent's behaviour, and what they answer."""

from multiparty_envs.feedback.asking import ask, rank
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.emitter import Emitter
from multiparty_envs.feedback.rankings import Rankings
from multiparty_envs.feedback.segments import Segments, Steps
from multiparty_envs.feedback.settings import Feedback

__all__ = ["Comparisons", "Emitter", "Feedback", "Rankings", "Segments", "Steps", "ask", "rank"]
