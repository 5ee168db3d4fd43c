"""Language models behind one small interface: ask for an object of a schema, or for text; independent of the provider.

Only this package imports pydantic-ai, and only on the first call to a model.
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
