"""Is this open-weight model really runnable on this machine? Measured, with evidence."""

__version__ = "0.1.0"
