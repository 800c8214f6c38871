// Cells that people add, remove and move: kept beside the model's count, with who and when.
import { ask, element, send } from "/static/api.js";
import { moment } from "/static/format.js";
import { markAt, REACH_PX } from "/static/marks.js";
import { byReviewer, reviewerName } from "/static/reviewer.js";

const NAMES = { add: "added", remove: "removed", move: "moved" };

export class Corrections {
  constructor(picture, { list, onChange, onProblem }) {
    this.picture = picture;
    this.list = list;
    this.onChange = onChange;
    this.onProblem = onProblem;
    this.shown = { frame: null, kept: { count: 0, corrected_count: null, corrections: [] } };
    this.dragged = null;
    this.waiting = 0;
    this.turns = Promise.resolve();
    addEventListener("beforeunload", (event) => this.waiting && event.preventDefault());
  }

  get frame() {
    return this.shown.frame;
  }

  get kept() {
    return this.shown.kept;
  }

  async load(frame) {
    const kept = await ask(`frames/${frame}/corrections`);
    return () => this.take(frame, kept);
  }

  take(frame, kept) {
    if (frame === this.frame && kept.analysis_id === this.kept.analysis_id) renew(this.shown, kept);
    else {
      this.shown = { frame, kept };
      this.dragged = null;
    }
    this.drawList();
    this.onChange();
  }

  get holding() {
    return holdingOf(this.shown);
  }

  // What undo may take back: of who sits here, not of another window's.
  get own() {
    return ownOf(this.shown);
  }

  // The model's cells as corrected: each mark knows what a click on it has to undo or to name.
  marks(cells) {
    const changed = new Map(this.holding.filter((one) => one.kind !== "add").map((one) => [placeOf(one.from_y, one.from_x), one]));
    const marks = [];
    for (const cell of cells) {
      const correction = changed.get(placeOf(cell.y, cell.x));
      if (!correction) marks.push({ kind: "cell", y: cell.y, x: cell.x });
      else if (correction.kind === "remove") marks.push({ kind: "removed", y: cell.y, x: cell.x, correction });
      else marks.push({ kind: "moved", y: correction.to_y, x: correction.to_x, correction });
    }
    for (const correction of this.holding) {
      if (correction.kind === "add") marks.push({ kind: "added", y: correction.to_y, x: correction.to_x, correction });
    }
    if (this.dragged) return marks.map((mark) => (mark.y === this.dragged.y && mark.x === this.dragged.x ? { ...mark, kind: "moved", ...this.dragged.to } : mark));
    return marks;
  }

  grab(marks, at) {
    const mark = markAt(this.picture, marks, at);
    return mark && mark.kind !== "removed" ? mark : null;
  }

  drag(mark, at) {
    this.dragged = { y: mark.y, x: mark.x, to: this.picture.toFrame(at.x, at.y) };
    this.onChange();
  }

  drop(mark, at) {
    this.dragged = null;
    const to = at && this.picture.toFrame(at.x, at.y);
    if (!to || !this.isInside(to)) return this.onChange();
    const end = { to_y: to.y, to_x: to.x };
    const { correction } = mark;
    if (!correction) return this.correct(mark, { kind: "move", from_y: mark.y, from_x: mark.x, ...end });
    const { kind, from_y, from_x } = correction;
    return this.replace(correction, kind === "add" ? { kind, ...end } : { kind, from_y, from_x, ...end });
  }

  click(marks, at) {
    const mark = markAt(this.picture, marks, at);
    if (!mark) {
      const to = this.picture.toFrame(at.x, at.y);
      return this.isInside(to) ? this.add(to) : null;
    }
    const { correction } = mark;
    if (!correction) return this.correct(mark, { kind: "remove", from_y: mark.y, from_x: mark.x });
    if (mark.kind !== "moved") return this.takeBack(correction);
    return this.replace(correction, { kind: "remove", from_y: correction.from_y, from_x: correction.from_x });
  }

  undo() {
    return this.change((shown) => (ownOf(shown).length ? remove(shown, ownOf(shown).at(-1)) : null));
  }

  isInside({ y, x }) {
    const { height, width } = this.picture.size;
    return y >= -0.5 && x >= -0.5 && y <= height - 0.5 && x <= width - 0.5;
  }

  // Each looks once more when its turn comes: a second click on the same place means the first one's.
  add(to) {
    const reach = REACH_PX / this.picture.scale;
    const isThere = (one) => one.kind !== "remove" && Math.hypot(one.to_y - to.y, one.to_x - to.x) < reach;
    return this.change((shown) => (holdingOf(shown).some(isThere) ? null : post(shown, { kind: "add", to_y: to.y, to_x: to.x })));
  }

  correct(mark, body) {
    const place = placeOf(mark.y, mark.x);
    const isOfIt = (one) => one.kind !== "add" && placeOf(one.from_y, one.from_x) === place;
    return this.change((shown) => (holdingOf(shown).some(isOfIt) ? null : post(shown, body)));
  }

  replace(correction, body) {
    return this.change((shown) => (holds(shown, correction) ? post(shown, { ...body, replaces: correction.id }) : null));
  }

  takeBack(correction) {
    return this.change((shown) => (holds(shown, correction) ? remove(shown, correction) : null));
  }

  // One after the other, none dropped; what went wrong is said, and what is kept is asked anew.
  change(act) {
    const { shown } = this;
    this.waiting += 1;
    this.turns = this.turns.then(async () => {
      try {
        renew(shown, (await act(shown)) ?? shown.kept);
      } catch (problem) {
        this.onProblem(problem);
        const now = await ask(`frames/${shown.frame}/corrections`).catch(() => shown.kept);
        if (now.analysis_id === shown.kept.analysis_id) renew(shown, now); // else the page is loaded anew
      } finally {
        this.waiting -= 1;
        if (shown === this.shown) this.take(shown.frame, shown.kept);
      }
    });
    return this.turns;
  }

  drawList() {
    const rows = this.kept.corrections.map((one) => {
      const back = one.withdrawn_at ? [`, taken back by ${one.withdrawn_by}, `, moment(one.withdrawn_at)] : [];
      return element(
        "li", {}, element("span", {}, `${NAMES[one.kind]} by ${one.made_by}, `, moment(one.made_at), ...back),
        one.withdrawn_at ? null : element("button", { type: "button", class: "quiet", text: "Take back", onclick: () => this.takeBack(one) }),
      );
    });
    this.list.replaceChildren(...rows.reverse());
  }
}

// Answers overtake each other. Corrections only come, and are taken back once: the longer history is the newer.
function renew(shown, kept) {
  if (stepsOf(kept) >= stepsOf(shown.kept)) shown.kept = kept;
}

function stepsOf({ corrections }) {
  return corrections.length + corrections.filter((one) => one.withdrawn_at).length;
}

function holdingOf({ kept }) {
  return kept.corrections.filter((one) => !one.withdrawn_at);
}

function ownOf(shown) {
  const name = reviewerName() || shown.kept.default_name;
  return holdingOf(shown).filter((one) => one.made_by === name);
}

function holds(shown, correction) {
  return holdingOf(shown).some((one) => one.id === correction.id);
}

function post({ frame, kept }, body) {
  return send(`frames/${frame}/corrections`, "POST", { ...body, analysis_id: kept.analysis_id, by: reviewerName() || null });
}

function remove({ frame }, correction) {
  return send(`frames/${frame}/corrections/${correction.id}${byReviewer()}`, "DELETE");
}

// Centres come as float32 here and as their exact doubles there.
function placeOf(y, x) {
  return `${Math.fround(y)}/${Math.fround(x)}`;
}
