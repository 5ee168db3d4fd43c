"""Language models behind one small face: ask for an object of a schema, or for text. Nothing of a provider leaks out.

This package is the one place that knows pydantic-ai, and it loads it only when a model is asked for the first time.
"""

from genesis.llm.blocking import run_blocking
from genesis.llm.client import TokenUsage, endpoint_of, open_model
from genesis.llm.model import Answer, LanguageModel
from genesis.llm.name import ModelName, parse_model_name

__all__ = [
    "Answer",
    "LanguageModel",
    "ModelName",
    "TokenUsage",
    "endpoint_of",
    "open_model",
    "parse_model_name",
    "run_blocking",
]
