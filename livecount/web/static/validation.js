// How far the fields to validate are checked, and the counts compared with those that are.
import { ask, element, send } from "/static/api.js";
import { moment } from "/static/format.js";
import { reviewerName } from "/static/reviewer.js";

export class Validation {
  constructor(base, { parts, meter, progress, button, list, onChange, onProblem }) {
    Object.assign(this, { base, parts, meter, progress, button, list, onProblem });
    this.found = null;
    this.isBusy = false;
    parts.value = sessionStorage.getItem("livecount-parts") ?? parts.value;
    parts.addEventListener("change", () => {
      if (!parts.checkValidity()) return;
      sessionStorage.setItem("livecount-parts", parts.value);
      onChange();
    });
    button.addEventListener("click", () => this.compare());
  }

  // Gives the fields in the form of the list of flagged frames.
  async load(isBlinded) {
    const asked = new URLSearchParams({ parts: this.parts.checkValidity() ? this.parts.value : 12, blinded: isBlinded });
    const [found, kept] = await Promise.all([ask(`${this.base}/fields?${asked}`), ask(`${this.base}/validations`)]);
    this.found = found;
    return { ...found, kept, frames: found.fields, total: found.fields.length, groups: [], wells: [] };
  }

  draw({ parts, parts_checked: done, kept }) {
    this.meter.max = Math.max(1, parts);
    this.meter.value = done;
    const rest = done === parts ? "all densities are covered." : done < 3 ? "three or more are needed to speak of other frames." : "more make the range wider.";
    this.progress.textContent = parts ? `${done} of ${parts} parts have a checked field: ${rest}` : "No frame can be used yet.";
    this.button.disabled = this.isBusy || done === 0;
    this.list.replaceChildren(...kept.map((one) => element("li", {}, one.says, " ", moment(one.made_at))));
  }

  async compare() {
    const by = reviewerName() || null;
    this.isBusy = this.button.disabled = true;
    try {
      const made = await send(`${this.base}/validations`, "POST", { analysis_id: this.found.analysis_id, by });
      const without = made.left_out.length ? ` Not used: ${made.left_out.join(", ")}.` : "";
      this.list.prepend(element("li", { class: "new" }, made.says, without, " ", moment(made.made_at)));
    } catch (problem) {
      this.onProblem(problem);
    } finally {
      this.isBusy = this.button.disabled = false;
    }
  }
}
