"""The model card: README.md of a repository of weights, made from what the folder says, around what a person wrote.

Pure: nothing is fetched and no model is built. `huggingface_hub`'s card classes are imported when a card is written, torch never.
"""

from .writing import card

__all__ = ["card"]
