"""Import workflows of other systems: one module a format, over one intermediate form. Nothing of them runs."""

from genesis.importers.formats import FORMATS, import_workflow
from genesis.importers.plan import Imported
from genesis.importers.workflow import Loss

__all__ = ["FORMATS", "Imported", "Loss", "import_workflow"]
