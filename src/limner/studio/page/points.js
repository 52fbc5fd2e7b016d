// The points of a map: where they lie, what they are, and their images, as tiles of sheets that load when needed.
import { count, fillPixels, h } from "./kit.js";

const SHEET_COLUMNS = 40;

// The corners of a selected area, "x,y;x,y;..."; null for none, and for a class.
export const corners = (area) => (area && !area.startsWith("class:") ? area.split(";").map((pair) => pair.split(",").map(Number)) : null);

function isInside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i], [bx, by] = polygon[j];
    if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

export class Points {
  // base: the address of the map; info: what the studio says of it; split: "test" or "train"
  constructor(base, info, split) {
    Object.assign(this, info, { base, split, total: info.points, sheets: new Map(), shadeCanvas: null });
  }

  // Where a method puts them: a header of JSON, then numbers of four bytes.
  read(buffer, method) {
    this.method = method;
    const { total } = this, length = new DataView(buffer).getUint32(0, true), at = 4 + length;
    this.layout = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))); // notes, axes, inverse, density, kept
    this.xy = new Float32Array(buffer, at, 2 * total);
    this.index = new Int32Array(buffer, at + 8 * total, total);
    this.label = new Int32Array(buffer, at + 12 * total, total);
    const { density } = this.layout;
    if (density) density.values = new Float32Array(buffer, at + 16 * total, density.side ** 2);
    this.shadeCanvas = null;
  }

  // ---- what they are
  kind(i) {
    return i < this.real ? "real" : "generated";
  }

  isReal(i) {
    return i < this.real;
  }

  className(i) {
    return this.classes[this.label[i]] ?? "";
  }

  name(i) {
    if (!this.isReal(i)) return `sample of seed ${this.index[i]}`;
    return `${this.split === "test" ? "test" : "training"} image ${count(this.index[i])}`;
  }

  // What a point counts as: its label, and whether it is real.
  keys(i) {
    return [`${this.label[i]}`, this.kind(i)];
  }

  // How many points there are of each key.
  tally(indices, keys) {
    const total = new Map();
    for (const i of indices) for (const key of keys(i)) total.set(key, (total.get(key) ?? 0) + 1);
    return total;
  }

  // ---- where they lie
  get bounds() {
    const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
    this.xy.forEach((v, i) => {
      low[i % 2] = Math.min(low[i % 2], v);
      high[i % 2] = Math.max(high[i % 2], v);
    });
    return { low, high };
  }

  nearest(x, y, visible) {
    const { xy, total } = this;
    let best = -1, least = Infinity;
    for (let i = 0; i < total; i++) {
      const d = visible[i] ? (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2 : Infinity;
      if (d < least) [best, least] = [i, d];
    }
    return best;
  }

  visible(hidden) {
    return Uint8Array.from({ length: this.total }, (_, i) => !this.keys(i).some((key) => hidden.has(key)));
  }

  // The visible points of an area; null for none.
  within(area, visible) {
    if (!area) return null;
    const polygon = corners(area), key = area.slice(6);
    const belongs = polygon ? (i) => isInside(polygon, this.xy[2 * i], this.xy[2 * i + 1]) : (i) => this.keys(i).includes(key);
    return Array.from({ length: this.total }, (_, i) => i).filter((i) => visible[i] && belongs(i));
  }

  isOff(x, y) {
    const { low, high, side, values, edge } = this.layout.density;
    const [a, b] = [x, y].map((v, k) => Math.floor((v - low[k]) / (high[k] - low[k]) * side));
    return a < 0 || b < 0 || a >= side || b >= side || values[b * side + a] < edge;
  }

  // The density of the points as a canvas, grey where they are few.
  get shade() {
    const { side, values, edge } = this.layout.density;
    if (!this.shadeCanvas) {
      this.shadeCanvas = fillPixels(h("canvas", { width: side, height: side }), (data) => values.forEach((v, k) => {
        const at = 4 * ((side - 1 - Math.floor(k / side)) * side + k % side);
        data.fill(128, at, at + 3);
        data[at + 3] = 255 * 0.3 * (1 - Math.min(1, v / edge));
      }));
    }
    return this.shadeCanvas;
  }

  // ---- their images
  // A sheet of tiles; null until it has come, when `then` is called.
  sheet(part, then) {
    if (!this.sheets.has(part)) {
      const entry = { image: new Image(), isReady: false, waiting: new Set() };
      entry.image.onload = () => {
        entry.isReady = true;
        for (const call of entry.waiting) call();
        entry.waiting.clear();
      };
      entry.image.src = `${this.base}/sheets/${part}.png`;
      this.sheets.set(part, entry);
    }
    const entry = this.sheets.get(part);
    if (entry.isReady) return entry.image;
    if (then) entry.waiting.add(then);
    return null;
  }

  // Draw the tile of a point; `then` is called where it has to be drawn again, when it has come.
  drawTile(context, i, x, y, wide, high, then) {
    const image = this.sheet(Math.floor(i / this.tiles), then);
    if (!image) return;
    const [w, t] = this.tile, k = i % this.tiles;
    context.drawImage(image, k % SHEET_COLUMNS * w, Math.floor(k / SHEET_COLUMNS) * t, w, t, x, y, wide, high);
  }

  // Tiles in rows, as a canvas.
  contact(indices, columns, properties = {}) {
    const [w, t] = this.tile;
    const node = h("canvas.pixels", { width: columns * w, height: Math.max(1, Math.ceil(indices.length / columns)) * t, ...properties });
    const draw = () => indices.forEach((i, k) => this.drawTile(node.getContext("2d"), i, k % columns * w, Math.floor(k / columns) * t, w, t, draw));
    draw();
    return node;
  }
}
