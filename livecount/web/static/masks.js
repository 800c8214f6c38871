// The outlines of cells. From near they are drawn as lines; from afar they come from tiles of ever
// coarser levels, each drawn once and a little at a time, so that moving stays fluid.
import { ask, floats } from "/static/api.js";

const BUCKET_PX = 512;
const TILE_PX = 512;
const MOST_TILES = 64;
const BUDGET_MS = 8;
// Told apart by their dashes too; dark beneath, so that both show on bright and on dark.
const KINDS = [
  { name: "plain", colour: "#ffd60a", dash: [] },
  { name: "bright", colour: "#00e5ff", dash: [4, 2] },
];
const LEGEND = "Solid yellow: the mask of a cell. Dashed cyan: bright and rounded, as dividing and dying cells are.";

export class Masks {
  constructor(picture, { toggle, why }) {
    this.picture = picture;
    this.toggle = toggle;
    this.why = why;
    this.isWanted = new URLSearchParams(location.search).has("masks");
    this.about = null;
    this.shown = null;
    this.countedH = null;
    this.trouble = "";
    toggle.addEventListener("change", () => this.want(toggle.checked));
  }

  // Another frame, or another count of it: `about` is what the API says of the frame.
  show(about) {
    this.about = about;
    this.trouble = "";
    this.bringIn();
  }

  // While another h is tried there are other cells than those that were counted.
  hideWhile(isOther) {
    if (!this.about) return;
    this.countedH = isOther ? this.about.h : null;
    this.say();
  }

  want(is) {
    if (!this.about) return;
    this.isWanted = is;
    const asked = new URLSearchParams(location.search);
    if (is) asked.set("masks", "1");
    else asked.delete("masks");
    history.replaceState(null, "", asked.size ? `?${asked}` : location.pathname);
    this.bringIn();
  }

  async bringIn() {
    const { about } = this;
    this.say();
    this.picture.soon();
    if (!this.isWanted || about.no_masks || this.shown?.key === keyOf(about)) return;
    try {
      const found = await ask(`frames/${about.id}/masks`);
      if (keyOf(about) !== keyOf(this.about)) return;
      this.shown = { key: keyOf(about), outlines: new Outlines(found) };
    } catch (problem) {
      if (keyOf(about) !== keyOf(this.about)) return;
      this.trouble = problem.message;
    }
    this.say();
    this.picture.soon();
  }

  get reason() {
    if (this.about.no_masks) return this.about.no_masks;
    return this.countedH === null ? "" : `Masks are those of the cells at h ${this.countedH.toFixed(3)}, as counted.`;
  }

  say() {
    const { reason } = this;
    this.toggle.disabled = Boolean(reason);
    this.toggle.checked = this.isWanted && !reason;
    this.why.textContent = reason || this.trouble || (this.isWanted ? LEGEND : "");
  }

  draw(paint) {
    const isOf = this.shown && this.about && this.shown.key === keyOf(this.about) && this.about.id === this.picture.frame;
    if (!isOf || !this.toggle.checked) return;
    if (!this.shown.outlines.draw(paint, this.picture)) this.picture.soon();
  }
}

const keyOf = (about) => `${about.id}/${about.analysis_id}`;

class Outlines {
  constructor({ y, x, n_points, cell, bright_rounded }) {
    this.y = floats(y);
    this.x = floats(x);
    const bright = new Set(bright_rounded);
    this.buckets = new Map();
    this.tiles = new Map();
    this.turn = 0;
    let first = 0;
    for (let i = 0; i < n_points.length; i++) {
      this.put({ first, last: first + n_points[i], kind: bright.has(cell[i]) ? "bright" : "plain" });
      first += n_points[i];
    }
  }

  put(outline) {
    const at = [this.y, this.x].map((axis) => Math.floor(axis[outline.first] / BUCKET_PX));
    const key = at.join("/");
    if (!this.buckets.has(key)) this.buckets.set(key, { outlines: [], paths: new Map(), box: [Infinity, Infinity, -Infinity, -Infinity] });
    const bucket = this.buckets.get(key);
    bucket.outlines.push(outline);
    const { box } = bucket;
    for (let i = outline.first; i < outline.last; i++) {
      box[0] = Math.min(box[0], this.y[i]);
      box[1] = Math.min(box[1], this.x[i]);
      box[2] = Math.max(box[2], this.y[i] + 1);
      box[3] = Math.max(box[3], this.x[i] + 1);
    }
  }

  // Gives whether all of it is there; what is not comes with the next turns.
  draw(paint, picture) {
    const ratio = devicePixelRatio || 1;
    const { clientHeight, clientWidth } = picture.canvas;
    const box = [-picture.top, -picture.left, clientHeight - picture.top, clientWidth - picture.left].map((edge) => edge / picture.scale);
    const scale = picture.scale * ratio;
    paint.save();
    paint.translate(picture.left, picture.top);
    paint.scale(picture.scale, picture.scale);
    const isAll = scale >= 1 ? this.drawLines(paint, box, 0, 1.25 / picture.scale) : this.drawTiles(paint, box, Math.floor(Math.log2(1 / scale) + 0.01));
    paint.restore();
    return isAll;
  }

  drawLines(paint, box, level, width) {
    for (const bucket of this.bucketsIn(box)) this.strokeBucket(paint, bucket, level, width);
    return true;
  }

  drawTiles(paint, [top, left, bottom, right], level) {
    const side = TILE_PX * 2 ** level;
    const until = performance.now() + BUDGET_MS;
    let isAll = true;
    this.turn += 1;
    for (let row = Math.max(0, Math.floor(top / side)); row * side < bottom; row++) {
      for (let column = Math.max(0, Math.floor(left / side)); column * side < right; column++) {
        const tile = this.tileAt(level, row, column);
        this.fill(tile, level, until);
        isAll &&= !tile.waiting.length;
        if (tile.canvas) paint.drawImage(tile.canvas, column * side, row * side, side, side);
      }
    }
    this.forget();
    return isAll;
  }

  tileAt(level, row, column) {
    const key = `${level}/${row}/${column}`;
    const known = this.tiles.get(key);
    this.tiles.delete(key);
    const tile = known ?? this.emptyTile(level, row, column);
    tile.turn = this.turn;
    // What was used last stands last.
    this.tiles.set(key, tile);
    return tile;
  }

  emptyTile(level, row, column) {
    const [side, reach] = [TILE_PX * 2 ** level, 4 * 2 ** level];
    const [top, left] = [row * side, column * side];
    return { canvas: null, top, left, waiting: this.bucketsIn([top - reach, left - reach, top + side + reach, left + side + reach]) };
  }

  forget() {
    for (const [key, tile] of this.tiles) {
      if (this.tiles.size <= MOST_TILES || tile.turn === this.turn) return;
      this.tiles.delete(key);
    }
  }

  fill(tile, level, until) {
    while (tile.waiting.length && performance.now() < until) {
      tile.canvas ??= new OffscreenCanvas(TILE_PX, TILE_PX);
      const paint = tile.canvas.getContext("2d");
      paint.setTransform(2 ** -level, 0, 0, 2 ** -level, -tile.left * 2 ** -level, -tile.top * 2 ** -level);
      this.strokeBucket(paint, tile.waiting.pop(), level, 1.6 * 2 ** level);
    }
  }

  bucketsIn([top, left, bottom, right]) {
    return [...this.buckets.values()].filter(({ box }) => box[0] <= bottom && box[1] <= right && box[2] >= top && box[3] >= left);
  }

  strokeBucket(paint, bucket, level, width) {
    if (!bucket.paths.has(level)) bucket.paths.set(level, this.pathsOf(bucket, level));
    paint.lineJoin = "round";
    for (const { name, colour, dash } of KINDS) {
      const path = bucket.paths.get(level)[name];
      if (!path) continue;
      paint.setLineDash([]);
      paint.strokeStyle = "rgb(0 0 0 / .6)";
      paint.lineWidth = 2.2 * width;
      paint.stroke(path);
      paint.setLineDash(dash.map((length) => length * width));
      paint.strokeStyle = colour;
      paint.lineWidth = width;
      paint.stroke(path);
    }
  }

  // From afar every second, fourth ... corner is enough.
  pathsOf(bucket, level) {
    const paths = {};
    for (const { first, last, kind } of bucket.outlines) {
      const path = (paths[kind] ??= new Path2D());
      const step = Math.max(1, Math.min(2 ** level, Math.floor((last - first) / 8)));
      path.moveTo(this.x[first] + 0.5, this.y[first] + 0.5);
      for (let i = first + step; i < last; i += step) path.lineTo(this.x[i] + 0.5, this.y[i] + 0.5);
      path.closePath();
    }
    return paths;
  }
}
