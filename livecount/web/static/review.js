// Flagged frames, or fields to validate, gone through by keys; what is excluded is said, never removed.
import { ask, clearProblem, element, send, showProblem } from "/static/api.js";
import "/static/chrome.js";
import { hours, moment, number } from "/static/format.js";
import { listen } from "/static/live.js";
import { Preview } from "/static/preview.js";
import { byReviewer, followReviewer, reviewerName } from "/static/reviewer.js";
import { Validation } from "/static/validation.js";

const PAGE = 100;
const base = `experiments/${document.body.dataset.experiment}`;
const at = (id) => document.getElementById(id);
const chosen = { flag: "", offset: 0 };
let found = null;
let current = -1;
let meanings = new Map();
let loads = 0;
const preview = new Preview({ canvas: at("preview"), trouble: at("preview-trouble"), overlay: at("preview-cells"), isBlinded });

const validation = new Validation(base, {
  parts: at("parts"), meter: at("checked-parts"), progress: at("progress"), button: at("compare"), list: at("validations"),
  onChange: () => turn(-Infinity, 0), onProblem: showProblem,
});

if (new URLSearchParams(location.search).has("fields")) at("list").value = "fields";
at("blinded").checked = sessionStorage.getItem("livecount-blinded") === "yes";
followReviewer(at("reviewer"));

function isBlinded() {
  return at("blinded").checked;
}

function isFields() {
  return at("list").value === "fields";
}

function query() {
  const asked = new URLSearchParams({ offset: chosen.offset, limit: PAGE, state: at("state").value, blinded: isBlinded() });
  if (chosen.flag) asked.set("flag", chosen.flag);
  if (!isBlinded() && at("wells").value) asked.set("well", at("wells").value);
  return asked;
}

async function load(place = current) {
  const number = ++loads;
  const kept = found?.frames[current]?.frame_id;
  try {
    const answer = isFields() ? await validation.load(isBlinded()) : await ask(`${base}/flagged?${query()}`);
    if (number !== loads) return;
    found = answer;
    meanings = new Map(found.groups.map((group) => [group.flag, group.meaning]));
    if (!found.frames.length && chosen.offset) {
      chosen.offset = Math.max(0, chosen.offset - PAGE);
      await load(PAGE - 1);
      return;
    }
    const same = place === current ? found.frames.findIndex((frame) => frame.frame_id === kept) : -1;
    current = same >= 0 ? same : Math.min(Math.max(place, 0), found.frames.length - 1);
    draw();
    await loadExclusions();
    if (number === loads) clearProblem();
  } catch (problem) {
    showProblem(problem);
  }
}

function draw() {
  for (const part of document.querySelectorAll(".of-flagged")) part.hidden = isFields();
  at("validation").hidden = !isFields();
  if (isFields()) validation.draw(found);
  else {
    drawGroups();
    drawWells();
  }
  const places = isBlinded() ? ["Frame"] : ["Well", "Field", "Group"];
  const columns = [...places, "Hour", "Count", ...(isFields() ? ["Checked"] : ["Flags", "Used", ""])];
  const numeric = new Set(["Hour", "Count"]);
  const heads = columns.map((text) => (text ? element("th", { text, scope: "col", class: numeric.has(text) ? "number" : null }) : element("td", {})));
  at("frames").tHead.replaceChildren(element("tr", {}, ...heads));
  at("frames").tBodies[0].replaceChildren(...found.frames.map(row));
  at("frames").hidden = !found.frames.length;
  at("none").hidden = found.frames.length > 0 || isFields();
  document.querySelector("figure.preview").hidden = !found.frames.length;
  at("pager").hidden = found.total <= PAGE;
  at("range").textContent = `${chosen.offset + 1} to ${chosen.offset + found.frames.length} of ${found.total}`;
  at("before").disabled = chosen.offset === 0;
  at("after").disabled = chosen.offset + found.frames.length >= found.total;
  at("people").hidden = isBlinded() || isFields();
  showPicture();
}

function showPicture() {
  const near = [1, -1, 2].map((by) => found.frames[current + by]?.frame_id).filter((id) => id !== undefined);
  preview.show(found.frames[current]?.frame_id ?? null, near);
}

function drawGroups() {
  const total = { flag: "", meaning: "what puts a count in doubt", n: null, is_doubt: true };
  const button = (group) => element(
    "button", { type: "button", "aria-pressed": String(group.flag === chosen.flag), onclick: () => choose(group.flag) },
    element("span", { text: group.flag.replaceAll("_", " ") || "all in doubt" }),
    element("span", { class: "n", text: group.n ?? "" }),
    element("span", { class: "meaning", text: group.meaning }),
  );
  const doubts = found.groups.filter((group) => group.is_doubt);
  const notes = found.groups.filter((group) => !group.is_doubt);
  const focused = document.activeElement?.closest("#groups button")?.firstChild.textContent;
  at("groups").replaceChildren(
    ...[total, ...doubts].map(button),
    ...(notes.length ? [element("h2", { text: "Only to be known" }), ...notes.map(button)] : []),
  );
  at("groups").removeAttribute("aria-busy");
  if (focused) [...at("groups").querySelectorAll("button")].find((one) => one.firstChild.textContent === focused)?.focus();
}

function drawWells() {
  const select = at("wells");
  select.disabled = isBlinded();
  const kept = select.value;
  const names = found.wells.map(({ well }) => well);
  if (kept && !names.includes(kept)) found.wells.push({ well: kept, n: 0 });
  if (isBlinded()) select.replaceChildren(element("option", { value: "", text: "hidden" }));
  else {
    select.replaceChildren(
      element("option", { value: "", text: "all" }),
      ...found.wells.map(({ well, n }) => element("option", { value: well, text: `${well} (${n})` })),
    );
    select.value = kept;
  }
}

function where(frame) {
  return isBlinded() ? `frame ${frame.frame_id}` : [frame.plate, frame.well ?? "no well"].filter(Boolean).join(" ");
}

function address(frame) {
  const asked = new URLSearchParams({ ...(isBlinded() && { blinded: 1 }), ...(isFields() && { fields: 1 }) });
  return `/${base}/frames/${frame.frame_id}${asked.size ? `?${asked}` : ""}`;
}

function row(frame, index) {
  const link = element("a", { href: address(frame), text: isBlinded() ? String(frame.frame_id) : where(frame) });
  const places = isBlinded() ? [] : [element("td", { text: frame.field ?? "" }), element("td", { text: frame.group ?? "" })];
  return element(
    "tr", { class: frame.excluded ? "out" : null, "aria-current": index === current ? "true" : null, onclick: (event) => event.target.closest("a, button") || go(index) },
    element("td", {}, link), ...places,
    element("td", { class: "number", text: hours(frame.elapsed_h) }),
    element("td", { class: "number count", text: number(frame.count, 6) }),
    ...(isFields() ? [checkedOf(frame)] : flagged(frame, index)),
  );
}

function checkedOf(frame) {
  return frame.checked_by === null ? element("td", { text: "not yet" }) : element("td", {}, `by ${frame.checked_by}, `, moment(frame.checked_at));
}

function flagged(frame, index) {
  const flags = frame.flags.map((flag) => element("div", {}, flag.replaceAll("_", " "),
    chosen.flag || !meanings.get(flag) ? "" : element("span", { class: "meaning", text: `: ${meanings.get(flag)}` })));
  return [
    element("td", {}, ...flags),
    element("td", { text: frame.excluded === "" ? "yes" : isBlinded() ? "no" : `no: ${frame.excluded}${frame.excluded_by ? ` (${frame.excluded_by})` : ""}` }),
    element("td", {}, action(frame, index)),
  ];
}

function action(frame, index) {
  if (frame.excluded === "") {
    return element("button", { type: "button", text: "Exclude", "aria-label": `Exclude ${where(frame)} at ${hours(frame.elapsed_h)}`, onclick: () => { go(index); askReason(); } });
  }
  if (!frame.exclusions.length) return "";
  return element("button", { type: "button", text: "Put back", "aria-label": `Put back ${where(frame)} at ${hours(frame.elapsed_h)}`, onclick: () => { go(index); putBack(); } });
}

function go(index) {
  if (!found?.frames.length) return;
  const rows = at("frames").tBodies[0].rows;
  rows[current]?.removeAttribute("aria-current");
  current = Math.min(Math.max(index, 0), rows.length - 1);
  rows[current].setAttribute("aria-current", "true");
  rows[current].scrollIntoView({ block: "nearest" });
  showPicture();
  const frame = found.frames[current];
  const state = isFields() ? [frame.checked_by ? "checked" : "not checked yet"] : [...frame.flags, ...(frame.excluded ? ["excluded"] : [])];
  say(`${where(frame)}, ${hours(frame.elapsed_h)}, ${frame.count} cells, ${state.join(", ").replaceAll("_", " ")}`);
}

function step(by) {
  if (!found) return;
  const next = current + by;
  if (next >= found.frames.length && chosen.offset + found.frames.length < found.total) turn(PAGE, 0);
  else if (next < 0 && chosen.offset) turn(-PAGE, PAGE - 1);
  else go(next);
}

function turn(by, place) {
  chosen.offset = Math.max(0, chosen.offset + by);
  current = -1;
  load(place);
}

function choose(flag) {
  chosen.flag = flag;
  turn(-Infinity, 0);
}

function say(text) {
  at("said").textContent = text;
}

let asked = null; // the frame that the dialog names: the list may change while a reason is typed

function askReason() {
  const frame = found?.frames[current];
  if (!frame || isFields() || frame.excluded !== "") return;
  asked = frame;
  at("ask-title").textContent = `Exclude ${where(frame)} at ${hours(frame.elapsed_h)}`;
  at("ask").returnValue = "";
  at("ask").showModal();
  at("reason").select();
}

at("ask").addEventListener("close", async () => {
  const frame = asked;
  if (at("ask").returnValue !== "exclude" || !at("reason").value.trim()) return;
  const by = reviewerName() || null;
  try {
    await send(`${base}/exclusions`, "POST", { frame_id: frame.frame_id, reason: at("reason").value, by });
    say(`${where(frame)} is excluded`);
    await load();
    if (found.frames[current]?.frame_id === frame.frame_id) step(1);
  } catch (problem) {
    showProblem(problem);
  }
});

async function putBack(numbers = found?.frames[current]?.exclusions ?? []) {
  try {
    for (const each of numbers) await send(`${base}/exclusions/${each}${byReviewer()}`, "DELETE");
    if (numbers.length) say("put back");
    await load();
  } catch (problem) {
    showProblem(problem);
  }
}

async function loadExclusions() {
  if (isBlinded() || isFields()) {
    at("exclusions").tBodies[0].replaceChildren();
    return;
  }
  const standing = (await ask(`${base}/exclusions`)).filter((one) => one.withdrawn_at === null).reverse();
  at("exclusions").tHead.replaceChildren(element("tr", {}, ...["What", "Reason", "By", "When"].map((text) => element("th", { text, scope: "col" })), element("td")));
  at("exclusions").tBodies[0].replaceChildren(...standing.map((one) => element(
    "tr", {},
    element("td", {}, one.frame_id === null ? one.what : element("a", { href: `/${base}/frames/${one.frame_id}`, text: one.what })),
    element("td", { text: one.reason }), element("td", { text: one.made_by }), element("td", {}, moment(one.made_at)),
    element("td", {}, element("button", { type: "button", text: "Put back", "aria-label": `Put back ${one.what}`, onclick: () => putBack([one.number]) })),
  )));
  at("exclusions").hidden = !standing.length;
  at("no-exclusions").hidden = standing.length > 0;
}

const KEYS = {
  j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
  e: askReason, r: () => isFields() || putBack(), c: () => at("preview-cells").click(),
  Enter: () => found?.frames[current] && location.assign(address(found.frames[current])),
};

addEventListener("keydown", (event) => {
  const isTaken = event.target.closest("input, select, textarea, dialog") || (event.key === "Enter" && event.target.closest("a, button, summary"));
  if (isTaken || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
at("ask-cancel").addEventListener("click", () => at("ask").close());
at("before").addEventListener("click", () => turn(-PAGE, 0));
at("after").addEventListener("click", () => turn(PAGE, 0));
at("list").addEventListener("change", () => {
  found = null;
  chosen.flag = "";
  history.replaceState(null, "", isFields() ? "?fields=1" : location.pathname);
});
for (const id of ["list", "wells", "state", "blinded"]) at(id).addEventListener("change", () => turn(-Infinity, 0));
at("blinded").addEventListener("change", () => {
  preview.show(null);
  say(""); // it may name the well that was looked at last
});
at("blinded").addEventListener("change", () => sessionStorage.setItem("livecount-blinded", isBlinded() ? "yes" : ""));

load(0);
listen(document.body.dataset.experiment, {
  onCounts: () => {},
  onSnapshot: (number) => number !== found?.snapshot && load(),
  onEdits: () => load(),
});
