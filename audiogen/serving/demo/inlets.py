"""How a sound gets from one tab to another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from audiogen.pipelines.take import Take


@dataclass(frozen=True, eq=False)
class Sent:
    """A take that one tab hands to another."""

    take: Take
    path: Path
    """Its sound file."""


Inlet = Callable[[Callable[..., Any], gr.State], Any]
"""Wires a listener (`button.click`) and the state with the `Sent` (None: there is none yet) to a tab that takes sounds.

Returns the last of the events that follow.
"""
Inlets = Mapping[str, Inlet]
"""Label of a tab that takes sounds -> its inlet."""
