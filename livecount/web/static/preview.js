// The frame in front of a reviewer, with its cells; who goes through frames fast loads the last one.
import { ask, floats } from "/static/api.js";
import { troubleOf } from "/static/blinded.js";
import { drawMarks } from "/static/marks.js";
import { Picture } from "/static/picture.js";

const PAUSE_MS = 80;
const AGAIN_MS = 3000;

export class Preview {
  constructor({ canvas, trouble, overlay, isBlinded }) {
    Object.assign(this, { canvas, trouble, overlay, isBlinded });
    this.frame = null;
    this.marks = [];
    this.timer = 0;
    this.picture = new Picture(canvas, {
      drawMarks: (paint, shown) => overlay.checked && drawMarks(paint, shown, this.marks),
      onTrouble: (problem) => this.tell(problem),
    });
    overlay.addEventListener("change", () => this.picture.soon());
  }

  // `next` are the frames that are probably wanted after this one: their pictures are made meanwhile.
  show(frame, next = []) {
    if (frame === this.frame) return;
    this.frame = frame;
    clearTimeout(this.timer);
    if (frame === null) return this.clear();
    this.canvas.setAttribute("aria-busy", "true");
    this.canvas.setAttribute("aria-label", `Frame ${frame} is being loaded`);
    this.timer = setTimeout(() => this.load(frame, next), PAUSE_MS);
  }

  async load(frame, next) {
    try {
      const [image, cells] = await Promise.all([ask(`frames/${frame}/image`), ask(`frames/${frame}/cells`)]);
      if (frame !== this.frame) return;
      const put = await this.picture.show(frame, image);
      if (frame !== this.frame) return;
      this.marks = cellsOf(cells);
      this.picture.setContrast(image.low, image.high);
      put();
      this.trouble.hidden = true;
      this.canvas.hidden = false;
      this.canvas.setAttribute("aria-label", `Frame ${frame} with ${this.marks.length} cells`);
      this.canvas.removeAttribute("aria-busy");
      for (const each of next) fetch(`/api/v1/frames/${each}/image`).catch(() => null);
    } catch (problem) {
      if (frame !== this.frame) return;
      this.tell(problem);
      if ([0, 424, 503].includes(problem.status)) this.timer = setTimeout(() => this.load(frame, next), AGAIN_MS);
    }
  }

  tell(problem) {
    this.trouble.hidden = false;
    this.trouble.textContent = troubleOf(problem, this.isBlinded());
    this.canvas.hidden = true;
    this.canvas.removeAttribute("aria-busy");
  }

  clear() {
    this.canvas.hidden = true;
    this.trouble.hidden = true;
    this.canvas.removeAttribute("aria-busy");
  }
}

function cellsOf({ h, y, x, prominence }) {
  const [ys, xs, heights] = [y, x, prominence].map(floats);
  const least = Math.fround(h);
  const cells = [];
  for (let i = 0; i < ys.length; i++) {
    if (heights[i] >= least) cells.push({ kind: "cell", y: ys[i], x: xs[i] });
  }
  return cells;
}
