// The plot of a map: its view, its drawing, and the image under the pointer, decoded where there is none.
import { ask, clamp, decoder, h, paint, state } from "./kit.js";
import { listenTo } from "./gestures.js";
import { trace } from "./marks.js";
import { corners } from "./points.js";

const SIZES = { points: [4, 6, 8, 11, 15], images: [16, 24, 32, 44, 60] };
const CELL = 16; // pixels of a cell of the grid that finds what is under the pointer, at least
const NONE = -1, BETWEEN = -2; // instead of the number of a point
const HELP = "Map. Arrows move a cursor, Enter selects, plus and minus zoom, 0 shows the whole map, L draws a lasso with the pointer, R places a rectangle.";

export class Plot {
  // labels: the classes that the decoder knows; markOf: shape and colour of a point
  constructor(model, marks, labels, markOf) {
    Object.assign(this, { ...state(model), marks, labels, markOf });
    this.points = this.chosen = this.neighbours = this.cursor = this.path = this.frame = null;
    this.visible = new Uint8Array();
    this.hovered = NONE;
    this.redraw = this.redraw.bind(this);
    this.canvas = h("canvas.marks");
    this.overlay = h("canvas.overlay");
    this.face = h("canvas.pixels");
    this.words = h("span");
    this.where = h("span.count");
    this.card = h("div.hover", { hidden: true }, this.face, this.words, this.where);
    this.node = h("div.plot", { tabIndex: 0, role: "application", ariaLabel: HELP }, this.canvas, this.overlay, this.card);
    this.spoken = h("p.spoken", { ariaLive: "polite" });
    this.decoder = decoder(model, {
      shown: (image, number) => {
        if (this.hovered !== BETWEEN) return;
        paint(this.face, image);
        this.face.dataset.number = number;
      },
      failed: (text) => { this.where.textContent = text; },
    });
    this.watcher = new ResizeObserver(() => this.measure());
    this.watcher.observe(this.node);
    listenTo(this);
  }

  close() {
    this.watcher.disconnect();
    clearTimeout(this.fullTimer);
    clearTimeout(this.speakTimer);
  }

  // ---- what is shown
  setPoints(points) {
    Object.assign(this, { points, neighbours: null });
    this.measure();
    this.leave();
  }

  select(visible, chosen) {
    Object.assign(this, { visible, chosen: chosen && new Set(chosen), cells: null });
    this.redraw();
  }

  // Marks have another size or colour.
  restyle() {
    this.marks.forget();
    this.cells = null;
    this.redraw();
  }

  get size() {
    return SIZES[this.showsImages ? "images" : "points"][this.whole("size", 2, 1, 5) - 1];
  }

  get showsImages() {
    return this.get("show") === "images";
  }

  get selected() {
    const text = this.get("at");
    return this.points && /^\d+$/.test(text) && +text < this.points.total ? +text : NONE;
  }

  // ---- the view
  measure() {
    const box = this.node.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    const [wide, high] = [this.wide, this.high] = [Math.round(box.width) - 2, Math.round(box.height) - 2];
    for (const each of [this.canvas, this.overlay]) {
      Object.assign(each, { width: wide * ratio, height: high * ratio });
      each.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.marks.forget();
    if (!this.points) return;
    const { low, high: top } = this.points.bounds, [middleX, middleY] = [0, 1].map((k) => (low[k] + top[k]) / 2);
    const spans = [0, 1].map((k) => Math.max(top[k] - low[k], 1e-9 + Math.abs(top[k]) * 1e-6)), least = Math.max(...spans) * 1e-3;
    this.fit = { x: middleX, y: middleY, scale: 0.92 * Math.min(wide / Math.max(spans[0], least), high / Math.max(spans[1], least)) };
    this.readView();
  }

  readView() {
    if (!this.points) return;
    const [x, y, zoom] = this.get("view").split(",").map(Number);
    this.view = zoom > 0 && Number.isFinite(x + y + zoom) ? { x, y, zoom: clampZoom(zoom) } : { x: this.fit.x, y: this.fit.y, zoom: 1 };
    this.cells = null;
    this.redraw();
  }

  get scale() {
    return this.fit.scale * this.view.zoom;
  }

  toScreen(x, y) {
    return [this.wide / 2 + (x - this.view.x) * this.scale, this.high / 2 - (y - this.view.y) * this.scale];
  }

  screenOf(i) {
    return this.toScreen(this.points.xy[2 * i], this.points.xy[2 * i + 1]);
  }

  // The place of the map under one of the screen, in some view.
  toMap(px, py, view = this.view) {
    const scale = this.fit.scale * view.zoom;
    return [view.x + (px - this.wide / 2) / scale, view.y - (py - this.high / 2) / scale];
  }

  // The view in which a place of the map lies at one of the screen.
  moveTo([x, y], px, py, zoom = this.view.zoom) {
    const z = clampZoom(zoom), scale = this.fit.scale * z;
    const middle = [x - (px - this.wide / 2) / scale, y + (py - this.high / 2) / scale];
    this.change({ view: [...middle.map((v) => +v.toPrecision(6)), +z.toPrecision(4)].join(",") });
  }

  zoomAt(factor, px = this.wide / 2, py = this.high / 2) {
    if (this.points) this.moveTo(this.toMap(px, py), px, py, this.view.zoom * factor);
  }

  isOutside(x, y, margin) {
    return x < -margin || y < -margin || x > this.wide + margin || y > this.high + margin;
  }

  // ---- drawing
  redraw() {
    if (this.isQueued || !this.points) return;
    this.isQueued = true;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.isQueued = false;
    const { points, canvas, chosen, size, showsImages, wide, high } = this, context = canvas.getContext("2d"), ratio = devicePixelRatio || 1;
    const isFree = spacer(size), tiles = []; // over all marks
    context.clearRect(0, 0, wide, high);
    if (points.layout.density) this.drawShade(context);
    let drawn = 0;
    for (let i = 0; i < points.total; i++) {
      if (!this.visible[i]) continue;
      const [x, y] = this.screenOf(i);
      if (this.isOutside(x, y, size)) continue;
      drawn++;
      const [shape, colour] = this.markOf(i), alpha = chosen && !chosen.has(i) ? 0.22 : 1;
      context.globalAlpha = alpha;
      if (showsImages && isFree(x, y)) tiles.push([i, x, y, colour, alpha]);
      else if (showsImages) {
        context.fillStyle = colour;
        context.fillRect(x - 1.5, y - 1.5, 3, 3);
      } else {
        const mark = this.marks.glyph(shape, colour, size), side = mark.width / ratio;
        context.drawImage(mark, x - side / 2, y - side / 2, side, side);
      }
    }
    this.drawTiles(context, tiles, size);
    context.globalAlpha = 1;
    Object.assign(canvas.dataset, { drawn, map: `${points.map} ${points.method}` });
    this.drawOverlay();
  }

  drawTiles(context, tiles, size) {
    const { points } = this;
    context.imageSmoothingEnabled = tiles.length > 0 && points.tile[0] > size;
    context.lineWidth = 3;
    for (const [i, x, y, colour, alpha] of tiles) {
      context.globalAlpha = alpha;
      context.strokeStyle = colour;
      context.setLineDash(points.isReal(i) ? [] : [4, 3]);
      context.strokeRect(x - size / 2 - 1, y - size / 2 - 1, size + 2, size + 2);
      points.drawTile(context, i, x - size / 2, y - size / 2, size, size, this.redraw);
    }
    context.setLineDash([]);
  }

  drawShade(context) {
    const { low, high } = this.points.layout.density, { wide } = this;
    const [left, bottom, right, top] = [...this.toScreen(...low), ...this.toScreen(...high)].map(Math.round);
    context.imageSmoothingEnabled = true;
    context.fillStyle = "rgba(128, 128, 128, 0.3)";
    context.beginPath();
    context.rect(0, 0, wide, this.high);
    context.rect(left, top, right - left, bottom - top);
    context.fill("evenodd");
    context.drawImage(this.points.shade, left, top, right - left, bottom - top);
  }

  // Rings, the selected area, and the cursor of the keyboard.
  drawOverlay() {
    if (!this.points) return;
    const context = this.overlay.getContext("2d"), { selected, neighbours, cursor } = this, { ink } = this.marks.colours;
    context.clearRect(0, 0, this.wide, this.high);
    if (neighbours?.point === selected) {
      for (const [i] of neighbours.features) this.ring(context, i, 1.5);
      for (const [i] of neighbours.pixels) this.ring(context, i, 1.5, [2, 2]);
    }
    if (selected >= 0) this.ring(context, selected, 3.5);
    if (this.hovered >= 0) this.ring(context, this.hovered, 2);
    context.strokeStyle = ink;
    const area = this.path ?? (this.frame ? this.frameCorners : corners(this.get("area"))?.map((place) => this.toScreen(...place)));
    if (area) {
      context.setLineDash(this.frame ? [6, 4] : []);
      context.lineWidth = 1.5;
      trace(context, area);
      context.stroke();
      context.setLineDash([]);
    }
    if (!cursor || document.activeElement !== this.node) return;
    context.lineWidth = 1;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(cursor.x + 3 * dx, cursor.y + 3 * dy);
      context.lineTo(cursor.x + 10 * dx, cursor.y + 10 * dy);
    }
    context.stroke();
  }

  ring(context, i, width, dash = []) {
    const [x, y] = this.screenOf(i), { size, showsImages } = this, { panel, ink } = this.marks.colours;
    context.setLineDash(dash);
    for (const [strokeStyle, lineWidth] of [[panel, width + 2], [ink, width]]) {
      Object.assign(context, { strokeStyle, lineWidth });
      context.beginPath();
      if (showsImages) context.rect(x - size / 2 - 3, y - size / 2 - 3, size + 6, size + 6);
      else context.arc(x, y, size / 2 + 4, 0, 7);
      context.stroke();
    }
    context.setLineDash([]);
  }

  // ---- under the pointer
  // The points in cells of the screen, until the view or what is visible changes.
  get grid() {
    if (this.cells) return this.cells;
    const side = Math.max(CELL, this.showsImages ? this.size : 0), columns = Math.ceil(this.wide / side) + 2, lists = new Map();
    for (let i = 0; i < this.points.total; i++) {
      if (!this.visible[i]) continue;
      const [x, y] = this.screenOf(i);
      if (this.isOutside(x, y, side)) continue;
      const key = (Math.floor(y / side) + 1) * columns + Math.floor(x / side) + 1;
      if (lists.has(key)) lists.get(key).push(i);
      else lists.set(key, [i]);
    }
    this.cells = { side, columns, lists };
    return this.cells;
  }

  hit(px, py) {
    const { side, columns, lists } = this.grid, [cx, cy] = [Math.floor(px / side) + 1, Math.floor(py / side) + 1];
    let best = NONE, least = Math.max(7, this.size / 2 + 1);
    for (let b = cy - 1; b <= cy + 1; b++) for (let a = cx - 1; a <= cx + 1; a++) for (const i of lists.get(b * columns + a) ?? []) {
      const [x, y] = this.screenOf(i), d = Math.max(Math.abs(x - px), Math.abs(y - py));
      if (d <= least) [best, least] = [i, d];
    }
    return best;
  }

  hover(px, py) {
    if (!this.points) return;
    const i = this.hit(px, py), [x, y] = this.toMap(px, py), closest = i >= 0 ? i : this.points.nearest(x, y, this.visible);
    if (closest < 0) {
      this.leave();
      return;
    }
    if (i < 0 && this.points.layout.inverse) this.showPlace(x, y, closest, px, py);
    else this.showPoint(closest, px, py, i < 0 ? "the nearest image" : "");
    this.drawOverlay();
  }

  showPoint(i, px, py, remark) {
    const { points, face } = this;
    clearTimeout(this.fullTimer);
    if (this.hovered !== i) {
      this.hovered = i;
      [face.width, face.height] = points.tile;
      const draw = () => this.points === points && this.hovered === i && points.drawTile(face.getContext("2d"), i, 0, 0, ...points.tile, draw);
      draw();
    }
    if (points.tile[0] < points.size[0]) this.fullTimer = setTimeout(() => this.showWhole(i), 150);
    this.placeCard(px, py, points.kind(i), [points.className(i), points.name(i)].filter(Boolean).join(" · "), remark);
  }

  // The image itself, where a tile is smaller.
  async showWhole(i) {
    const { points, face } = this, file = await ask(`${points.base}/images/${i}.png`);
    if (file.error) return;
    const image = await createImageBitmap(file);
    if (this.points !== points || this.hovered !== i) return;
    [face.width, face.height] = points.size;
    face.getContext("2d").drawImage(image, 0, 0);
  }

  // What the decoder makes of a place between points, with the class of the nearest.
  showPlace(x, y, closest, px, py) {
    const { mean, components } = this.points.layout.inverse, label = this.points.className(closest);
    const place = { base: "code", code: mean.map((v, k) => v + x * components[0][k] + y * components[1][k]) };
    if (this.labels.includes(label)) place.label = label;
    if (this.hovered !== BETWEEN) [this.face.width, this.face.height] = [1, 1];
    this.hovered = BETWEEN;
    clearTimeout(this.fullTimer);
    this.decoder.want(place);
    this.placeCard(px, py, "generated", `decoded at ${x.toFixed(2)}, ${y.toFixed(2)}${place.label ? ` as ${label}` : ""}`,
      this.points.isOff(x, y) ? "off the data" : "among the data");
  }

  placeCard(px, py, kind, text, remark) {
    const { card, wide, high } = this, [w, t] = wide < 500 ? [124, 138] : [164, 186]; // as in map.css, with a gap
    const left = px + 16 + w < wide ? px + 16 : px - 12 - w;
    card.hidden = false;
    card.className = `hover ${kind}`;
    this.words.textContent = text;
    this.where.textContent = remark;
    card.style.transform = `translate(${clamp(left, 4, Math.max(4, wide - w))}px, ${clamp(py - 60, 4, Math.max(4, high - t))}px)`;
    clearTimeout(this.speakTimer);
    this.speakTimer = setTimeout(() => { this.spoken.textContent = `${text}, ${remark}`; }, 400);
  }

  leave() {
    this.hovered = NONE;
    this.decoder.drop();
    clearTimeout(this.fullTimer);
    clearTimeout(this.speakTimer);
    this.card.hidden = true;
    this.drawOverlay();
  }

  // ---- areas
  get hasLasso() {
    return this.get("tool") === "lasso";
  }

  toggleLasso() {
    this.change({ tool: this.hasLasso ? "" : "lasso" });
  }

  get frameCorners() {
    const { x, y, w, h: t } = this.frame;
    return [[x, y], [x + w, y], [x + w, y + t], [x, y + t]];
  }

  placeFrame() {
    if (!this.points) return;
    const { wide, high } = this;
    this.frame = { x: wide * 0.35, y: high * 0.35, w: wide * 0.3, h: high * 0.3 };
    this.node.focus();
    this.spoken.textContent = "A rectangle in the middle. Arrows move it, Shift and arrows size it, Enter selects, Escape removes it.";
    this.drawOverlay();
  }

  selectArea(polygon) {
    this.frame = null;
    this.change({ area: polygon.map(([x, y]) => this.toMap(x, y).map((v) => +v.toPrecision(4)).join(",")).join(";") });
  }

  clear() {
    this.frame = null;
    this.change({ area: "" });
  }
}

const clampZoom = (zoom) => clamp(zoom, 0.2, 500);

// Whether an image of a size can be drawn at a place: no image covers another.
function spacer(size) {
  const taken = new Map();
  return (x, y) => {
    const [cx, cy] = [Math.floor(x / size), Math.floor(y / size)];
    for (let a = cx - 1; a <= cx + 1; a++) for (let b = cy - 1; b <= cy + 1; b++) for (const [ox, oy] of taken.get(a * 1e4 + b) ?? []) {
      if (Math.abs(ox - x) < size + 3 && Math.abs(oy - y) < size + 3) return false;
    }
    taken.set(cx * 1e4 + cy, [...(taken.get(cx * 1e4 + cy) ?? []), [x, y]]);
    return true;
  };
}
