// One frame with its cells, and the others of its place before and after it.
import { ask, clearProblem, element, floats, showProblem } from "/static/api.js";
import { RunAtH } from "/static/apply_h.js";
import { troubleOf } from "/static/blinded.js";
import { Checked } from "/static/checked.js";
import "/static/chrome.js";
import { Corrections } from "/static/corrections.js";
import { hours, moment } from "/static/format.js";
import { followPointers } from "/static/gestures.js";
import { listen } from "/static/live.js";
import { drawMarks, drawScaleBar } from "/static/marks.js";
import { Masks } from "/static/masks.js";
import { NextField } from "/static/next_field.js";
import { Picture } from "/static/picture.js";
import { followReviewer } from "/static/reviewer.js";

const experiment = document.body.dataset.experiment;
const byId = (id) => document.getElementById(id);
const canvas = byId("picture");
const trouble = byId("trouble");
const AGAIN_MS = 3000;
// Who judges a frame blinded sees nothing of where it was taken, on the page or in its messages.
const options = new URLSearchParams(location.search);
const isBlinded = options.get("blinded") === "1";
const isField = options.get("fields") === "1";
const tellTrouble = (problem) => { trouble.hidden = false; trouble.textContent = troubleOf(problem, isBlinded); };

let frame = null;
let cells = null;
let series = [];
let marks = [];
let asked = Number(location.pathname.split("/").pop());
let turn = 0;
let editTurn = 0;
let retry = 0;

const picture = new Picture(canvas, {
  drawMarks: (paint, shown) => {
    masks.draw(paint);
    if (byId("overlay").checked) drawMarks(paint, shown, marks);
    drawScaleBar(paint, shown, frame?.pixel_size_um);
  },
  onTrouble: tellTrouble,
});

const corrections = new Corrections(picture, { list: byId("corrections"), onChange: () => drawCells(), onProblem: showProblem });

const checked = new Checked({ button: byId("checked"), said: byId("checked-said"), onProblem: showProblem });

const masks = new Masks(picture, { toggle: byId("masks"), why: byId("masks-why") });
const run = new RunAtH(experiment, { hOf: () => Number(byId("h").value), onShown: () => goAnew(), onProblem: showProblem });

// --- the frame ---

async function go(id) {
  asked = id;
  const mine = ++turn;
  clearTimeout(retry);
  canvas.setAttribute("aria-busy", "true");
  try {
    const [about, found, correct] = await Promise.all([ask(`frames/${id}`), ask(`frames/${id}/cells`), corrections.load(id)]);
    if (mine !== turn) return;
    const change = await pixelsOf(about);
    if (mine !== turn) return;
    frame = about;
    cells = { y: floats(found.y), x: floats(found.x), prominence: floats(found.prominence), h: Math.fround(found.h) };
    change();
    correct();
    clearProblem();
    history.replaceState(null, "", `/experiments/${experiment}/frames/${id}${location.search}`);
    await loadSeries(false);
    drawAll();
    prefetch();
  } catch (problem) {
    if (mine === turn) showProblem(problem);
  }
  if (mine === turn) canvas.removeAttribute("aria-busy");
}

// Gives what puts the pixels on the canvas; where they cannot be had, the reason and an empty ground.
async function pixelsOf(about) {
  try {
    const image = await ask(`frames/${about.id}/image`);
    const put = await picture.show(about.id, image);
    return () => { put(); trouble.hidden = true; adjustContrast(image); };
  } catch (problem) {
    return () => {
      picture.showNone(about.id, about.height_px, about.width_px);
      tellTrouble(problem);
      if ([0, 424, 503].includes(problem.status)) retry = setTimeout(() => go(about.id), AGAIN_MS);
    };
  }
}

// The h that was tried has become that of the counts, or makes no sense beside the new one.
function goAnew() {
  delete byId("h").dataset.isMoved;
  series = [];
  go(asked);
}

function drawAll() {
  const { place } = frame;
  const field = place.field || place.position;
  const parts = [place.plate, place.well && `Well ${place.well}`, field && `field ${field}`, place.channel, frame.each_plane && place.z && `z ${place.z}`];
  byId("where").textContent = isBlinded ? `Frame ${frame.id}` : parts.filter(Boolean).join(", ") || "One place";
  document.title = `${byId("where").textContent} - livecount`;
  const when = [frame.elapsed_h === null ? "counted a moment ago" : hours(frame.elapsed_h)];
  if (frame.acquired_at && !isBlinded) when.push(", ", moment(frame.acquired_at));
  byId("when").replaceChildren(...when);
  const lines = [
    ["Model", frame.model],
    ...(isBlinded ? [] : [["File", frame.source + (frame.page ? `, page ${frame.page}` : "")], ["Folder", frame.folder]]),
    ["Size", `${frame.width_px} × ${frame.height_px} px${frame.pixel_size_um ? `, ${frame.pixel_size_um} µm each` : ""}`],
    ...frame.flags.map((flag) => ["Doubtful", flag.meaning || flag.name]),
  ];
  if (frame.excluded) lines.push(["Not used", isBlinded ? "why is hidden" : `${frame.excluded}${frame.excluded_by ? ` (${frame.excluded_by})` : ""}`]);
  if (!frame.is_current) lines.push(["Replaced", "the file holds other pixels by now"]);
  byId("about").replaceChildren(...lines.flatMap(([name, text]) => [element("dt", { text: name }), element("dd", { text })]));
  masks.show(frame);
  drawTime();
  drawCells();
}

// --- time ---

async function loadSeries(isNew) {
  if (!isNew && series.some((one) => one.id === frame.id)) return;
  const place = { ...frame.place };
  if (!frame.each_plane) delete place.z;
  const found = await ask(`experiments/${experiment}/frames?${new URLSearchParams(place)}`);
  // Where several frames claim one time, the one that is used stands for it.
  const used = new Set(found.frames.filter((one) => !one.excluded).map((one) => one.elapsed_h));
  series = found.frames.filter((one) => one.id === frame.id || !one.excluded || !used.has(one.elapsed_h));
}

function indexOf(id) {
  return series.findIndex((one) => one.id === id);
}

function drawTime() {
  const at = indexOf(frame.id);
  const slider = byId("time");
  slider.max = Math.max(0, series.length - 1);
  slider.value = Math.max(0, at);
  slider.disabled = series.length < 2;
  byId("earlier").disabled = at <= 0;
  byId("later").disabled = at < 0 || at >= series.length - 1;
  sayTime(at);
}

function sayTime(at) {
  const one = series[at];
  byId("moment").textContent = one ? `${hours(one.elapsed_h)}, ${one.count} cells` : "";
  byId("time").setAttribute("aria-valuetext", one ? `${hours(one.elapsed_h)}, ${one.count} cells, ${at + 1} of ${series.length}` : "");
}

function step(by) {
  const next = series[indexOf(asked) + by];
  if (next) go(next.id);
}

// What comes next is made meanwhile, so that a series plays.
function prefetch() {
  for (const by of [1, -1]) {
    const next = series[indexOf(frame.id) + by];
    if (next) fetch(`/api/v1/frames/${next.id}/image`).catch(() => null);
  }
}

byId("earlier").addEventListener("click", () => step(-1));
byId("later").addEventListener("click", () => step(1));
byId("time").addEventListener("input", () => {
  const at = Number(byId("time").value);
  sayTime(at);
  if (series[at]) go(series[at].id);
});

// --- cells ---

const hOf = () => Math.fround(Number(byId("h").value));

function drawCells() {
  if (!cells || corrections.frame !== frame.id) return;
  const slider = byId("h");
  const isOther = Boolean(slider.dataset.isMoved);
  if (!isOther) slider.value = cells.h;
  const h = isOther ? hOf() : cells.h;
  const found = [];
  for (let i = 0; i < cells.y.length; i++) {
    if (cells.prominence[i] >= h) found.push({ kind: "cell", y: cells.y[i], x: cells.x[i] });
  }
  // Corrections speak of the cells that were counted, not of those at another h.
  marks = isOther ? found : corrections.marks(found);
  byId("h-value").textContent = h.toFixed(3);
  byId("h-back").hidden = !isOther;
  masks.hideWhile(isOther);
  run.offer(isOther);
  byId("preview").textContent = isOther ? `${found.length} cells at this h; the count stands at h ${cells.h.toFixed(3)}.` : "How far a peak of the network must stand out to be a cell: a lower h finds more cells, a higher h fewer. Move it to try.";
  const { corrected_count: corrected } = corrections.kept;
  byId("count").textContent = `model ${frame.count}${corrected === null ? "" : `, corrected ${corrected}`}`;
  byId("correct").disabled = isOther;
  byId("undo").disabled = !corrections.own.length;
  checked.follow(frame, corrections, isOther);
  canvas.classList.toggle("correcting", isCorrecting());
  canvas.setAttribute("aria-label", `The frame with ${found.length} cells`);
  picture.soon();
}

byId("overlay").addEventListener("change", () => drawCells());
byId("h").addEventListener("input", () => { byId("h").dataset.isMoved = "yes"; drawCells(); });
byId("h-back").addEventListener("click", () => { delete byId("h").dataset.isMoved; drawCells(); });

// --- contrast ---

let image = null;

function adjustContrast(shown) {
  image = shown;
  for (const id of ["low", "high"]) {
    byId(id).min = shown.darkest;
    byId(id).max = Math.max(shown.brightest, shown.darkest + 1);
    if (byId("auto").checked) byId(id).value = shown[id];
  }
  applyContrast();
}

function applyContrast() {
  const [low, high] = [Number(byId("low").value), Number(byId("high").value)];
  for (const [id, value] of [["low", low], ["high", high]]) {
    const grey = image.offset + image.factor * value;
    byId(`${id}-value`).textContent = Number.isInteger(grey) ? grey : grey.toPrecision(4);
  }
  picture.setContrast(low, Math.max(high, low + 1));
}

for (const id of ["low", "high"]) {
  byId(id).addEventListener("input", () => {
    byId("auto").checked = false;
    if (image) applyContrast();
  });
}
byId("auto").addEventListener("change", () => image && adjustContrast(image));

// --- view ---

byId("closer").addEventListener("click", () => picture.zoom(1.5));
byId("farther").addEventListener("click", () => picture.zoom(1 / 1.5));
byId("fit").addEventListener("click", () => picture.fit());

// --- corrections ---

const isCorrecting = () => byId("correct").getAttribute("aria-pressed") === "true" && !byId("correct").disabled && byId("overlay").checked;

function setCorrecting(is) {
  byId("correct").setAttribute("aria-pressed", String(is));
  byId("how").textContent = is ? "Click where a cell is missing, click a mark to remove it, drag a mark to move it." : "Kept beside the model's count, with your name and the time.";
  if (is) byId("overlay").checked = true;
  drawCells();
}

byId("correct").addEventListener("click", () => setCorrecting(byId("correct").getAttribute("aria-pressed") !== "true"));
byId("undo").addEventListener("click", () => corrections.undo());
followReviewer(byId("reviewer"));
byId("reviewer").addEventListener("change", () => drawCells());

followPointers(picture, {
  grab: (at) => (isCorrecting() ? corrections.grab(marks, at) : null),
  onClick: (at) => isCorrecting() && corrections.click(marks, at),
  onDrag: (mark, at) => corrections.drag(mark, at),
  onDrop: (mark, at) => corrections.drop(mark, at),
});

const PAN = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
const KEYS = {
  ArrowLeft: () => step(-1), ArrowRight: () => step(1), "+": () => picture.zoom(1.5), "=": () => picture.zoom(1.5),
  "-": () => picture.zoom(1 / 1.5), 0: () => picture.fit(), c: () => byId("correct").click(), z: () => byId("undo").click(),
  m: () => byId("masks").click(), e: () => byId("checked").click(), n: () => byId("next-field").click(),
};

addEventListener("keydown", (event) => {
  const isOwn = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "checkbox";
  if (isOwn || event.ctrlKey || event.metaKey || event.altKey) return;
  const act = event.shiftKey && PAN[event.key] ? () => picture.pan(...PAN[event.key]) : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// What other people, or another window, say of this frame.
async function followEdits() {
  const id = asked;
  const mine = ++editTurn;
  try {
    const [about, correct] = await Promise.all([ask(`frames/${id}`), corrections.load(id)]);
    if (mine !== editTurn || id !== asked || frame?.id !== id || about.analysis_id !== frame.analysis_id) return;
    frame = about;
    correct();
    checked.load();
    drawAll();
  } catch (problem) {
    showProblem(problem);
  }
}

listen(experiment, {
  onCounts: () => {},
  onEdits: followEdits,
  onSnapshot: async () => {
    if (!frame) return;
    try {
      const about = await ask(`frames/${frame.id}`);
      if (about.id !== asked) return;
      if (about.analysis_id !== frame.analysis_id) {
        run.load();
        goAnew();
        return;
      }
      frame = about;
      await loadSeries(true);
      drawAll();
    } catch (problem) {
      showProblem(problem);
    }
  },
});

if (isBlinded || isField) {
  byId("back").href = `/experiments/${experiment}/review${isField ? "?fields=1" : ""}`;
  byId("back").textContent = "Back to the review";
}
if (isField) {
  new NextField(experiment, { button: byId("next-field"), said: byId("next-said"), current: () => asked, go, onProblem: showProblem });
}
go(asked);
