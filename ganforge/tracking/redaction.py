"""Redaction of secrets: passwords in addresses, and the values of secret environment variables."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

MASK = "***"
_ADDRESS = re.compile(r"([A-Za-z][\w+.-]*://)[^/\s\"']*@")
_OPTION = re.compile(
    r"(?i)\b((?:[\w-]*(?:token|password|passwd|secret|api[_-]?key|access[_-]?key))[\"']?\s*[=:]\s*[\"']?)[^\s\"'&]+"
)
_VARIABLE = re.compile(r"(?i)(TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|KEY|KEY_ID|CREDENTIALS?|COOKIE)$")
_FLAG = re.compile(r"(?i)^--?\S*(?:token|password|passwd|secret|api[_-]?key|access[_-]?key)$")
_SHORTEST = 6  # shorter values of variables ("1", "none") would mask ordinary words


def redact(text: str) -> str:
    """Return a text without passwords in addresses, `token=...` options and values of secret environment variables."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and _VARIABLE.search(name):
            text = text.replace(value, MASK)
    return _OPTION.sub(rf"\g<1>{MASK}", _ADDRESS.sub(rf"\g<1>{MASK}@", text))


def redact_command(command: Sequence[str]) -> list[str]:
    """Return a command line without secrets, those that follow an option such as `--password` included."""
    before = ["", *command]
    return [MASK if _FLAG.match(flag) else redact(word) for flag, word in zip(before, command, strict=False)]


def json_safe(value: Any) -> Any:
    """Return a value as JSON can hold it: non-finite numbers become null, texts are redacted, the rest becomes text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    return redact(str(value))
