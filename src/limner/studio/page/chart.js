// Curves over the images seen: those of a run, thin those of another, a cursor, and in the legend the values there.
import { count, h, shares, short } from "./kit.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 560, HEIGHT = 190, LEFT = 56, RIGHT = 548, TOP = 10, BOTTOM = 164; // of the picture, and of its plot
const MOST_POINTS = 600; // of a curve that is drawn

const s = (tag, attributes, ...children) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const shape = (kind, d) => s("path", { class: kind, d });
const label = (x, y, text, anchor = "end") => s("text", { x, y, "text-anchor": anchor }, text);

const series = (lines, key) => lines.filter((line) => typeof line[key] === "number").map((line) => [line.images, line[key]]);
const lastBefore = (points, at) => points.filter(([x]) => x <= at).pop()?.[1];

function thin(points) {
  const step = Math.ceil(points.length / MOST_POINTS);
  return step < 2 ? points : points.filter((_, i) => i % step === 0 || i === points.length - 1);
}

function ticks(low, high, n) {
  const raw = (high - low) / n || 1, size = 10 ** Math.floor(Math.log10(raw));
  const step = size * ([1, 2, 5, 10].find((m) => m * size >= raw) ?? 10);
  const values = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) values.push(+v.toPrecision(12));
  return values;
}

function compact(n) {
  const size = Math.abs(n);
  if (size >= 1e6) return `${+(n / 1e6).toPrecision(3)} M`;
  return size >= 1e4 ? `${+(n / 1e3).toPrecision(3)} k` : short(n);
}

// How points lie in the picture: x and y of numbers, the end of the x axis, and levels to be marked.
function scaleOf(points, mark) {
  const end = Math.max(...points.map(([x]) => x), 1), ys = points.map(([, y]) => y).concat(mark ?? []);
  let [low, high] = [Math.min(...ys), Math.max(...ys)];
  const isLog = low > 0 && high / low > 50;
  if (isLog) [low, high] = [Math.log10(low), Math.log10(high)];
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  [low, high] = [low - pad, high + pad];
  return {
    end, isLog,
    levels: isLog ? ticks(low, high, 3).filter(Number.isInteger).map((v) => 10 ** v) : ticks(low, high, 4),
    x: (v) => LEFT + (v / end) * (RIGHT - LEFT),
    y: (v) => BOTTOM - (((isLog ? Math.log10(v) : v) - low) / (high - low)) * (BOTTOM - TOP),
  };
}

function axes({ end, levels, x, y }, mark) {
  const across = ticks(0, end, matchMedia("(max-width: 720px)").matches ? 2 : 5);
  return [
    ...levels.flatMap((v) => [shape("grid", `M${LEFT} ${y(v)}H${RIGHT}`), label(LEFT - 6, y(v) + 3.5, compact(v))]),
    ...across.map((v, i) => {
      const isLast = i === across.length - 1;
      return label(Math.min(x(v), WIDTH - 4), HEIGHT - 8, compact(v) + (isLast ? " images" : ""), isLast || x(v) > WIDTH - 30 ? "end" : "middle");
    }),
    ...(mark === null ? [] : [shape("mark", `M${LEFT} ${y(mark)}H${RIGHT}`), label(RIGHT - 4, y(mark) - 4, short(mark))]),
  ];
}

// Real is a circle, generated a diamond, anything else a square.
function marker(kind, x, y) {
  if (kind.startsWith("generated")) return shape(`marker ${kind}`, `M${x} ${y - 4}l4 4l-4 4l-4 -4z`);
  if (kind.startsWith("real")) return s("circle", { cx: x, cy: y, r: 3.4, class: `marker ${kind}` });
  return s("rect", { x: x - 3, y: y - 3, width: 6, height: 6, class: `marker ${kind}` });
}

export class Chart {
  // panel: { title, note, curves: [{ key, name, kind }], mark, band }; seek: called with the images under a pointer
  constructor(panel, seek) {
    this.panel = panel;
    this.isStacked = panel.band && panel.curves.length > 1; // the second curve is a band on top of the first
    this.svg = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    this.svg.onpointerdown = this.svg.onpointermove = (event) => {
      if (event.buttons & 1) seek(((shares(event, this.svg)[0] * WIDTH - LEFT) / (RIGHT - LEFT)) * this.end);
    };
    this.scaleNote = h("span.scale");
    this.curves = panel.curves.map(({ key, name, kind }, i) => {
      const before = panel.curves.slice(0, i).some((each) => each.kind === kind);
      const style = kind === "other" ? `other-${i % 4}` : kind + (before ? " second" : "");
      return { key, name, style, value: h("output"), theirs: h("output.with") };
    });
    this.other = h("li.with");
    this.node = h("section.chart", h("h3", panel.title), h("p.note", panel.note, " ", this.scaleNote), this.svg,
      h("ul.legend", this.curves.map(({ name, style, value, theirs }) => {
        const key = s("svg", { viewBox: "0 0 26 10", class: "key", "aria-hidden": "true" }, shape(`line ${style}`, "M0 5H26"), marker(style, 13, 5));
        return h("li", key, h("span", name), value, theirs);
      }), this.other));
  }

  // The points of every curve; of a band those of its upper edge.
  points(lines) {
    const all = this.curves.map(({ key }) => series(lines, key));
    if (this.isStacked) {
      const base = new Map(all[0]);
      all[1] = all[1].filter(([x]) => base.has(x)).map(([x, y]) => [x, base.get(x) + y]);
    }
    return all;
  }

  // other: the name and the lines of a run that is drawn thin, or null
  draw(lines, at, other) {
    const all = this.points(lines), theirs = this.points(other?.lines ?? []), both = [...all, ...theirs].flat();
    if (!both.length) return;
    const { mark } = this.panel, scale = scaleOf(both, mark), { x, y } = scale;
    this.end = scale.end;
    this.scaleNote.textContent = scale.isLog ? "(logarithmic scale)" : "";
    const path = (points) => points.map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
    const parts = axes(scale, mark);
    if (this.isStacked) {
      const upper = thin(all[1]), lower = thin(all[0]).filter(([a]) => a >= upper[0]?.[0]);
      if (upper.length > 1) parts.push(shape("band", `${path(upper)}L${path(lower.reverse()).slice(1)}z`));
    }
    this.curves.forEach(({ style }, i) => {
      if (theirs[i].length) parts.push(shape(`line ${style} with`, path(thin(theirs[i]))));
      if (all[i].length) parts.push(shape(`line ${style}`, path(thin(all[i]))));
    });
    parts.push(shape("cursor", `M${x(Math.min(at, this.end))} ${TOP}V${BOTTOM}`));
    all.forEach((points, i) => {
      const [a, b] = points.filter(([images]) => images <= at).pop() ?? [];
      if (a !== undefined) parts.push(marker(this.curves[i].style, x(a), y(b)));
    });
    this.other.hidden = !other;
    this.other.textContent = !other ? "" : theirs.flat().length ? `thin, and right of the bar: ${other.name}` : `${other.name} has none of these curves`;
    this.svg.setAttribute("aria-label", `${this.panel.title} at ${count(at)} images: ${this.drawValues(lines, at, other).join(", ")}`);
    this.svg.replaceChildren(...parts);
  }

  // The values at a point of the run, in the legend; the same in words.
  drawValues(lines, at, other) {
    return this.curves.flatMap(({ key, name, value, theirs }) => {
      const own = lastBefore(series(lines, key), at), theirValue = other ? lastBefore(series(other.lines, key), at) : undefined;
      value.textContent = own === undefined ? "–" : short(own);
      theirs.hidden = theirValue === undefined;
      theirs.textContent = theirs.hidden ? "" : `| ${short(theirValue)}`;
      return own === undefined ? [] : `${name} ${short(own)}${theirs.hidden ? "" : `, ${other.name} ${short(theirValue)}`}`;
    });
  }
}
