// A frame's pixels on a canvas: tiles of uint16 through a look-up table, pan, zoom, and marks above.
const MOST_TILES = 120;
const CLOSEST = 16;

export class Picture {
  constructor(canvas, { drawMarks, onTrouble }) {
    this.canvas = canvas;
    this.drawMarks = drawMarks;
    this.onTrouble = onTrouble;
    this.tiles = new Map();
    this.table = new Uint8ClampedArray(65536);
    this.tableNumber = 0;
    this.image = null;
    this.frame = null;
    this.scale = 1;
    this.left = 0;
    this.top = 0;
    this.isFitted = true;
    this.isDue = false;
    new ResizeObserver(() => { if (this.isFitted) this.fit(); else this.soon(); }).observe(canvas);
  }

  get size() {
    return this.image ? { height: this.image.levels[0][0], width: this.image.levels[0][1] } : null;
  }

  // Loads the coarsest level, then takes the place of what is shown: no flicker between frames.
  async show(frame, image) {
    const last = image.levels.length - 1;
    await Promise.all(tilesOf(image, last).map(([row, column]) => this.load(frame, image, last, row, column)));
    return () => {
      const isSame = this.size && this.size.height === image.levels[0][0] && this.size.width === image.levels[0][1];
      this.frame = frame;
      this.image = image;
      if (isSame) this.soon();
      else this.fit();
    };
  }

  // Where the pixels cannot be had, the cells still lie on an empty ground of the frame's size.
  showNone(frame, height, width) {
    const isSame = this.size && this.size.height === height && this.size.width === width;
    this.frame = frame;
    this.image = { levels: [[height, width]], tile_px: 512, isEmpty: true };
    if (isSame) this.soon();
    else this.fit();
  }

  setContrast(low, high) {
    const span = Math.max(1, high - low);
    for (let value = 0; value < 65536; value++) this.table[value] = (255 * (value - low)) / span;
    this.tableNumber += 1;
    this.soon();
  }

  fit() {
    this.isFitted = true;
    const { clientWidth, clientHeight } = this.canvas;
    if (!this.size || !clientWidth) return;
    const { height, width } = this.size;
    this.scale = Math.min(clientWidth / width, clientHeight / height);
    this.left = (clientWidth - width * this.scale) / 2;
    this.top = (clientHeight - height * this.scale) / 2;
    this.soon();
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    if (!this.size) return;
    const least = Math.min(1, 64 / Math.max(this.size.height, this.size.width));
    const scale = Math.min(CLOSEST, Math.max(least, this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.isFitted = false;
    this.soon();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.isFitted = false;
    this.soon();
  }

  // Centres are those of pixels: (0, 0) is the middle of the upper left one.
  toScreen(y, x) {
    return [this.left + (x + 0.5) * this.scale, this.top + (y + 0.5) * this.scale];
  }

  toFrame(screenX, screenY) {
    return { y: (screenY - this.top) / this.scale - 0.5, x: (screenX - this.left) / this.scale - 0.5 };
  }

  soon() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => { this.isDue = false; this.draw(); });
  }

  draw() {
    const { canvas } = this;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const paint = canvas.getContext("2d");
    paint.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    if (!this.image) return;
    if (!this.image.isEmpty) {
      const coarsest = this.image.levels.length - 1;
      const wanted = Math.min(coarsest, Math.max(0, Math.floor(Math.log2(1 / (this.scale * ratio)) + 0.01)));
      this.drawLevel(paint, coarsest);
      if (wanted !== coarsest) this.drawLevel(paint, wanted);
    }
    this.drawMarks(paint, this);
  }

  drawLevel(paint, level) {
    const { image, scale } = this;
    const side = image.tile_px * 2 ** level * scale;
    // The last pixel of a coarse level may stand for less than it covers.
    const [frameHeight, frameWidth] = image.levels[0];
    paint.save();
    paint.beginPath();
    paint.rect(this.left, this.top, frameWidth * scale, frameHeight * scale);
    paint.clip();
    paint.imageSmoothingEnabled = scale * 2 ** level < 2;
    for (const [row, column] of tilesOf(image, level)) {
      const [x, y] = [this.left + column * side, this.top + row * side];
      if (x > this.canvas.clientWidth || y > this.canvas.clientHeight || x + side < 0 || y + side < 0) continue;
      const tile = this.tiles.get(keyOf(this.frame, level, row, column));
      if (!tile) {
        this.load(this.frame, image, level, row, column).then(() => this.soon(), this.onTrouble);
        continue;
      }
      if (!tile.canvas) continue;
      this.develop(tile);
      paint.drawImage(tile.canvas, x, y, tile.width * 2 ** level * scale, tile.height * 2 ** level * scale);
    }
    paint.restore();
  }

  // Values to grey, anew only where the table has changed since.
  develop(tile) {
    tile.usedAt = performance.now();
    if (tile.tableNumber === this.tableNumber) return;
    tile.tableNumber = this.tableNumber;
    const pixels = new Uint32Array(tile.values.length);
    for (let i = 0; i < pixels.length; i++) {
      const grey = this.table[tile.values[i]];
      pixels[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
    const data = new ImageData(new Uint8ClampedArray(pixels.buffer), tile.width, tile.height);
    tile.canvas.getContext("2d").putImageData(data, 0, 0);
  }

  async load(frame, image, level, row, column) {
    const key = keyOf(frame, level, row, column);
    const known = this.tiles.get(key);
    if (known) return known.loading;
    const [height, width] = image.levels[level].map((length, i) => Math.min(image.tile_px, length - [row, column][i] * image.tile_px));
    const tile = { canvas: null, width, height, tableNumber: -1, usedAt: performance.now() };
    this.tiles.set(key, tile);
    this.forget();
    tile.loading = fetchTile(frame, image, level, row, column).then((values) => {
      tile.values = values;
      tile.canvas = new OffscreenCanvas(width, height);
    });
    try {
      await tile.loading;
    } catch (problem) {
      this.tiles.delete(key);
      throw problem;
    }
  }

  forget() {
    if (this.tiles.size <= MOST_TILES) return;
    const oldest = [...this.tiles].filter(([, tile]) => tile.canvas).sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [key] of oldest.slice(0, this.tiles.size - MOST_TILES)) this.tiles.delete(key);
  }
}

function keyOf(frame, level, row, column) {
  return `${frame}/${level}/${row}/${column}`;
}

function tilesOf(image, level) {
  const [rows, columns] = image.levels[level].map((length) => Math.ceil(length / image.tile_px));
  return Array.from({ length: rows * columns }, (_, i) => [Math.floor(i / columns), i % columns]);
}

async function fetchTile(frame, image, level, row, column) {
  const answer = await fetch(`/api/v1/frames/${frame}/tiles/${level}/${row}/${column}?content=${image.content_hash}`);
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Error([said.detail ?? "The frame cannot be shown", said.hint].filter(Boolean).join(". "));
  }
  return new Uint16Array(await answer.arrayBuffer());
}
