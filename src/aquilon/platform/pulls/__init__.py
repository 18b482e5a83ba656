"""Models pulled in the background for who asks over HTTP: a process each, with progress, that can be stopped."""

from aquilon.platform.pulls.pulls import Pulls
from aquilon.platform.pulls.record import Pull

__all__ = ["Pull", "Pulls"]
