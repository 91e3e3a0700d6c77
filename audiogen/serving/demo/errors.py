"""What a failed request says in the page."""

import functools
import html
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gradio as gr

from audiogen.errors import InputError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

SECONDS = 20
"""That a message stays."""


def readable(handler: Callable[P, R]) -> Callable[P, R]:
    """`handler`, whose errors appear as messages in the page, which stays as it was.

    An InputError is shown as it is. Anything else is a defect of ours: it goes to the log, and the page says so.
    """

    @functools.wraps(handler)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except InputError as error:
            raise gr.Error(
                shown(sentence(error)), duration=SECONDS, print_exception=False, title="This does not work"
            ) from error
        except Exception as error:
            logger.exception("%s failed", handler.__name__)
            raise gr.Error(
                shown(f"{type(error).__name__}: {error}. The terminal in which the demo runs shows more."),
                duration=SECONDS, print_exception=False, title="Something failed",
            ) from error  # fmt: skip

    return guarded


def shown(text: str) -> str:
    """Text for a message of the page, which takes HTML."""
    return html.escape(text, quote=False)


def sentence(error: InputError) -> str:
    """An InputError as a sentence."""
    text = str(error)
    return text[:1].upper() + text[1:]
