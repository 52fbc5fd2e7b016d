// Marks of points: a shape and a colour for each class and for real and generated images, drawn once and kept.
import { h } from "./kit.js";

const UP = [[0, -1.1], [1.05, 0.8], [-1.05, 0.8]], DOWN = UP.map(([x, y]) => [x, -y]);
const SQUARE = [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]];
// 0 and 6 are circles; from 6 on a shape is hollow; samples are diamonds
const CORNERS = { 1: SQUARE, 2: UP, 3: DOWN, 7: SQUARE, 8: UP, 9: DOWN, diamond: [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]] };
const CROSSES = { 4: [1, 0], 5: [0.75, 0.75] };
const COLOURS = ["ink", "panel", "soft", "real", "generated", ...Array.from({ length: 10 }, (_, k) => `class-${k}`)];
export const SHAPES = 10;

export function trace(context, corners, r = 1) {
  context.beginPath();
  corners.forEach(([x, y], i) => (i ? context.lineTo(x * r, y * r) : context.moveTo(x * r, y * r)));
  context.closePath();
}

// A mark about (0, 0).
export function drawMark(context, shape, colour, r, edge) {
  context.lineJoin = "round";
  if (shape in CROSSES) {
    const [c, s] = CROSSES[shape];
    context.beginPath();
    for (const [x, y] of [[c, s], [-s, c]]) {
      context.moveTo(-x * r, -y * r);
      context.lineTo(x * r, y * r);
    }
  } else if (shape in CORNERS) trace(context, CORNERS[shape], r);
  else {
    context.beginPath();
    context.arc(0, 0, r, 0, 7);
  }
  if (shape >= 4) Object.assign(context, { strokeStyle: colour, lineWidth: Math.max(1.3, r / 2.4) });
  else {
    Object.assign(context, { fillStyle: colour, strokeStyle: edge, lineWidth: 0.6 });
    context.fill();
  }
  context.stroke();
}

export class Marks {
  constructor(el) {
    this.el = el;
    this.read();
  }

  // The colours of the style sheet, which are others in the dark.
  read() {
    const style = getComputedStyle(this.el);
    this.colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.forget();
  }

  forget() {
    this.glyphs = new Map();
  }

  // A mark as a picture in the pixels of the screen.
  glyph(shape, colour, size) {
    const key = `${shape} ${colour}`;
    if (!this.glyphs.has(key)) {
      const ratio = devicePixelRatio || 1, side = Math.ceil((size + 6) * ratio);
      const node = h("canvas", { width: side, height: side }), context = node.getContext("2d");
      context.translate(side / 2, side / 2);
      context.scale(ratio, ratio);
      drawMark(context, shape, colour, size / 2, this.colours.panel);
      this.glyphs.set(key, node);
    }
    return this.glyphs.get(key);
  }

  // A mark of a legend.
  sample(shape, colour) {
    const node = h("canvas.mark", { width: 28, height: 28 }), context = node.getContext("2d");
    context.translate(14, 14);
    drawMark(context, shape, colour, 8, this.colours.panel);
    return node;
  }
}
