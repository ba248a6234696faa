"""Every trick for a processor: the same numbers, sooner; `CPU_KERNELS=0` turns all of them off."""

from __future__ import annotations

import os


def enabled() -> bool:
    """Whether the tricks may be used. Asked each time, of the environment, since training processes
    that are launched by a command inherit that and know no settings."""
    return os.environ.get("CPU_KERNELS", "").lower() not in {"0", "false", "no", "off"}
