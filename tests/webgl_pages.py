"""What tests of pages that draw with WebGL need of the browser."""

import shutil

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: The browser that is installed here, or None.
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)

#: Chromium refuses its sandbox to root, as in containers, and WebGL without a graphics card.
BROWSER_OPTIONS = ["--no-sandbox", "--enable-unsafe-swiftshader"]

#: Where a panel's planes and slices lie in its canvas, and the pixels that it shows.
SCRIPT = """
window.cellsOf = (panel) => panel.niivue.screenSlices.map((slice) => {
  const [x, y, w, h] = slice.leftTopWidthHeight;
  return { name: ["axial", "coronal", "sagittal"][slice.axCorSag], x, y, w, h,
    through: slice.sliceFrac };
});
window.pixelsOf = (panel) => {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [panel.canvas.width, panel.canvas.height];
  const context = copy.getContext("2d", { willReadFrequently: true });
  panel.niivue.drawScene(); // WebGL keeps pixels until the end of a task
  context.drawImage(panel.canvas, 0, 0);
  return context;
};
"""
#: As in a browser that cannot use the graphics card.
NO_WEBGL = """
const getContext = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind === "webgl2" ? null : getContext.call(this, kind, ...more);
};
"""
#: What Chromium says of drawing without a graphics card, which is no fault of a page.
SLOW = "GL Driver Message"


def is_of_the_page(url: str) -> bool:
    """Whether a request was for what the page itself holds: the viewer and its letters."""
    return url.startswith(("blob:", "data:"))
