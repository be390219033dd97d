"""What forked processes shall not have to import; loaded once, by the process that they are forked from."""

from __future__ import annotations

from ganforge.plugins import load_catalogue

load_catalogue(only=[])
