"""OpenCV, imported when it is first used: a program that resizes a JPEG never waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["cv2"]

if TYPE_CHECKING:
    import cv2
else:

    class _OpenCV:
        def __getattr__(self, name: str) -> Any:
            import cv2  # noqa: PLC0415  what this class is for

            # Found at once the next time.
            value = vars(self)[name] = getattr(cv2, name)
            return value

    cv2 = _OpenCV()
