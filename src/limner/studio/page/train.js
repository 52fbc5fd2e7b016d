// One run in training, or after it: pictures, curves and the doctor's word at one point of the run.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 560, HEIGHT = 190, LEFT = 56, RIGHT = 12, TOP = 10, BOTTOM = 26;
const MOST_POINTS = 600; // of a curve that is drawn

const h = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const s = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const count = (n) => n.toLocaleString("en");
const short = (n) => (Math.abs(n) >= 1e5 || (n && Math.abs(n) < 1e-3) ? n.toExponential(2) : `${+n.toPrecision(4)}`);

// ---- curves --------------------------------------------------------------------------------------------
function series(lines, key) {
  return lines.filter((line) => typeof line[key] === "number").map((line) => [line.images, line[key]]);
}

function thin(points) {
  const step = Math.ceil(points.length / MOST_POINTS);
  return step < 2 ? points : points.filter((_, i) => i % step === 0 || i === points.length - 1);
}

function ticks(low, high, n) {
  const raw = (high - low) / n || 1;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = size * ([1, 2, 5, 10].find((m) => m * size >= raw) ?? 10);
  const ticks = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) ticks.push(+v.toPrecision(12));
  return ticks;
}

function compact(n) {
  const size = Math.abs(n);
  if (size >= 1e6) return `${+(n / 1e6).toPrecision(3)} M`;
  return size >= 1e4 ? `${+(n / 1e3).toPrecision(3)} k` : short(n);
}

class Chart {
  constructor(panel, seek) {
    this.panel = panel;
    this.seek = seek;
    this.svg = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    this.legend = h("ul", { className: "legend" });
    this.scale = h("span", { className: "scale" });
    const heading = h("h3", {}, panel.title);
    const note = h("p", { className: "note" }, panel.note, " ", this.scale);
    this.node = h("section", { className: "chart" }, heading, note, this.svg, this.legend);
    this.theirs = panel.curves.map(() => h("output", { className: "with", hidden: true }));
    this.values = panel.curves.map((curve, i) => {
      const value = h("output", {}, "–");
      const mark = s("svg", { viewBox: "0 0 26 10", class: "key", "aria-hidden": "true" }, ...this.key(curve, i));
      this.legend.append(h("li", {}, mark, h("span", {}, curve.name), value, this.theirs[i]));
      return value;
    });
    this.other = h("li", { className: "with", hidden: true });
    this.legend.append(this.other);
    const move = (event) => {
      if (!(event.buttons & 1)) return;
      const box = this.svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * WIDTH;
      this.seek(this.low + ((x - LEFT) / (WIDTH - LEFT - RIGHT)) * (this.high - this.low));
    };
    this.svg.addEventListener("pointerdown", move);
    this.svg.addEventListener("pointermove", move);
  }

  key(curve, i) {
    const at = this.marker(curve, 13, 5);
    return [s("path", { d: "M0 5H26", class: `line ${this.kind(curve, i)}` }), at];
  }

  kind(curve, i) {
    if (curve.kind === "other") return `other-${i % 4}`;
    const before = this.panel.curves.slice(0, i).filter((each) => each.kind === curve.kind).length;
    return before ? `${curve.kind} second` : curve.kind;
  }

  marker(curve, x, y) {
    const i = this.panel.curves.indexOf(curve);
    const shape = curve.kind === "generated"
      ? s("path", { d: `M${x} ${y - 4}l4 4l-4 4l-4 -4z` })
      : curve.kind === "real" ? s("circle", { cx: x, cy: y, r: 3.4 }) : s("rect", { x: x - 3, y: y - 3, width: 6, height: 6 });
    shape.setAttribute("class", `marker ${this.kind(curve, i)}`);
    return shape;
  }

  // The points of every curve; of a band those of its upper edge.
  points(lines) {
    const all = this.panel.curves.map((curve) => series(lines, curve.key));
    if (this.panel.band && all.length > 1) {
      const base = new Map(all[0]);
      all[1] = all[1].filter(([x]) => base.has(x)).map(([x, y]) => [x, base.get(x) + y]);
    }
    return all;
  }

  // other: the name and the lines of a run that is drawn thin, or null
  draw(lines, at, other) {
    const { panel } = this;
    const all = this.points(lines), theirs = this.points(other?.lines ?? []);
    const stacked = panel.band && all.length > 1;
    const both = [...all, ...theirs].flat();
    const xs = both.map(([x]) => x);
    const ys = both.map(([, y]) => y).concat(panel.mark ?? []);
    if (!xs.length) return;
    this.low = 0;
    this.high = Math.max(...xs, 1);
    let [bottom, top] = [Math.min(...ys), Math.max(...ys)];
    const log = bottom > 0 && top / bottom > 50;
    this.scale.textContent = log ? "(logarithmic scale)" : "";
    if (log) [bottom, top] = [Math.log10(bottom), Math.log10(top)];
    const pad = (top - bottom || Math.abs(top) || 1) * 0.06;
    bottom -= pad;
    top += pad;
    const x = (v) => LEFT + ((v - this.low) / (this.high - this.low)) * (WIDTH - LEFT - RIGHT);
    const y = (v) => HEIGHT - BOTTOM - (((log ? Math.log10(v) : v) - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
    const parts = [];
    const levels = log ? ticks(bottom, top, 3).filter(Number.isInteger).map((v) => 10 ** v) : ticks(bottom, top, 4);
    for (const v of levels) {
      parts.push(s("path", { d: `M${LEFT} ${y(v)}H${WIDTH - RIGHT}`, class: "grid" }));
      parts.push(s("text", { x: LEFT - 6, y: y(v) + 3.5, "text-anchor": "end" }, compact(v)));
    }
    const across = ticks(0, this.high, matchMedia("(max-width: 720px)").matches ? 2 : 5);
    for (const v of across) {
      const anchor = x(v) > WIDTH - 30 ? "end" : "middle";
      const unit = v === across[across.length - 1] ? " images" : "";
      parts.push(s("text", { x: Math.min(x(v), WIDTH - 4), y: HEIGHT - 8, "text-anchor": unit ? "end" : anchor }, compact(v) + unit));
    }
    if (panel.mark !== null) {
      parts.push(s("path", { d: `M${LEFT} ${y(panel.mark)}H${WIDTH - RIGHT}`, class: "mark" }));
      parts.push(s("text", { x: WIDTH - RIGHT - 4, y: y(panel.mark) - 4, "text-anchor": "end" }, short(panel.mark)));
    }
    const path = (points) => points.map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
    if (stacked) {
      const upper = thin(all[1]);
      const lower = thin(all[0]).filter(([a]) => a >= upper[0]?.[0]);
      if (upper.length > 1) parts.push(s("path", { d: `${path(upper)}L${path(lower.reverse()).slice(1)}z`, class: "band" }));
    }
    panel.curves.forEach((curve, i) => {
      if (theirs[i].length) parts.push(s("path", { d: path(thin(theirs[i])), class: `line ${this.kind(curve, i)} with` }));
      if (all[i].length) parts.push(s("path", { d: path(thin(all[i])), class: `line ${this.kind(curve, i)}` }));
    });
    parts.push(s("path", { d: `M${x(Math.min(at, this.high))} ${TOP}V${HEIGHT - BOTTOM}`, class: "cursor" }));
    const last = (from, key) => series(from, key).filter(([a]) => a <= at).pop()?.[1];
    this.other.hidden = !other;
    this.other.textContent = !other ? "" : theirs.flat().length ? `thin, and right of the bar: ${other.name}` : `${other.name} has none of these curves`;
    const words = panel.curves.map((curve, i) => {
      const theirValue = other && last(other.lines, curve.key);
      this.theirs[i].hidden = theirValue === undefined || !other;
      this.theirs[i].textContent = this.theirs[i].hidden ? "" : `| ${short(theirValue)}`;
      const point = all[i].filter(([a]) => a <= at).pop();
      if (!point) {
        this.values[i].textContent = "–";
        return "";
      }
      parts.push(this.marker(curve, x(point[0]), y(point[1])));
      const value = stacked && i === 1 ? last(lines, curve.key) : point[1];
      this.values[i].textContent = short(value);
      return `${curve.name} ${short(value)}${this.theirs[i].hidden ? "" : `, ${other.name} ${short(theirValue)}`}`;
    });
    this.svg.setAttribute("aria-label", `${panel.title} at ${count(at)} images: ${words.filter(Boolean).join(", ")}`);
    this.svg.replaceChildren(...parts);
  }
}

// ---- the page ------------------------------------------------------------------------------------------
const LIGHTS = { healthy: "●", trouble: "▲", "too early to tell": "○" };

function drawVerdicts(box, health) {
  const mark = LIGHTS[health.state] ?? "–";
  const light = { "●": "healthy", "▲": "trouble", "○": "early" }[mark] ?? "unknown";
  const head = h("p", { className: "light" }, h("span", { ariaHidden: "true" }, mark), ` ${health.state}`);
  head.dataset.light = light;
  if (health.reason && health.state !== "trouble") head.append(`: ${health.reason}`);
  box.replaceChildren(head);
  for (const verdict of health.verdicts) {
    const list = h("dl", {},
      h("dt", {}, "evidence"), h("dd", {}, verdict.evidence),
      h("dt", {}, "means"), h("dd", {}, verdict.meaning));
    if (verdict.advice) list.append(h("dt", {}, "try"), h("dd", {}, verdict.advice));
    box.append(h("article", { className: "verdict" },
      h("h3", {}, `${verdict.name}${verdict.severe ? " (severe)" : ""}, since ${count(verdict.since)} images`), list));
  }
}

function drawSettings(box, settings) {
  const rows = Object.entries({ ...settings.options, ...settings.training, device: settings.device });
  box.replaceChildren(h("summary", {}, "Settings"), h("table", {}, h("tbody", {}, ...rows.map(([name, value]) =>
    h("tr", {}, h("th", { scope: "row" }, name.replaceAll("_", " ")), h("td", {}, Array.isArray(value) ? value.join(", ") : `${value}`))))));
}

export default {
  async render({ model, el }) {
    const api = model.get("api");
    let run = null, lines = [], charts = [], shape = "", asked = -1, other = null;

    const title = h("h1", {}, model.get("run"));
    const status = h("p", { className: "status", role: "status" });
    const progress = h("progress", { max: 1 });
    progress.setAttribute("aria-label", "share of the training that is done");
    const controls = h("div", { className: "controls", role: "group", ariaLabel: "Training" });
    const ended = h("section", { className: "ended", hidden: true });
    const image = h("img", { className: "pixels samples", alt: "" });
    const caption = h("figcaption");
    const figure = h("figure", {}, image, caption);
    const slider = h("input", { type: "range", min: 0, max: 0, step: 1, id: "scrubber" });
    const where = h("output");
    const newest = h("button", { type: "button" }, "Newest");
    const scrubber = h("div", { className: "scrubber" },
      h("label", { htmlFor: "scrubber" }, "Images seen"), slider, where, newest);
    const doctor = h("section", { className: "doctor" });
    const curves = h("div", { className: "charts" });
    const withBox = h("select", { onchange: () => { model.set("with", withBox.value); model.save_changes(); } });
    const withNote = h("p", { className: "note", role: "status" });
    const withField = h("label", { className: "field" }, h("span", {}, "Curves of another run"), withBox);
    const settings = h("details", { className: "settings" });
    const lost = h("p", { className: "lost", hidden: true }, "The studio does not answer: is it still running?");
    el.append(title, lost, status, progress, controls, ended, scrubber,
      h("div", { className: "columns" }, h("div", {}, figure, h("h2", {}, "The doctor"), doctor), h("div", {}, withField, withNote, curves)), settings);

    const stops = () => [...new Set([...lines.map((line) => line.images), ...(run?.pictures ?? [])])].sort((a, b) => a - b);
    const point = () => {
      const all = stops();
      const wanted = model.get("images");
      if (wanted === "" || Number.isNaN(+wanted)) return all[all.length - 1] ?? 0;
      return all.filter((n) => n <= +wanted).pop() ?? all[0] ?? 0;
    };

    async function post(path, content = {}) {
      const body = JSON.stringify(content);
      try {
        const answer = await fetch(`${api}/${path}`, { method: "POST", body });
        if (!answer.ok) say((await answer.json()).error);
      } catch {
        say("the studio does not answer");
      }
    }
    const say = (text) => {
      ended.hidden = false;
      ended.replaceChildren(h("p", { className: "problem", role: "alert" }, text));
    };

    const buttons = {};
    for (const [name, text, act] of [
      ["pause", "Pause", () => post("control", { pause: run.status === "training" })],
      ["save", "Save now", () => post("control", { save: 1 })],
      ["lower", "Halve the rate", () => post("control", { rate_factor: Math.max(1e-6, run.rate_factor / 2) })],
      ["restore", "Full rate", () => post("control", { rate_factor: 1 })],
      ["stop", "Stop", () => post("control", { stop: true })],
    ]) {
      buttons[name] = h("button", { type: "button", onclick: act }, text);
      controls.append(buttons[name]);
    }
    const resume = h("button", { type: "button", onclick: () => post("resume") }, "Resume");

    function drawState() {
      const live = run.process != null && run.status !== "unreadable";
      controls.hidden = !live;
      const paused = run.status === "paused" || run.status === "pausing";
      buttons.pause.textContent = paused ? "Go on" : "Pause";
      for (const button of Object.values(buttons)) button.disabled = run.status === "stopping";
      for (const [key, button] of Object.entries(buttons)) button.disabled ||= run.status === "waiting" && key !== "stop";
      buttons.restore.disabled ||= run.rate_factor === 1;
      const rate = live && run.rate_factor !== 1 ? `, learning rates × ${+run.rate_factor.toPrecision(3)}` : "";
      const speed = run.status === "training" && run.speed ? `, ${count(Math.round(run.speed))} images/s` : "";
      const behind = run.status === "waiting" && run.behind ? ` for ${run.behind}` : "";
      const asking = live && run.waiting && run.status === "training" ? ", a request waits" : "";
      status.textContent = run.status === "unreadable"
        ? `This run cannot be read: ${run.problem}`
        : `${run.status}${behind}: ${count(run.images)} of ${count(run.target)} images${speed}${rate}${asking}${run.problem ? `. ${run.problem}` : ""}`;
      progress.hidden = run.status === "unreadable";
      progress.value = run.target ? Math.min(1, run.images / run.target) : 0;
      const over = (run.status === "killed" || run.status === "stopped") && run.resume;
      ended.hidden = !over && !run.failure && run.status !== "killed";
      if (over || run.status === "killed" || run.failure) drawEnded(over);
    }

    function drawEnded(over) {
      const words = run.status === "killed"
        ? `Training was killed. What it had stored at its last checkpoint, ${count(run.images)} images, is safe.`
        : `Training was stopped at ${count(run.images)} images, and everything is stored.`;
      const parts = [h("p", {}, run.status === "killed" && !over ? "Training was killed before its first checkpoint." : words)];
      if (over) parts.push(h("p", {}, "It goes on exactly as if nothing had happened:"), h("pre", {}, run.resume), resume);
      if (run.failure) parts.push(h("p", { className: "problem", role: "alert" }, run.failure));
      ended.replaceChildren(...parts);
    }

    async function drawPoint() {
      const all = stops(), at = point(), follows = model.get("images") === "";
      slider.max = Math.max(0, all.length - 1);
      slider.value = all.indexOf(at);
      slider.disabled = all.length < 2;
      slider.setAttribute("aria-valuetext", `${count(at)} images`);
      where.textContent = `${count(at)}${run.target ? ` of ${count(run.target)}` : ""}`;
      newest.disabled = follows;
      const picture = (run.pictures ?? []).filter((n) => n <= at).pop();
      figure.hidden = picture === undefined;
      if (picture !== undefined) {
        const source = `${api}/samples/${picture}`;
        if (image.getAttribute("src") !== source) image.src = source;
        image.alt = `pictures that the model made at ${count(picture)} images`;
        caption.textContent = picture === at
          ? `At ${count(picture)} images`
          : `At ${count(picture)} images, the nearest earlier picture`;
      }
      for (const chart of charts) chart.draw(lines, at, other);
      const last = lines.filter((line) => line.images <= at).pop()?.images ?? -1;
      if (asked === last) return;
      asked = last;
      if (last < 0) {
        drawVerdicts(doctor, { state: "too early to tell", reason: "no tick yet", verdicts: [] });
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 60)); // the pointer may move on
      if (asked !== last) return;
      try {
        const answer = await fetch(`${api}/verdicts?images=${last}`);
        if (answer.ok && asked === last) drawVerdicts(doctor, await answer.json());
      } catch {
        asked = -1;
      }
    }

    const seek = (images) => {
      const all = stops();
      const nearest = all.reduce((best, n) => (Math.abs(n - images) < Math.abs(best - images) ? n : best), all[0] ?? 0);
      model.set("images", nearest === all[all.length - 1] ? "" : `${nearest}`);
      model.save_changes();
    };
    slider.addEventListener("input", () => seek(stops()[+slider.value]));
    newest.addEventListener("click", () => {
      model.set("images", "");
      model.save_changes();
    });
    model.on("change:images", () => run && drawPoint());

    function update(message) {
      run = message;
      lines = [...lines.slice(0, message.first), ...message.new];
      const keys = JSON.stringify(run.panels);
      if (keys !== shape) {
        shape = keys;
        charts = run.panels.map((panel) => new Chart(panel, seek));
        curves.replaceChildren(...charts.map((chart) => chart.node));
        if (!charts.length) curves.append(h("p", { className: "note" }, "Curves appear with the first line of the log."));
      }
      drawState();
      drawPoint();
      if (run.settings?.options && !settings.childElementCount) drawSettings(settings, run.settings);
    }

    // Another run's curves: those of its log, as it grows.
    let theirEvents = null, cards = [];
    function followOther() {
      const name = model.get("with");
      const names = cards.filter((card) => card.status !== "unreadable" && card.id !== model.get("run")).map((card) => card.id);
      if (name && !names.includes(name)) names.push(name);
      withBox.replaceChildren(...["", ...names].map((id) => h("option", { value: id, textContent: id || "none" })));
      withBox.value = name;
      if (name === (other?.name ?? "")) return;
      theirEvents?.close();
      withNote.textContent = "";
      other = name ? { name, lines: [] } : null;
      if (run) drawPoint();
      if (!name) return;
      theirEvents = new EventSource(`/api/runs/${encodeURIComponent(name)}/live`);
      theirEvents.addEventListener("run", ({ data }) => {
        const message = JSON.parse(data);
        other.lines = [...other.lines.slice(0, message.first), ...message.new];
        const differs = run && (run.model !== message.model || run.data !== message.data);
        withNote.textContent = message.status === "unreadable" ? `${name} cannot be read.`
          : differs ? `${name} is a ${message.model} on ${message.data}: its numbers need not measure the same thing.` : "";
        if (run) drawPoint();
      });
      theirEvents.addEventListener("gone", () => { withNote.textContent = `${name} is not there.`; });
    }
    model.on("change:with", followOther);
    followOther();
    fetch("/api/runs").then((answer) => answer.json()).then((content) => {
      cards = content.runs;
      followOther();
    }, () => {}); // the page says that the studio does not answer

    const events = new EventSource(`${api}/live`);
    events.addEventListener("run", ({ data }) => update(JSON.parse(data)));
    events.addEventListener("gone", () => {
      status.textContent = "This run is no longer there.";
      controls.hidden = progress.hidden = scrubber.hidden = true;
    });
    events.onerror = () => { lost.hidden = false; };
    events.onopen = () => { lost.hidden = true; };
    const redraw = () => run && drawPoint(); // the labels of the axes fit the width
    addEventListener("resize", redraw);
    return () => {
      events.close();
      theirEvents?.close();
      removeEventListener("resize", redraw);
    };
  },
};
