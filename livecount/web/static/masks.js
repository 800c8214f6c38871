// The outlines of cells, in tiles of ever coarser levels like the picture beneath: each is drawn once
// and a little at a time, so that moving stays fluid.
import { ask, floats, worded } from "/static/api.js";

const BUCKET_PX = 256;
const TILE_PX = 512;
const MOST_TILES = 64;
const LINE_PX = 1.6;
// So many corners at a time: browsers draw later than they are told to, so that a clock says nothing.
const MOST_CORNERS = 8000;
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
    this.why.replaceChildren(...worded(reason || this.trouble || (this.isWanted ? LEGEND : "")));
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
    if (!this.buckets.has(key)) this.buckets.set(key, { outlines: [], corners: 0, paths: new Map(), box: [Infinity, Infinity, -Infinity, -Infinity] });
    const bucket = this.buckets.get(key);
    bucket.outlines.push(outline);
    bucket.corners += outline.last - outline.first;
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
    const isAll = this.drawTiles(paint, box, Math.floor(Math.log2(1 / scale) + 0.01));
    paint.restore();
    return isAll;
  }

  drawTiles(paint, [top, left, bottom, right], level) {
    const side = TILE_PX * 2 ** level;
    let isAll = true;
    this.turn += 1;
    this.left = MOST_CORNERS;
    for (let row = Math.max(0, Math.floor(top / side)); row * side < bottom; row++) {
      for (let column = Math.max(0, Math.floor(left / side)); column * side < right; column++) {
        const tile = this.tileAt(level, row, column);
        this.fill(tile, level);
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

  fill(tile, level) {
    while (tile.waiting.length && this.left > 0) {
      tile.canvas ??= new OffscreenCanvas(TILE_PX, TILE_PX);
      const paint = tile.canvas.getContext("2d");
      paint.setTransform(2 ** -level, 0, 0, 2 ** -level, -tile.left * 2 ** -level, -tile.top * 2 ** -level);
      const bucket = tile.waiting.pop();
      this.left -= bucket.corners / 2 ** Math.max(0, level);
      this.strokeBucket(paint, bucket, level);
    }
  }

  bucketsIn([top, left, bottom, right]) {
    return [...this.buckets.values()].filter(({ box }) => box[0] <= bottom && box[1] <= right && box[2] >= top && box[3] >= left);
  }

  strokeBucket(paint, bucket, level) {
    const width = LINE_PX * 2 ** level;
    const detail = Math.max(0, level);
    if (!bucket.paths.has(detail)) bucket.paths.set(detail, this.pathsOf(bucket, detail));
    paint.lineJoin = "round";
    for (const { name, colour, dash } of KINDS) {
      const path = bucket.paths.get(detail)[name];
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
  pathsOf(bucket, detail) {
    const paths = {};
    for (const { first, last, kind } of bucket.outlines) {
      const path = (paths[kind] ??= new Path2D());
      const step = Math.max(1, Math.min(2 ** detail, Math.floor((last - first) / 8)));
      path.moveTo(this.x[first] + 0.5, this.y[first] + 0.5);
      for (let i = first + step; i < last; i += step) path.lineTo(this.x[i] + 0.5, this.y[i] + 0.5);
      path.closePath();
    }
    return paths;
  }
}
