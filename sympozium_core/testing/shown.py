"""What of an error a log may show: for checks that no credential is in it."""

from __future__ import annotations

import traceback


def everything_of(error: BaseException) -> str:
    """The message, its repr, and the same of what is chained, or in a group."""
    chained = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    own = f"{error}{error!r}{error.args}{getattr(error, 'hint', '')}" + "".join(traceback.format_exception_only(error))
    return own + "".join(everything_of(each) for each in (*inner, *([chained] if chained else [])))
