"""What stands in a resource of Kubernetes that nobody knows: its API server drops it without a word."""

from __future__ import annotations


def unknown(value, form, path: str = "spec") -> list[str]:
    """The fields that no list here knows, or that are of another kind."""
    if isinstance(form, dict) and isinstance(value, dict):
        return [
            fault
            for name, inner in value.items()
            for fault in (unknown(inner, form[name], f"{path}.{name}") if name in form else [f"{path}.{name}"])
        ]
    if isinstance(form, list) and isinstance(value, list):
        return [fault for number, inner in enumerate(value) for fault in unknown(inner, form[0], f"{path}[{number}]")]
    return [] if isinstance(form, type) and isinstance(value, form) else [path]
