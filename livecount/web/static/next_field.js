// From one field to validate to the next that nobody has checked.
import { ask } from "/static/api.js";

export class NextField {
  constructor(experiment, { button, said, current, go, onProblem }) {
    this.experiment = experiment;
    Object.assign(this, { button, said, current, go, onProblem });
    button.hidden = false;
    button.addEventListener("click", () => this.next());
  }

  async next() {
    const asked = new URLSearchParams({ parts: sessionStorage.getItem("livecount-parts") ?? 12, blinded: true });
    try {
      const { fields, parts, parts_checked: done } = await ask(`experiments/${this.experiment}/fields?${asked}`);
      const here = fields.findIndex((one) => one.frame_id === this.current());
      const later = [...fields.slice(here + 1), ...fields.slice(0, Math.max(here, 0))];
      const next = later.find((one) => one.checked_by === null);
      this.said.textContent = next ? `${done} of ${parts} parts are checked.` : "There is no other one: the review compares the counts with them.";
      if (next) this.go(next.frame_id);
    } catch (problem) {
      this.onProblem(problem);
    }
  }
}
