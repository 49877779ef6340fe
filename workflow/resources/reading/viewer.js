"use strict";
// Shows volumes on one grid in three planes, or as a series of axial slices, each by a NiiVue of its
// own. Radiological convention: the patient's right is on the left of the picture, and says so.

const SERIES_LENGTH = 20;
const CROSSHAIR_PIXELS = 1.1;
const UNIT = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
// Readers get what this page says of keys and mouse, and nothing else that NiiVue could do.
const OPTIONS = {
  logLevel: "error",
  loadingText: "",
  isRadiologicalConvention: true,
  sagittalNoseLeft: true,
  showAllOrientationMarkers: true,
  crosshairWidthUnit: "mm",
  crosshairGap: 8, // radii
  multiplanarShowRender: 0,
  multiplanarPadPixels: 6,
  centerMosaic: true,
  isForceMouseClickToVoxelCenters: true,
  invertScrollDirection: true,
  dragMode: 0,
  dragAndDropEnabled: false,
};
const ON_DARK = { fontColor: [0.91, 0.93, 0.95, 1], crosshairColor: [0.47, 0.86, 1, 1] };
const ON_LIGHT = { fontColor: [0.1, 0.13, 0.16, 1], crosshairColor: [0, 0.42, 0.65, 1] };
const NO_WEBGL =
  "This browser cannot show the images because WebGL 2 is off: switch hardware acceleration on, " +
  "or use another current browser.";

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// What is gzipped, in base64.
async function unzip(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

let loading = null;

// NiiVue, which the page holds as text: a page opened from disk may import nothing else.
function loadNiivue() {
  loading ??= (async () => {
    const source = await unzip(document.getElementById("niivue").textContent);
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const found = await import(address);
    URL.revokeObjectURL(address);
    new found.Niivue(OPTIONS); // from now on what it tells the console is as OPTIONS say
    return found;
  })();
  return loading;
}

const canShow = (() => {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
})();

// A volume of bytes, RAS+, as NiiVue takes it. Its millimetres are voxels; its name tells nothing.
async function volumeFrom(size, slope, voxels) {
  const { NVImage } = await loadNiivue();
  const file = NVImage.createNiftiArray(size, [1, 1, 1], UNIT, 2, voxels);
  return { size, slope, voxels, image: await NVImage.new(file.buffer, "image.nii") };
}

// NiiVue's form of a table of 256 colours.
function colourMap(table) {
  const places = Array.from({ length: 256 }, (_, k) => k);
  const [R, G, B] = [0, 1, 2].map((part) => places.map((k) => table[3 * k + part]));
  return { R, G, B, A: places.map(() => 255), I: places };
}

// The slices of a series, in as many columns as show them largest, in NiiVue's words.
function seriesOf(size, width, height) {
  const zoom = (n) => Math.min(width / (n * size[0]), height / (Math.ceil(SERIES_LENGTH / n) * size[1]));
  const counts = Array.from({ length: SERIES_LENGTH }, (_, k) => k + 1);
  const columns = counts.reduce((best, n) => (zoom(n) > zoom(best) ? n : best));
  const slices = counts.map((n, k) => {
    // From the feet up, within the middle 90 % of the volume.
    const index = Math.round((0.05 + (0.9 * k) / (SERIES_LENGTH - 1)) * (size[2] - 1));
    // Letters on the first one alone.
    return `${k % columns ? "" : ";"} ${k ? "L-" : "L+"} ${index}`;
  });
  return `A ${slices.join(" ").slice(1)}`;
}

// One canvas that shows one volume. Panels share a "view", or parts of it: its window, colours
// (name and table), place of the crosshair (voxels), whether there is a crosshair, and whether the
// series is shown; "changed" is called when a reader moves it.
class Panel {
  static async make(changed) {
    const { Niivue } = await loadNiivue();
    const panel = new Panel(new Niivue(OPTIONS), changed);
    // NiiVue needs a size to start with.
    panel.frame.style.cssText = "position: fixed; visibility: hidden; width: 300px; height: 200px";
    document.body.append(panel.frame);
    await panel.niivue.attachToCanvas(panel.canvas, false);
    panel.frame.remove();
    panel.frame.style.cssText = "";
    panel.canvas.removeAttribute("tabindex"); // no focus, none of NiiVue's own keys
    // NiiVue fits the canvas in the next frame as well, but before.
    new ResizeObserver(() => requestAnimationFrame(() => panel.draw())).observe(panel.frame);
    return panel;
  }

  constructor(niivue, changed) {
    this.niivue = niivue;
    this.changed = changed;
    this.frame = document.createElement("div");
    this.canvas = document.createElement("canvas");
    this.frame.className = "frame";
    this.frame.append(this.canvas);
    // NiiVue keeps the focus where it is, and with it the keys.
    this.frame.addEventListener("pointerdown", () => document.activeElement?.blur());
    niivue.resetBriCon = () => {}; // double clicks leave the window as it is
    const fit = niivue.resizeListener;
    niivue.resizeListener = () => this.isSeen() && fit.call(niivue);
    niivue.onLocationChange = ({ vox }) => {
      this.view.place.splice(0, 3, ...vox);
      if (this.view.series) niivue.uiData.clickedTile = -1; // this click drags nothing
      this.view.series = false;
      changed();
    };
  }

  isSeen() {
    return this.canvas.offsetWidth > 0 && this.canvas.offsetHeight > 0;
  }

  // Takes a volume, for "draw" to show. The frame must be in the page by now.
  show(volume, view) {
    this.volume = volume;
    this.view = view;
    this.seen = null;
    this.niivue.resizeListener();
  }

  draw() {
    const { niivue, view, volume } = this;
    if (!volume || !this.isSeen()) return;
    const { width, height } = this.canvas;
    niivue.sliceMosaicString = view.series ? seriesOf(volume.size, width, height) : "";
    this.colour();
    niivue.scene.crosshairPos = niivue.vox2frac(view.place);
    const [tile] = niivue.screenSlices;
    const pixel = Math.abs(tile.fovMM[0] / tile.leftTopWidthHeight[2]) * niivue.uiData.dpr;
    niivue.setCrosshairWidth(view.crosshair ? CROSSHAIR_PIXELS * pixel : 0);
  }

  colour() {
    const { niivue, view, volume } = this;
    const { name, table } = view.colours;
    const [low, high] = view.window.map((value) => value / volume.slope);
    const wanted = `${name} ${low} ${high}`;
    if (wanted === this.seen) return;
    this.seen = wanted;
    // What lies around the brain, and letters and lines that can be read on it.
    const share = (volume.voxels[0] - low) / (high - low);
    const k = 3 * Math.round(255 * Math.min(Math.max(share, 0), 1));
    const ground = Array.from(table.subarray(k, k + 3), (part) => part / 255);
    const marks = Math.max(...ground) < 0.6 ? ON_DARK : ON_LIGHT;
    Object.assign(niivue.opts, { backColor: [...ground, 1], ...marks });
    niivue.addColormap(name, colourMap(table));
    // Another colour map gives NiiVue's image a window of its own, so the window comes after.
    volume.image.colormap = name;
    volume.image.cal_min = low;
    volume.image.cal_max = high;
    if (niivue.volumes[0] === volume.image) {
      niivue.updateGLVolume();
    } else {
      niivue.volumes = [];
      niivue.addVolume(volume.image);
    }
  }

  step(axis, by) {
    const { place } = this.view;
    place[axis] = Math.min(Math.max(place[axis] + by, 0), this.volume.size[axis] - 1);
    this.changed();
  }

}

const made = [];

// As many panels as are needed, the same ones again: browsers keep few WebGL contexts.
function panelsFor(count, changed) {
  while (made.length < count) made.push(Panel.make(changed));
  return Promise.all(made.slice(0, count));
}
