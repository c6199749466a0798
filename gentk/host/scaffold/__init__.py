"""What `gentk plugins new` writes: a small distribution that works, of one of five kinds."""

from .kinds import KINDS, Kind
from .names import Names, named
from .writing import write

__all__ = ["KINDS", "Kind", "Names", "named", "write"]
