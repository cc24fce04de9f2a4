"""The page's own arithmetic: its SSIM is that of the paper, and its curves are those that the server applies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from browsers.visits import needs_chromium, visiting
from numpy.typing import NDArray
from playwright.sync_api import Browser
from serving import Server

from imgsrv.imaging.colour.monotone_curve import interpolate

pytestmark = [pytest.mark.slow, needs_chromium]

SIZE = 24

CALL = """async ([module, name, words]) => {
  const found = await import(new URL(`pages/any/playground/${module}`, document.baseURI));
  return found[name](...words);
}"""


def called(browser: Browser, server: Server, module: str, name: str, *words: Any) -> Any:
    with visiting(browser, server.url) as visit:
        return visit.page.evaluate(CALL, [module, name, list(words)])


def _ssim(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Equation 13 of Wang et al. (2004), the mean over windows of 8 by 8 pixels that are 4 apart."""
    found = []
    for top in range(0, SIZE - 7, 4):
        for left in range(0, SIZE - 7, 4):
            x, y = one[top : top + 8, left : left + 8], other[top : top + 8, left : left + 8]
            covariance = ((x - x.mean()) * (y - y.mean())).mean()
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            above = (2 * x.mean() * y.mean() + c1) * (2 * covariance + c2)
            found.append(above / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (x.var() + y.var() + c2)))
    return float(np.mean(found))


def test_its_ssim_is_that_of_the_paper(browser: Browser, playground: Server) -> None:
    random = np.random.default_rng(7)
    one = random.uniform(0, 255, (SIZE, SIZE))
    for noise in (0, 3, 40):
        other = (one + random.normal(0, noise, one.shape)).clip(0, 255)
        words = (one.ravel().tolist(), other.ravel().tolist(), SIZE, SIZE)
        found = called(browser, playground, "view/ssim.js", "ssim", *words)
        assert found == pytest.approx(_ssim(one, other), abs=1e-9)


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([(0, 0), (1, 1)], id="a-line"),
        pytest.param([(0, 0), (0.3, 0.2), (0.7, 0.82), (1, 1)], id="an-s"),
        pytest.param([(0, 0.5), (0.2, 0.1), (0.5, 0.9), (0.9, 0.4)], id="up-and-down"),
    ],
)
def test_a_curve_is_drawn_with_the_slopes_that_the_server_gives_it(
    browser: Browser, playground: Server, points: list[tuple[float, float]]
) -> None:
    slopes = called(browser, playground, "forms/monotone.js", "slopes", [list(point) for point in points])
    assert len(slopes) == len(points)
    step = 1e-6
    for (x, y), slope in zip(points, slopes, strict=True):
        # Beside a point the server's curve goes as the slope says, on the side on which there is a curve.
        side = -step if (x, y) == points[-1] else step
        assert (interpolate(points, [x + side])[0] - y) / side == pytest.approx(slope, abs=1e-3)
