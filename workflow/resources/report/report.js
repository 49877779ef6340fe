"use strict";
// The report: tables that sort, the model that is spoken of, and the subjects' images, which are
// loaded from the folder beside the page when they are asked for.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];

// --- Tables -------------------------------------------------------------------

// What a cell is sorted by: a number where it has one, of the parts of a cell the one that is shown.
function keyOf(row, column) {
  const cell = row.cells[column];
  const part = cell.querySelector("[data-model]:not([hidden])") ?? cell;
  const text = part.textContent.trim();
  const value = part.dataset.v ?? (/^[−-]?[\d.]+$/.test(text) ? text.replace("−", "-") : "");
  return value === "" ? text : Number(value);
}

function compare(a, b) {
  const numbers = [a, b].map((value) => typeof value === "number");
  if (numbers[0] && numbers[1]) return a - b;
  if (numbers[0] !== numbers[1]) return numbers[0] ? -1 : 1;
  return a.localeCompare(b, "en", { numeric: true });
}

function sortBy(head) {
  const table = head.closest("table");
  const up = head.getAttribute("aria-sort") === "ascending";
  for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "descending" : "ascending");
  const [body] = table.tBodies;
  const keyed = [...body.rows].map((row) => [keyOf(row, head.cellIndex), row]);
  const missing = ([key]) => key === "–";
  keyed.sort((a, b) => missing(a) - missing(b) || (up ? -1 : 1) * compare(a[0], b[0]));
  body.append(...keyed.map(([, row]) => row));
}

document.addEventListener("click", (event) => {
  const head = event.target.closest("th");
  if (head && event.target.closest("th button")) sortBy(head);
});
for (const box of all(".sets input")) {
  box.addEventListener("change", () => box.closest(".table").classList.toggle("folded", !box.checked));
}

// --- The model that the page speaks of ------------------------------------------

let model = data.models[0];

function choose(name) {
  model = name;
  for (const part of all("[data-model]")) part.hidden = part.dataset.model !== name;
  for (const button of all("[data-choose]")) {
    button.setAttribute("aria-pressed", String(button.dataset.choose === name));
  }
  if (!byId("viewer").hidden) open(shown);
}
for (const button of all("[data-choose]")) {
  button.addEventListener("click", () => choose(button.dataset.choose));
}

// --- Data of subjects: scripts, the one thing that a page opened from disk may load ----

const loaded = new Map(); // what a script brought, by its path
const KEPT = 12;
const report = {
  subject: (content) => loaded.set(`sub-${content.label}.js`, content),
  model: (content) => loaded.set(`${content.model}/sub-${content.label}.js`, content),
};

function load(path) {
  if (loaded.has(path)) return Promise.resolve(loaded.get(path));
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${data.folder}/${path}`;
    script.onload = () => {
      script.remove();
      const content = loaded.get(path);
      if (!content) return reject(new Error(`${path} is damaged: make the report again.`));
      while (loaded.size > KEPT) loaded.delete(loaded.keys().next().value);
      resolve(content);
    };
    script.onerror = () => {
      script.remove();
      reject(new Error(`${data.folder}/${path} is missing: keep the folder beside the page.`));
    };
    document.head.append(script);
  });
}

// Undoes report_images.pack: gzip, then sums along z, y and x, each modulo 256.
async function unpack(packed, [nx, ny, nz]) {
  const voxels = new Uint8Array(await unzip(packed));
  for (let k = nx * ny; k < voxels.length; k++) voxels[k] += voxels[k - nx * ny];
  for (let z = 0; z < nz; z++) {
    const start = z * nx * ny;
    for (let k = start + nx; k < start + nx * ny; k++) voxels[k] += voxels[k - nx];
  }
  for (let row = 0; row < voxels.length; row += nx) {
    for (let k = row + 1; k < row + nx; k++) voxels[k] += voxels[k - 1];
  }
  return voxels;
}

// --- Panels ------------------------------------------------------------------------

const tablesOf = (texts) =>
  Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, { name, table: bytesOf(text) }]),
  );
const colours = { flow: tablesOf(data.colours.flow), ...tablesOf(data.colours.other) };
const MIDDLE = 127; // the step of a difference of nothing
const shared = { place: [0, 0, 0], crosshair: true };

// What a panel draws by: place and crosshair are those of all panels, window and colours its own.
function viewOf(table, [low, high]) {
  return {
    colours: table,
    window: [low, high],
    series: false,
    get place() {
      return shared.place;
    },
    get crosshair() {
      return shared.crosshair;
    },
  };
}
const views = {
  flow: viewOf(Object.values(colours.flow)[0], [0, 80]),
  difference: viewOf(colours.difference, [0, 1]),
  uncertainty: viewOf(colours.uncertainty, [0, 1]),
};
let panels = []; // { name, box, panel, kind, volume, read }
let shown = null; // label of the subject
let geometry = null;

function differenceOf(a, b) {
  const voxels = new Uint8Array(a.length);
  for (let k = 0; k < a.length; k++) {
    voxels[k] = Math.min(Math.max(MIDDLE + a[k] - b[k], 0), 2 * MIDDLE);
  }
  return voxels;
}

// The panels of a subject: name, how it is shown, its voxels and their slope, and the value at one.
function pictures(subject, images, doubt) {
  const flow = (name) => ({
    name,
    kind: "flow",
    voxels: images[name],
    slope: subject.slope,
    read: (k) => (images[name][k] * subject.slope).toFixed(0),
  });
  const list = ["SPECT", "P2P", "PET"].filter((name) => images[name]).map(flow);
  if (images.PET) {
    for (const name of ["SPECT", "P2P"]) {
      list.push({
        name: `${name} − PET`,
        kind: "difference",
        voxels: differenceOf(images[name], images.PET),
        slope: subject.slope,
        read: (k) => signed((images[name][k] - images.PET[k]) * subject.slope),
      });
    }
  }
  if (images.uncertainty) {
    list.push({
      name: "Uncertainty of P2P (SD)",
      kind: "uncertainty",
      voxels: images.uncertainty,
      slope: doubt,
      read: (k) => (images.uncertainty[k] * doubt).toFixed(1),
    });
  }
  return list;
}

const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(0)}`;

function showPanels(list, viewers, volumes) {
  if (panels.map(({ name }) => name).join() !== list.map(({ name }) => name).join()) {
    const boxes = list.map(({ name, kind }, k) => {
      const box = document.createElement("div");
      const title = document.createElement("h3");
      const size = document.createElement("button");
      box.className = `panel ${kind}`;
      size.type = "button";
      size.textContent = "⤢";
      size.title = `${name}: larger or smaller`;
      size.addEventListener("click", () => {
        if (box.classList.toggle("wide")) box.scrollIntoView({ block: "center" });
      });
      title.append(name, document.createElement("output"), document.createElement("small"), size);
      box.append(title, viewers[k].frame);
      return { box, panel: viewers[k] };
    });
    byId("panels").replaceChildren(...boxes.map(({ box }) => box));
    panels = list.map((one, k) => ({ ...boxes[k], ...one }));
  } else {
    panels = list.map((one, k) => ({ box: panels[k].box, panel: panels[k].panel, ...one }));
  }
  for (const [k, { box, panel, kind }] of panels.entries()) {
    panel.show(volumes[k], views[kind]);
    const [low, high] = views[kind].window;
    if (kind === "uncertainty") box.querySelector("small").textContent = `colours ${low} to ${high.toFixed(1)}`;
  }
}

function redraw() {
  const [x, y, z] = shared.place;
  const k = x + geometry.size[0] * (y + geometry.size[1] * z);
  for (const { box, panel, read } of panels) {
    panel.draw();
    box.querySelector("output").textContent = read(k);
  }
  const mm = geometry.affine.map((row) => row[0] * x + row[1] * y + row[2] * z + row[3]);
  // The letter says on which side of the origin of the scanner's coordinates the place lies.
  const sides = [["R", "L"], ["A", "P"], ["S", "I"]];
  const told = mm.map((value, axis) => `${sides[axis][value < 0 ? 1 : 0]} ${Math.abs(value).toFixed(1)}`);
  byId("place").textContent = `${told.join("  ")} mm`;
}

// --- Windows --------------------------------------------------------------------------

const START = { low: 0, high: 80, limit: data.differenceLimit };
const windows = { ...START };

function setWindows() {
  if (windows.high - windows.low < 1) windows.high = windows.low + 1;
  for (const [name, value] of Object.entries(windows)) {
    byId(name).value = value;
    byId(`${name}-value`).textContent = value;
  }
  views.flow.window = [windows.low, windows.high];
  const middle = MIDDLE * geometry.slope;
  views.difference.window = [middle - windows.limit, middle + windows.limit];
  const bars = { "bar-flow": views.flow.colours.table, "bar-difference": colours.difference.table };
  for (const [id, table] of Object.entries(bars)) {
    const strip = new ImageData(256, 1);
    for (let k = 0; k < 256; k++) strip.data.set([...table.subarray(3 * k, 3 * k + 3), 255], 4 * k);
    byId(id).getContext("2d").putImageData(strip, 0, 0);
  }
  redraw();
}

// --- One subject ------------------------------------------------------------------------

async function open(label) {
  const about = data.subjects.find((one) => one.label === label);
  if (!about) return close();
  const first = byId("viewer").hidden;
  shown = label;
  byId("report").hidden = true;
  byId("viewer").hidden = false;
  if (first) scrollTo(0, 0);
  byId("trouble").textContent = "";
  if (!panels.length) byId("place").textContent = "Preparing the images …";
  byId("who").replaceChildren(`Subject ${label}`);
  if (about.set) {
    const set = document.createElement("small");
    set.textContent = `${about.set} set`;
    byId("who").append(set);
  }
  try {
    const [subject, made] = [await load(`sub-${label}.js`), await load(`${model}/sub-${label}.js`)];
    const packed = Object.entries({ ...subject.images, ...made.images });
    const voxels = await Promise.all(packed.map(([, text]) => unpack(text, subject.size)));
    const isStale = () => shown !== label || made.model !== model; // the reader went on meanwhile
    if (isStale()) return;
    byId("details").innerHTML = made.details + subject.details;
    byId("overlay").hidden = !about.overlay;
    if (about.overlay) byId("overlay").firstChild.src = `${data.folder}/sub-${label}.webp`;
    if (!canShow) throw new Error(NO_WEBGL);
    const images = Object.fromEntries(packed.map(([name], k) => [name, voxels[k]]));
    const doubt = made.uncertaintySlope ?? 1;
    const list = pictures(subject, images, doubt);
    const volumes = await Promise.all(
      list.map(({ slope, voxels }) => volumeFrom(subject.size, slope, voxels)),
    );
    const viewers = await panelsFor(list.length, redraw);
    if (isStale()) return;
    const moved = !geometry || geometry.label !== label;
    geometry = subject;
    if (moved) shared.place = subject.size.map((length) => Math.floor(length / 2));
    byId("low").max = byId("high").max = Math.ceil(subject.slope * 255);
    byId("unit").textContent = subject.relative ? "relative, brain mean 50" : "mL/100 g/min";
    for (const part of all(".of-difference")) part.hidden = !images.PET;
    views.uncertainty.window = [0, 63 * doubt];
    showPanels(list, viewers, volumes);
    setWindows();
    byId("viewer").dataset.shown = `${label} ${model}`;
  } catch (error) {
    byId("place").textContent = "";
    byId("trouble").textContent = window.DecompressionStream
      ? error.message
      : "This browser is too old to unpack the images; use a current Chrome, Edge, Firefox or Safari.";
  }
}

function close() {
  if (byId("viewer").hidden) return;
  byId("viewer").hidden = true;
  byId("report").hidden = false;
  byId("subjects").scrollIntoView({ behavior: "instant" });
}

// The neighbour of a subject in the table, in the order in which it stands there.
function neighbour(by) {
  const order = all("#subject-table a").map((link) => link.textContent);
  const next = order[order.indexOf(shown) + by];
  if (next) location.hash = `subject=${next}`;
}

function route() {
  const label = /^#subject=(\w+)$/.exec(location.hash)?.[1];
  if (label) open(label);
  else close();
}

function leave() {
  location.hash = "subjects";
}

window.addEventListener("hashchange", route);
byId("close").addEventListener("click", leave);
byId("previous").addEventListener("click", () => neighbour(-1));
byId("next").addEventListener("click", () => neighbour(1));
for (const name of Object.keys(windows)) {
  byId(name).addEventListener("input", (event) => {
    windows[name] = Number(event.target.value);
    setWindows();
  });
}
byId("reset").addEventListener("click", () => {
  Object.assign(windows, START);
  setWindows();
});
byId("colours").replaceChildren(...Object.keys(colours.flow).map((name) => new Option(name, name)));
byId("colours").addEventListener("change", (event) => {
  views.flow.colours = colours.flow[event.target.value];
  setWindows();
});

function toggleCrosshair() {
  shared.crosshair = !shared.crosshair;
  byId("crosshair").setAttribute("aria-pressed", String(shared.crosshair));
  redraw();
}
byId("crosshair").addEventListener("click", toggleCrosshair);

document.addEventListener("keydown", (event) => {
  if (byId("viewer").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select") && event.key !== "Escape") return;
  const actions = {
    Escape: leave,
    ArrowLeft: () => neighbour(-1),
    ArrowRight: () => neighbour(1),
    ArrowUp: () => panels[0]?.panel.step(2, 1),
    ArrowDown: () => panels[0]?.panel.step(2, -1),
    x: toggleCrosshair,
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

// --- The rest of the page -------------------------------------------------------------------

byId("copy").addEventListener("click", () => {
  const range = document.createRange();
  range.selectNodeContents(byId("methods-text"));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  document.execCommand("copy"); // the clipboard of pages without a server
  byId("copy").textContent = "Copied";
});
for (const picture of all("main figure img")) {
  picture.addEventListener("click", () => picture.parentNode.classList.toggle("large"));
}
window.addEventListener("beforeprint", () => {
  for (const part of all("details")) part.open = true;
});
const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
for (const [id, link] of links) if (!byId(id)) link.remove();
const seen = new Set();
const watch = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) seen.add(target.id);
      else seen.delete(target.id);
    }
    const here = [...links.keys()].find((id) => seen.has(id));
    for (const [id, link] of links) link.classList.toggle("here", id === here);
  },
  { rootMargin: "-80px 0px -60% 0px" },
);
for (const section of all("main > section")) watch.observe(section);

choose(model);
route();
