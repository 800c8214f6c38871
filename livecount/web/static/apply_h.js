// Another h for the whole run: counted in the background, listed beside the others, shown or not.
import { ask, element, send } from "/static/api.js";
import { moment } from "/static/format.js";

const LOOK_MS = 700;
const byId = (id) => document.getElementById(id);

export class RunAtH {
  // `onShown` is called when another count of the run has become the one that is shown.
  constructor(experiment, { hOf, onShown, onProblem }) {
    this.base = `experiments/${experiment}`;
    this.hOf = hOf;
    this.onShown = onShown;
    this.onProblem = onProblem;
    this.looking = 0;
    this.isAsking = false;
    byId("apply-h").addEventListener("click", () => this.count(this.hOf()));
    this.load();
    this.look();
  }

  // What the slider says at present: whether it is another h than that of the counts.
  offer(isOther) {
    byId("apply-h").hidden = !isOther;
  }

  async load() {
    try {
      this.draw(await ask(`${this.base}/analyses`));
    } catch (problem) {
      this.onProblem(problem);
    }
  }

  async count(h) {
    await this.try(async () => {
      this.say(await send(`${this.base}/recounts`, "POST", { h }));
      this.look();
    });
  }

  async show(analysis) {
    await this.try(async () => {
      this.draw(await send(`${this.base}/primary-analysis`, "POST", { analysis_id: analysis.analysis_id }));
      this.tell(`The count with ${analysis.model} and h ${analysis.h} is shown from now on. So that new frames are counted like this too, start the monitor with this model and h = ${analysis.h}.`);
      this.onShown();
    });
  }

  async try(act) {
    if (this.isAsking) return;
    this.isAsking = true;
    try {
      await act();
    } catch (problem) {
      this.tell(problem.message, true);
      this.load();
    } finally {
      this.isAsking = false;
    }
  }

  // Looks how far it has come until nothing is at work any more.
  async look() {
    const mine = ++this.looking;
    let wasAtWork = false;
    while (mine === this.looking) {
      let counts;
      try {
        counts = await ask(`${this.base}/recounts`);
      } catch (problem) {
        this.onProblem(problem);
        return;
      }
      const atWork = counts.find((one) => one.state === "running") ?? counts.find((one) => one.state === "waiting");
      const last = counts.at(-1);
      if (atWork) this.say(atWork);
      else if (last && (wasAtWork || last.problem)) this.say(last);
      if (!atWork) {
        byId("apply-progress").hidden = true;
        if (wasAtWork) this.load();
        return;
      }
      wasAtWork = true;
      await new Promise((go) => setTimeout(go, LOOK_MS));
    }
  }

  say(one) {
    const bar = byId("apply-progress");
    bar.hidden = one.state === "failed" || one.state === "done";
    bar.max = Math.max(1, one.n_frames);
    bar.value = one.n_done;
    if (one.problem) return this.tell(`${one.n_done} of ${one.n_frames} frames were counted with h ${one.h}. ${one.problem}`, true);
    const words = {
      waiting: `The count with h ${one.h} waits for its turn.`,
      running: `Counting with h ${one.h}: ${one.n_done} of ${one.n_frames} frames.`,
      done: `The run is counted with h ${one.h}; it stands beside the count that is shown.`,
    };
    return this.tell(words[one.state]);
  }

  tell(text, isBad = false) {
    byId("apply-said").textContent = text;
    byId("apply-said").className = isBad ? "notice" : "empty";
  }

  draw({ analyses, is_being_counted: isCounted }) {
    const [primary] = analyses;
    byId("analyses").replaceChildren(...analyses.map((one) => this.row(one, primary, isCounted)));
    byId("monitored").hidden = !isCounted;
    if (isCounted) byId("monitored").textContent = `A monitor counts this run with h ${primary.h}: new frames get that count, and another one takes them in when it is counted again. To show another one, stop the monitor, choose it here, and start the monitor with its h.`;
  }

  row(one, primary, isCounted) {
    const last = one.orders.at(-1);
    const by = last ? [`, ${last.kind === "show" ? "chosen" : "counted"} by ${last.made_by}, `, moment(last.made_at)] : [", by the monitor, ", moment(one.created_at)];
    const name = one.model === primary.model ? `h ${one.h}` : `${one.model}, h ${one.h}`;
    const rest = one.n_lacking > 0;
    const state = one.is_primary ? ", shown" : rest && !one.is_recountable ? `, ${one.n_lacking} fewer than are shown` : "";
    const words = element("span", {}, element("strong", { text: name }), `, ${one.n_frames} frames${state}`, ...by);
    const count = rest && one.is_recountable ? element("button", { type: "button", text: `Count ${one.n_lacking} more`, "aria-label": `Count ${one.n_lacking} more frames with ${name}`, onclick: () => this.count(one.h) }) : null;
    const show = one.is_primary || rest
      ? null
      : element("button", { type: "button", text: "Show this one", "aria-label": `Show the count with ${name}`, disabled: isCounted ? "" : null, onclick: () => this.show(one) });
    return element("li", { "aria-current": one.is_primary ? "true" : null }, words, count, show);
  }
}
