// That every cell of a frame is right now: said, with who and when, and taken back.
import { ask, send } from "/static/api.js";
import { moment } from "/static/format.js";
import { byReviewer, reviewerName } from "/static/reviewer.js";

export class Checked {
  constructor({ button, said, onProblem }) {
    this.button = button;
    this.said = said;
    this.onProblem = onProblem;
    this.frame = null;
    this.seen = null;
    this.known = "";
    this.standing = null;
    this.isBusy = false;
    this.isReady = false;
    this.isOther = false;
    this.turn = 0;
    button.addEventListener("click", () => this.toggle());
  }

  // Follows what the page shows; a correction ends a statement, so that it is asked for anew.
  follow(frame, corrections, isOther) {
    this.frame = frame;
    const held = corrections.holding.map((one) => one.id);
    this.seen = { analysis_id: frame.analysis_id, corrections: held.length, last_correction: Math.max(0, ...held) };
    this.isOther = isOther;
    const known = [frame.id, ...Object.values(this.seen)].join();
    if (known !== this.known) {
      this.known = known;
      this.isReady = false;
      this.load();
    }
    this.draw();
  }

  async load() {
    const mine = ++this.turn;
    try {
      const kept = await ask(`frames/${this.frame.id}/checks`);
      if (mine === this.turn) this.take(kept);
    } catch (problem) {
      if (mine === this.turn) this.onProblem(problem);
    }
  }

  take(kept) {
    this.isReady = true;
    this.standing = kept.checks.find((one) => !one.withdrawn_at) ?? null;
    const last = kept.checks.at(-1);
    let text = ["Say so when no cell is missing and none is wrong: the frame can then be used to validate and to train."];
    if (this.standing) text = [`Said by ${last.made_by}, `, moment(last.made_at), ". A correction after it ends that."];
    else if (last) text = [`Not as it is now: ${last.made_by} said so, `, moment(last.made_at), `, which ${last.withdrawn_by} ended, `, moment(last.withdrawn_at), "."];
    this.said.replaceChildren(...text);
    this.draw();
  }

  draw() {
    this.button.setAttribute("aria-pressed", String(this.standing !== null));
    this.button.disabled = this.isBusy || this.isOther || !this.isReady;
  }

  async toggle() {
    if (this.button.disabled) return;
    const { known, seen } = this;
    const { id } = this.frame;
    this.isBusy = true;
    this.draw();
    try {
      const kept = this.standing
        ? await send(`frames/${id}/checks/${this.standing.id}${byReviewer()}`, "DELETE")
        : await send(`frames/${id}/checks`, "POST", { ...seen, by: reviewerName() || null });
      if (known === this.known) {
        this.turn++;
        this.take(kept);
      }
    } catch (problem) {
      this.onProblem(problem);
      this.load();
    } finally {
      this.isBusy = false;
      this.draw();
    }
  }
}
