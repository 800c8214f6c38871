// Cells that people add, remove and move: kept beside the model's count, with who and when.
import { ask, element, send } from "/static/api.js";
import { moment } from "/static/format.js";
import { markAt } from "/static/marks.js";

const NAMES = { add: "added", remove: "removed", move: "moved" };

export class Corrections {
  constructor(picture, { list, onChange, onProblem }) {
    this.picture = picture;
    this.list = list;
    this.onChange = onChange;
    this.onProblem = onProblem;
    this.frame = null;
    this.kept = { count: 0, corrected_count: null, corrections: [] };
    this.dragged = null;
    this.isBusy = false;
  }

  async load(frame) {
    const kept = await ask(`frames/${frame}/corrections`);
    return () => this.take(frame, kept);
  }

  take(frame, kept) {
    this.frame = frame;
    this.kept = kept;
    this.dragged = null;
    this.drawList();
    this.onChange();
  }

  // A cell is being dragged, or the answer to a change is on its way.
  get isAtWork() {
    return this.isBusy || this.dragged !== null;
  }

  get holding() {
    return this.kept.corrections.filter((one) => !one.withdrawn_at);
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
    if (!correction) return this.post({ kind: "move", from_y: mark.y, from_x: mark.x, ...end });
    const again = correction.kind === "add" ? { kind: "add", ...end } : { kind: "move", from_y: correction.from_y, from_x: correction.from_x, ...end };
    return this.change(async () => {
      await this.remove(correction);
      return send(`frames/${this.frame}/corrections`, "POST", again);
    });
  }

  click(marks, at) {
    const mark = markAt(this.picture, marks, at);
    if (!mark) {
      const to = this.picture.toFrame(at.x, at.y);
      return this.isInside(to) ? this.post({ kind: "add", to_y: to.y, to_x: to.x }) : null;
    }
    if (!mark.correction) return this.post({ kind: "remove", from_y: mark.y, from_x: mark.x });
    if (mark.kind !== "moved") return this.change(() => this.remove(mark.correction));
    const { from_y, from_x } = mark.correction;
    return this.change(async () => {
      await this.remove(mark.correction);
      return send(`frames/${this.frame}/corrections`, "POST", { kind: "remove", from_y, from_x });
    });
  }

  undo() {
    const last = this.holding.at(-1);
    return last ? this.change(() => this.remove(last)) : null;
  }

  isInside({ y, x }) {
    const { height, width } = this.picture.size;
    return y >= -0.5 && x >= -0.5 && y <= height - 0.5 && x <= width - 0.5;
  }

  post(body) {
    return this.change(() => send(`frames/${this.frame}/corrections`, "POST", body));
  }

  remove(correction) {
    return send(`frames/${this.frame}/corrections/${correction.id}`, "DELETE");
  }

  // One at a time; what went wrong is said, and what is kept is asked anew.
  async change(act) {
    if (this.isBusy) return;
    this.isBusy = true;
    const { frame } = this;
    try {
      const kept = await act();
      if (frame === this.frame) this.take(frame, kept);
    } catch (problem) {
      this.onProblem(problem);
      const put = await this.load(frame).catch(() => null);
      if (put && frame === this.frame) put();
    } finally {
      this.isBusy = false;
    }
  }

  drawList() {
    const rows = this.kept.corrections.map((one) => {
      const back = one.withdrawn_at ? [`, taken back by ${one.withdrawn_by}, `, moment(one.withdrawn_at)] : [];
      return element(
        "li", {}, element("span", {}, `${NAMES[one.kind]} by ${one.made_by}, `, moment(one.made_at), ...back),
        one.withdrawn_at ? null : element("button", { type: "button", class: "quiet", text: "Take back", onclick: () => this.change(() => this.remove(one)) }),
      );
    });
    this.list.replaceChildren(...rows.reverse());
  }
}

// Centres come as float32 here and as their exact doubles there.
function placeOf(y, x) {
  return `${Math.fround(y)}/${Math.fround(x)}`;
}
