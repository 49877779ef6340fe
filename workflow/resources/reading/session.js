"use strict";
// A reading session: which case is shown, what the reader answers, and where it is kept.
// The page never holds in plain text which image is which; names are sealed until the code opens them.

const session = JSON.parse(document.getElementById("session").textContent);
const byId = (id) => document.getElementById(id);
const QUESTIONS = {
  blind: "How good is this image?",
  real: "Which of the two is the PET?",
  open: "How good is this image, now that you know what it is?",
};
const PART_NAMES = { blind: "Blind", real: "Which is real?", open: "Open" };
const SIDES = ["left", "right"];
const COLUMNS = ["session", "commitment", "reader", "part", "item", "value", "seconds", "comment"];

const colourMaps = Object.fromEntries(
  Object.entries(session.colours).map(([name, text]) => [name, { name, table: bytesOf(text) }]),
);
const view = {
  colours: Object.values(colourMaps)[0],
  window: [0, 1],
  place: [0, 0, 0],
  series: false,
  crosshair: true,
};
const volumes = new Map();
let items = [...session.items];
let progress = null; // { reader, at, code, auto, answers: { item: { value, comment, seconds } } }
let panels = [];

// --- What is kept, in this browser alone -------------------------------------

const storageKey = (reader) => `spect2pet-reading-${session.id}-${reader}`;

function keep() {
  try {
    localStorage.setItem(storageKey(progress.reader), JSON.stringify(progress));
  } catch {
    byId("notice").textContent = "This browser keeps nothing: export before you close the page.";
  }
}

function kept(reader) {
  try {
    return JSON.parse(localStorage.getItem(storageKey(reader)));
  } catch {
    return null;
  }
}

function keptReaders() {
  try {
    const start = storageKey("");
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(start));
    return keys.map((key) => key.slice(start.length)).sort();
  } catch {
    return [];
  }
}

// --- The sealed part ----------------------------------------------------------

// The open items, or null where the code is not the right one. The pad is as long as the text
// and used once (PBKDF2 with HMAC-SHA-256, RFC 8018).
async function unseal(code) {
  const bytes = Uint8Array.from(atob(session.sealed), (letter) => letter.charCodeAt(0));
  const encoder = new TextEncoder();
  const secret = await crypto.subtle.importKey("raw", encoder.encode(code), "PBKDF2", false, [
    "deriveBits",
  ]);
  const settings = {
    name: "PBKDF2",
    hash: "SHA-256",
    salt: encoder.encode(session.id),
    iterations: session.iterations,
  };
  const pad = new Uint8Array(await crypto.subtle.deriveBits(settings, secret, 8 * bytes.length));
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.map((b, k) => b ^ pad[k]));
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const plainCode = (text) => text.toUpperCase().replace(/[^A-Z0-9]/g, "");

// --- Screens --------------------------------------------------------------------

function screen(name) {
  for (const id of ["start", "reading", "gate", "end"]) byId(id).hidden = id !== name;
}

const isOpened = () => Boolean(progress?.code);
const isClosed = (item) => isOpened() && item.part !== "open";
const answerOf = (item) => progress.answers[item.id] ?? { value: "", comment: "", seconds: 0 };
const missing = () => items.filter((item) => answerOf(item).value === "").length;

async function begin(reader) {
  progress = kept(reader) ?? { reader, at: 0, code: "", auto: false, answers: {} };
  if (progress.code) items = [...session.items, ...(await unseal(progress.code))];
  byId("who").textContent = reader;
  byId("export").disabled = false;
  byId("auto").checked = progress.auto;
  buildStrip();
  keep();
  await go(progress.at);
}

async function go(at) {
  if (at < 0) return;
  if (at >= items.length) {
    showEnding(!isOpened() && session.open > 0);
    return;
  }
  progress.at = at;
  keep();
  screen("reading");
  const item = items[at];
  showQuestion(item);
  showStrip();
  await showImages(item);
}

function showEnding(gate) {
  const left = missing();
  const text = left ? `${left} of ${items.length} cases have no answer yet.` : "Every case is answered.";
  byId("gate-missing").textContent = text;
  byId("end-missing").textContent = text;
  byId("gate-trouble").textContent = "";
  screen(gate ? "gate" : "end");
  if (gate) byId("code").focus();
}

// --- One case ---------------------------------------------------------------------

function showQuestion(item) {
  byId("part").textContent = PART_NAMES[item.part] + (isClosed(item) ? ", closed" : "");
  byId("question").textContent = QUESTIONS[item.part];
  const texts = item.part === "real" ? ["Left image", "Right image"] : session.scale;
  const buttons = texts.map((text, k) => {
    const button = document.createElement("button");
    const [number, words] = [document.createElement("b"), document.createElement("span")];
    number.textContent = k + 1;
    words.textContent = text;
    button.type = "button";
    button.append(number, words);
    button.addEventListener("click", () => choose(k));
    return button;
  });
  byId("choices").replaceChildren(...buttons);
  byId("comment").value = answerOf(item).comment;
  byId("comment").disabled = isClosed(item);
  byId("previous").disabled = progress.at === 0;
  showChoice(item);
}

function showChoice(item) {
  const { value } = answerOf(item);
  const chosen = item.part === "real" ? SIDES.indexOf(value) : Number(value || 0) - 1;
  [...byId("choices").children].forEach((button, k) => {
    button.setAttribute("aria-pressed", String(k === chosen));
    button.disabled = isClosed(item);
  });
  [...byId("panels").children].forEach((panel, k) => {
    panel.classList.toggle("chosen", item.part === "real" && k === chosen);
  });
}

function choose(k) {
  const item = items[progress.at];
  if (isClosed(item) || k >= byId("choices").children.length) return;
  const value = item.part === "real" ? SIDES[k] : String(k + 1);
  progress.answers[item.id] = { ...answerOf(item), value };
  keep();
  showChoice(item);
  showStrip();
  if (progress.auto) go(progress.at + 1);
}

function note(text) {
  const item = items[progress.at];
  if (isClosed(item)) return;
  progress.answers[item.id] = { ...answerOf(item), comment: text };
  keep();
}

async function showImages(item) {
  const names = item.names ?? (item.part === "real" ? ["Left", "Right"] : [""]);
  const shown = await Promise.all(item.images.map(volumeOf));
  const ready = await panelsFor(shown.length, redraw);
  if (items[progress.at] !== item) return; // the reader went on while it was unpacked
  panels = ready;
  const boxes = panels.map(({ frame }, k) => {
    const [box, title] = [document.createElement("div"), document.createElement("h3")];
    box.className = "panel";
    title.textContent = names[k];
    title.hidden = !names[k];
    box.append(title, frame);
    return box;
  });
  byId("panels").replaceChildren(...boxes);
  view.place = shown[0].size.map((length) => Math.floor(length / 2));
  setRange(shown[0]);
  panels.forEach((panel, k) => panel.show(shown[k], view));
  showChoice(item);
  showWindow();
  byId("reading").dataset.shown = item.id;
}

// A NIfTI-1 file of bytes: its voxels, size (voxels) and slope to CBF.
async function volumeOf(id) {
  if (!volumes.has(id)) {
    if (volumes.size > 12) volumes.delete(volumes.keys().next().value);
    const file = await unzip(session.images[id]);
    const header = new DataView(file);
    const size = [0, 1, 2].map((axis) => header.getInt16(42 + 2 * axis, true));
    const voxels = new Uint8Array(file, header.getFloat32(108, true));
    volumes.set(id, await volumeFrom(size, header.getFloat32(112, true), voxels));
  }
  return volumes.get(id);
}

function redraw() {
  byId("series").setAttribute("aria-pressed", String(view.series));
  byId("crosshair").setAttribute("aria-pressed", String(view.crosshair));
  panels.forEach((panel) => panel.draw());
}

// --- Window and colours --------------------------------------------------------------

// All images of a person share one slope, so the window tells nothing of what an image is.
function setRange(volume) {
  const top = Math.round(volume.slope * 255 * 2) / 2;
  for (const id of ["low", "high"]) byId(id).max = top;
  view.window = [0, top];
}

function showWindow() {
  ["low", "high"].forEach((id, k) => {
    byId(id).value = view.window[k];
    byId(`${id}-value`).textContent = view.window[k];
  });
  const context = byId("bar").getContext("2d");
  for (let k = 0; k < 256; k++) {
    context.fillStyle = `rgb(${view.colours.table.subarray(3 * k, 3 * k + 3).join(",")})`;
    context.fillRect(k, 0, 1, 12);
  }
  redraw();
}

function setWindow(k, value) {
  view.window[k] = value;
  if (view.window[1] - view.window[0] < 1) view.window[1 - k] = k ? value - 1 : value + 1;
  showWindow();
}

// --- The strip of cases, and the end ---------------------------------------------------

function buildStrip() {
  const strip = byId("strip");
  strip.replaceChildren();
  items.forEach((item, k) => {
    if (k && item.part !== items[k - 1].part) {
      const gap = document.createElement("span");
      gap.className = "break";
      strip.append(gap);
    }
    const button = document.createElement("button");
    button.type = "button";
    button.title = `${PART_NAMES[item.part]}, case ${k + 1}`;
    button.addEventListener("click", () => go(k));
    strip.append(button);
  });
}

function showStrip() {
  const buttons = byId("strip").querySelectorAll("button");
  items.forEach((item, k) => {
    buttons[k].classList.toggle("done", answerOf(item).value !== "");
    buttons[k].toggleAttribute("aria-current", k === progress.at);
  });
  byId("count").textContent = `${progress.at + 1} / ${items.length}, ${missing()} to do`;
}

function csv() {
  const quoted = (value) => `"${String(value).replaceAll('"', '""').replace(/\s+/g, " ")}"`;
  const rows = items.map((item) => {
    const { value, comment, seconds } = answerOf(item);
    return [session.id, session.commitment, progress.reader, item.part, item.id, value, seconds, comment];
  });
  return [COLUMNS, ...rows].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = `readings_${session.id}_${progress.reader}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// --- What the reader does ----------------------------------------------------------------

byId("start-form").addEventListener("submit", (event) => {
  event.preventDefault();
  begin(byId("initials").value.toUpperCase());
});
byId("gate-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const code = plainCode(byId("code").value);
  const opened = await unseal(code);
  if (!opened) {
    byId("gate-trouble").textContent = "This is not the code of this session.";
    return;
  }
  progress.code = code;
  items = [...session.items, ...opened];
  buildStrip();
  await go(session.items.length);
});
byId("gate-back").addEventListener("click", () => go(items.length - 1));
byId("gate-end").addEventListener("click", () => showEnding(false));
byId("end-back").addEventListener("click", () => go(items.length - 1));
for (const id of ["export", "end-export"]) byId(id).addEventListener("click", download);
byId("previous").addEventListener("click", () => go(progress.at - 1));
byId("next").addEventListener("click", () => go(progress.at + 1));
byId("comment").addEventListener("input", (event) => note(event.target.value));
byId("auto").addEventListener("change", (event) => {
  progress.auto = event.target.checked;
  event.target.blur();
  keep();
});
["low", "high"].forEach((id, k) => {
  byId(id).addEventListener("input", (event) => setWindow(k, Number(event.target.value)));
  byId(id).addEventListener("change", (event) => event.target.blur());
});
byId("reset").addEventListener("click", () => {
  setRange(panels[0].volume);
  showWindow();
});
byId("colours").addEventListener("change", (event) => {
  view.colours = colourMaps[event.target.value];
  event.target.blur();
  showWindow();
});

function toggle(name) {
  view[name] = !view[name];
  redraw();
}
for (const name of ["series", "crosshair"]) byId(name).addEventListener("click", () => toggle(name));

document.addEventListener("keydown", (event) => {
  if (event.target.matches("textarea, input, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (byId("reading").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = {
    ArrowLeft: () => go(progress.at - 1),
    ArrowRight: () => go(progress.at + 1),
    ArrowUp: () => panels[0].step(2, 1),
    ArrowDown: () => panels[0].step(2, -1),
    v: () => toggle("series"),
    x: () => toggle("crosshair"),
    c: () => byId("comment").focus(),
  };
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = /^[1-9]$/.test(key) ? () => choose(Number(key) - 1) : actions[key];
  if (!action) return;
  event.preventDefault();
  action();
});

setInterval(() => {
  if (!progress || byId("reading").hidden || document.hidden) return;
  const item = items[progress.at];
  if (isClosed(item)) return;
  progress.answers[item.id] = { ...answerOf(item), seconds: answerOf(item).seconds + 1 };
  keep();
}, 1000);

// --- Start ------------------------------------------------------------------------------

byId("session-id").textContent = session.id;
byId("notice").textContent = session.notice;
byId("last-score").textContent = session.scale.length;
byId("scale").replaceChildren(
  ...session.scale.map((text, k) => {
    const row = document.createElement("tr");
    row.insertCell().textContent = k + 1;
    row.insertCell().textContent = text;
    return row;
  }),
);
byId("colours").replaceChildren(...Object.keys(colourMaps).map((name) => new Option(name, name)));
for (const reader of keptReaders()) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = `Go on as ${reader}`;
  button.addEventListener("click", () => begin(reader));
  byId("known").append(button);
}
function refuse(text) {
  byId("trouble").textContent = text;
  for (const button of byId("start").querySelectorAll("button")) button.disabled = true;
}
if (!window.DecompressionStream || !window.crypto?.subtle) {
  refuse(
    "This browser is too old, or the page was not opened from a file: use a current Chrome, Edge, Firefox or Safari.",
  );
} else if (!canShow) {
  refuse(NO_WEBGL);
} else {
  // A pair's panels, while the reader reads what this is.
  panelsFor(2, redraw).catch((error) => refuse(error.message));
}
byId("initials").focus();
