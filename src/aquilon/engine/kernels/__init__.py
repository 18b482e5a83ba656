"""Native CPU kernels: packed linear layers, paged attention, a whole decoder step.

C in ``native/``, compiled into this folder and loaded by ctypes. Tests compare them with their torch twins.
"""

from aquilon.engine.kernels.library import available, unavailable_reason

__all__ = ["available", "unavailable_reason"]
