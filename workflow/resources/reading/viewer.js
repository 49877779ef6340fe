"use strict";
// Shows volumes on one grid in three planes, or as a series of axial slices. Radiological
// convention: the patient's right is on the left of the picture, and says so.

// Which axes of a RAS+ volume lie across and up in each plane, and which goes through it. The axis
// across is drawn from its high end: patient's right, or front, on the left.
const PLANES = {
  axial: { across: 0, up: 1, through: 2, sides: ["R", "L", "A", "P"] },
  coronal: { across: 0, up: 2, through: 1, sides: ["R", "L", "S", "I"] },
  sagittal: { across: 1, up: 2, through: 0, sides: ["A", "P", "S", "I"] },
};
// The planes' places: [column, row] in a row of three, and in a square that shares its axes.
const ARRANGEMENTS = [
  { axial: [0, 0], coronal: [1, 0], sagittal: [2, 0] },
  { coronal: [0, 0], sagittal: [1, 0], axial: [0, 1] },
];
const SERIES_LENGTH = 20;
const GAP = 6;

// A NIfTI-1 file of bytes, gzipped, in base64: its voxels, size (voxels) and slope to CBF.
async function readVolume(base64) {
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const header = new DataView(buffer);
  const size = [0, 1, 2].map((axis) => header.getInt16(42 + 2 * axis, true));
  const start = header.getFloat32(108, true);
  return { size, slope: header.getFloat32(112, true), voxels: new Uint8Array(buffer, start) };
}

// One plane of a volume as rows of bytes, as it is drawn: first row at the top.
function planeOf(volume, name, index) {
  const { across, up, through } = PLANES[name];
  const [width, height] = [volume.size[across], volume.size[up]];
  const step = [1, volume.size[0], volume.size[0] * volume.size[1]];
  const bytes = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const line = index * step[through] + (height - 1 - row) * step[up];
    for (let column = 0; column < width; column++) {
      bytes[row * width + column] = volume.voxels[line + (width - 1 - column) * step[across]];
    }
  }
  return { width, height, bytes };
}

// The colour of each of the 256 values a voxel can have, for a window in mL/100 g/min.
function paletteOf(colours, slope, [low, high]) {
  const palette = new Uint32Array(256);
  for (let value = 0; value < 256; value++) {
    const share = (value * slope - low) / Math.max(high - low, 1e-6);
    const k = 3 * Math.round(255 * Math.min(Math.max(share, 0), 1));
    palette[value] = 0xff000000 | (colours[k + 2] << 16) | (colours[k + 1] << 8) | colours[k];
  }
  return palette;
}

// Where each plane lies in a canvas: the arrangement that shows them largest, centred.
function arrange(size, width, height) {
  const choices = ARRANGEMENTS.map((places) => {
    const columns = [];
    const rows = [];
    for (const [name, [column, row]] of Object.entries(places)) {
      columns[column] = Math.max(columns[column] ?? 0, size[PLANES[name].across]);
      rows[row] = Math.max(rows[row] ?? 0, size[PLANES[name].up]);
    }
    const sum = (list) => list.reduce((total, value) => total + value, 0);
    const zoom = Math.min(
      (width - GAP * (columns.length - 1)) / sum(columns),
      (height - GAP * (rows.length - 1)) / sum(rows),
    );
    const left = (width - zoom * sum(columns) - GAP * (columns.length - 1)) / 2;
    const top = (height - zoom * sum(rows) - GAP * (rows.length - 1)) / 2;
    const cells = Object.entries(places).map(([name, [column, row]]) => {
      const w = zoom * size[PLANES[name].across];
      const h = zoom * size[PLANES[name].up];
      const x = left + zoom * sum(columns.slice(0, column)) + GAP * column;
      const y = top + zoom * sum(rows.slice(0, row)) + GAP * row;
      return { name, x, y, w, h };
    });
    return { zoom, cells };
  });
  return choices.reduce((best, other) => (other.zoom > best.zoom ? other : best)).cells;
}

// Where each slice of a series lies in a canvas: as many columns as show them largest.
function arrangeSeries(size, width, height) {
  const [across, up] = [size[0], size[1]];
  let best = { zoom: 0 };
  for (let columns = 1; columns <= SERIES_LENGTH; columns++) {
    const rows = Math.ceil(SERIES_LENGTH / columns);
    const zoom = Math.min(width / (columns * across), height / (rows * up));
    if (zoom > best.zoom) best = { zoom, columns, rows };
  }
  const left = (width - best.zoom * across * best.columns) / 2;
  const top = (height - best.zoom * up * best.rows) / 2;
  return Array.from({ length: SERIES_LENGTH }, (_, k) => ({
    name: "axial",
    // From the feet up, within the middle 90 % of the volume.
    index: Math.round((0.05 + (0.9 * k) / (SERIES_LENGTH - 1)) * (size[2] - 1)),
    x: left + best.zoom * across * (k % best.columns),
    y: top + best.zoom * up * Math.floor(k / best.columns),
    w: best.zoom * across,
    h: best.zoom * up,
  }));
}

// One canvas that shows one volume. All panels share "view": its window, colours, place of the
// crosshair (voxels) and whether the series is shown; "changed" is called when a reader moves it.
class Panel {
  constructor(canvas, view, changed) {
    this.canvas = canvas;
    this.view = view;
    this.changed = changed;
    this.volume = null;
    this.cells = [];
    this.stage = document.createElement("canvas");
    canvas.addEventListener("pointerdown", (event) => this.grab(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("wheel", (event) => this.scroll(event), { passive: false });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(volume) {
    this.volume = volume;
    this.draw();
  }

  draw() {
    const { canvas, view, volume } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    if (!volume || !width || !height) return;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.imageSmoothingQuality = "high";
    const lay = view.series ? arrangeSeries : arrange;
    this.cells = lay(volume.size, width, height);
    const palette = paletteOf(view.colours, volume.slope, view.window);
    for (const cell of this.cells) {
      this.drawPlane(context, cell, palette);
      if (!view.series) this.drawMarks(context, cell);
    }
    if (view.series) this.letter(context, this.cells[0], PLANES.axial.sides.slice(0, 2));
  }

  drawPlane(context, cell, palette) {
    const index = cell.index ?? this.view.place[PLANES[cell.name].through];
    const { width, height, bytes } = planeOf(this.volume, cell.name, index);
    const pixels = new Uint32Array(bytes.length);
    for (let k = 0; k < bytes.length; k++) pixels[k] = palette[bytes[k]];
    this.stage.width = width;
    this.stage.height = height;
    const data = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
    this.stage.getContext("2d").putImageData(data, 0, 0);
    context.drawImage(this.stage, cell.x, cell.y, cell.w, cell.h);
  }

  drawMarks(context, cell) {
    this.letter(context, cell, PLANES[cell.name].sides);
    if (!this.view.crosshair) return;
    const { across, up } = PLANES[cell.name];
    const [size, place] = [this.volume.size, this.view.place];
    const x = cell.x + cell.w * (1 - (place[across] + 0.5) / size[across]);
    const y = cell.y + cell.h * (1 - (place[up] + 0.5) / size[up]);
    context.strokeStyle = "rgba(120, 220, 255, 0.65)";
    context.lineWidth = 1;
    context.beginPath();
    for (const [from, to] of [[cell.x, x - 8], [x + 8, cell.x + cell.w]]) {
      context.moveTo(from, y);
      context.lineTo(Math.min(Math.max(to, cell.x), cell.x + cell.w), y);
    }
    for (const [from, to] of [[cell.y, y - 8], [y + 8, cell.y + cell.h]]) {
      context.moveTo(x, from);
      context.lineTo(x, Math.min(Math.max(to, cell.y), cell.y + cell.h));
    }
    context.stroke();
  }

  letter(context, cell, [left, right, top, bottom]) {
    context.font = "600 13px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 3;
    const [middle, centre] = [cell.x + cell.w / 2, cell.y + cell.h / 2];
    const texts = [
      [left, cell.x + 10, centre],
      [right, cell.x + cell.w - 10, centre],
      [top, middle, cell.y + 10],
      [bottom, middle, cell.y + cell.h - 10],
    ];
    for (const [text, x, y] of texts) {
      if (!text) continue;
      context.strokeStyle = "rgba(0, 0, 0, 0.8)";
      context.strokeText(text, x, y);
      context.fillStyle = "#e8edf2";
      context.fillText(text, x, y);
    }
  }

  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const inside = (c) => x >= c.x && x < c.x + c.w && y >= c.y && y < c.y + c.h;
    const cell = this.cells.find(inside);
    return cell && { cell, right: (x - cell.x) / cell.w, down: (y - cell.y) / cell.h };
  }

  grab(event) {
    const found = this.cellAt(event);
    if (!found) return;
    this.held = found.cell.name;
    this.canvas.setPointerCapture(event.pointerId);
    if (found.cell.index !== undefined) {
      this.view.place[2] = found.cell.index;
      this.view.series = false;
      this.held = null;
      this.changed();
    } else {
      this.drag(event);
    }
  }

  drag(event) {
    const found = this.cellAt(event);
    if (!event.buttons || !found || this.view.series || found.cell.name !== this.held) return;
    const { across, up } = PLANES[this.held];
    const size = this.volume.size;
    this.view.place[across] = Math.min(Math.floor((1 - found.right) * size[across]), size[across] - 1);
    this.view.place[up] = Math.min(Math.floor((1 - found.down) * size[up]), size[up] - 1);
    this.changed();
  }

  scroll(event) {
    const found = this.cellAt(event);
    if (!found || this.view.series) return;
    event.preventDefault();
    this.step(PLANES[found.cell.name].through, event.deltaY < 0 ? 1 : -1);
  }

  step(axis, by) {
    const last = this.volume.size[axis] - 1;
    this.view.place[axis] = Math.min(Math.max(this.view.place[axis] + by, 0), last);
    this.changed();
  }
}
