// Images as points: hover, select, neighbours; decode between points; samples beside training images.
const SIZES = { points: [4, 6, 8, 11, 15], images: [16, 24, 32, 44, 60] };
const SHAPES = 10, CELL = 16, SHEET_COLUMNS = 40, SHOWN = 240; // tiles of a contact sheet
const NAMES = { codes: "the two numbers of the code", pca: "PCA", tsne: "t-SNE" };
const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const whole = (n) => n.toLocaleString("en");
const clamp = (v, low, high) => Math.max(low, Math.min(high, v));

const h = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

// Pixels (C, H, W) uint8 on a canvas.
function paint(canvas, bytes, [channels, height, width]) {
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"), image = context.createImageData(width, height), size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[(channels === 1 ? 0 : c * size) + i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// The outline of a mark about (0, 0): circle, square, triangles, crosses, then hollow ones; "diamond" for samples.
function outline(context, shape, r) {
  const lines = (...corners) => corners.forEach(([x, y], i) => (i ? context.lineTo(x * r, y * r) : context.moveTo(x * r, y * r)));
  context.beginPath();
  if (shape === "diamond") lines([0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]);
  else if (shape === 0 || shape === 6) context.arc(0, 0, r, 0, 7);
  else if (shape === 1 || shape === 7) context.rect(-0.85 * r, -0.85 * r, 1.7 * r, 1.7 * r);
  else if (shape === 2 || shape === 8) lines([0, -1.1], [1.05, 0.8], [-1.05, 0.8]);
  else if (shape === 3 || shape === 9) lines([0, 1.1], [1.05, -0.8], [-1.05, -0.8]);
  else {
    const [c, s] = shape === 4 ? [1, 0] : [0.75, 0.75];
    lines([-c, -s], [c, s]);
    context.moveTo(-s * r, c * r);
    context.lineTo(s * r, -c * r);
    return "stroke";
  }
  context.closePath();
  return shape >= 6 ? "stroke" : "fill";
}

function drawMark(context, shape, colour, r, edge) {
  const how = outline(context, shape, r);
  context.lineJoin = "round";
  if (how === "fill") {
    context.fillStyle = colour;
    context.fill();
    context.strokeStyle = edge;
    context.lineWidth = 0.6;
  } else {
    context.strokeStyle = colour;
    context.lineWidth = Math.max(1.3, r / 2.4);
  }
  context.stroke();
}

function inside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i], [bx, by] = polygon[j];
    if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

// A header of JSON, then numbers of four bytes.
function readLayout(buffer, total) {
  const length = new DataView(buffer).getUint32(0, true), at = 4 + length;
  const layout = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  layout.points = new Float32Array(buffer, at, 2 * total);
  layout.index = new Int32Array(buffer, at + 8 * total, total);
  layout.label = new Int32Array(buffer, at + 12 * total, total);
  if (layout.density) layout.density.values = new Float32Array(buffer, at + 16 * total, layout.density.side ** 2);
  return layout;
}

export default {
  async render({ model, el }) {
    const api = model.get("api"), run = model.get("run");
    const status = h("p", { className: "status", role: "status" }, "Opening the model…");
    el.append(h("h1", {}, run), status);
    const answer = await fetch(`${api}/map`), known = await answer.json();
    if (!answer.ok || !known.spaces.length) {
      status.textContent = known.error ?? "This model neither encodes images nor samples any, so it has no map.";
      return;
    }
    let alive = true, turn = 0, map = null, layout = null;
    const get = (key, usual) => model.get(key) || usual;
    const change = (values) => {
      for (const [key, value] of Object.entries(values)) model.set(key, `${value}`);
      model.save_changes();
    };
    const pick = (key, choices) => (choices.includes(model.get(key)) ? model.get(key) : choices[0]);
    const space = () => pick("space", known.spaces);
    const split = () => pick("set", ["test", "train"]);
    const count = () => pick("n", space() === "codes" ? ["2000", "500", "1000", "5000"] : ["1000", "500", "2000", "5000"]);
    const method = () => (map ? pick("method", map.methods) : get("method", ""));
    const shown = () => pick("show", ["points", "images"]);
    const size = () => SIZES[shown()][clamp(+get("size", 2) || 2, 1, 5) - 1];
    const byClass = () => map.classes.length && (space() === "codes" || model.get("colour") === "class");
    const selectedPoint = () => (map && /^\d+$/.test(model.get("at")) && +model.get("at") < map.points ? +model.get("at") : -1);
    const isReal = (i) => i < map.real;

    // ---- parts of the page -----------------------------------------------------------------------------
    const select = (text, key, choices, value) => {
      const forgets = { method: ["view", "area"], space: ["at", "hide", "method", "view", "area"], set: ["at", "view", "area"], n: ["at", "view", "area"] }[key] ?? [];
      const box = h("select", { onchange: () => change({ ...Object.fromEntries(forgets.map((other) => [other, ""])), [key]: box.value }) });
      const node = h("label", { className: "field" }, h("span", {}, text), box);
      const fill = () => {
        box.replaceChildren(...choices().map(([name, title]) => h("option", { value: name, textContent: title })));
        box.value = value();
        node.hidden = choices().length < 2;
      };
      return { node, fill };
    };
    const fields = [
      select("Map of", "space", () => known.spaces.map((s) => [s, s === "codes" ? "codes of images" : "real and generated images"]), space),
      select("Method", "method", () => (map ? map.methods.map((m) => [m, NAMES[m]]) : []), method),
      select("Real images", "set", () => [["test", "test"], ["train", "training"]], split),
      select("Points", "n", () => [500, 1000, 2000, 5000].map((n) => [n, whole(n)]), count),
      select("Show", "show", () => [["points", "points"], ["images", "images"]], shown),
      select("Colour by", "colour", () => (map?.classes.length && space() === "features" ? [["kind", "real or generated"], ["class", "class"]] : []), () => pick("colour", ["kind", "class"])),
    ];
    const sizeBox = h("input", { type: "range", min: 1, max: 5, step: 1 });
    sizeBox.addEventListener("input", () => change({ size: sizeBox.value }));
    const controls = h("div", { className: "controls", role: "group", ariaLabel: "Map" }, ...fields.map((f) => f.node),
      h("label", { className: "field" }, h("span", {}, "Size"), sizeBox));
    const bar = h("progress", { max: 1, hidden: true });
    const problem = h("p", { className: "problem", role: "alert", hidden: true });
    const canvas = h("canvas", { className: "marks" }), overlay = h("canvas", { className: "overlay" });
    const face = h("canvas", { className: "pixels" }), words = h("span"), where = h("span", { className: "count" });
    const card = h("div", { className: "hover", hidden: true }, face, words, where);
    const plot = h("div", { className: "plot", tabIndex: 0, role: "application" }, canvas, overlay, card);
    plot.setAttribute("aria-label", "Map. Arrows move a cursor, Enter selects, plus and minus zoom, 0 shows the whole map, L draws a lasso with the pointer, R places a rectangle.");
    const axes = h("p", { className: "axes note" });
    const spoken = h("p", { className: "spoken", ariaLive: "polite" });
    const button = (text, label, onclick) => h("button", { type: "button", ariaLabel: label, title: label, onclick }, text);
    const lasso = button("Lasso", "Lasso: draw around points", () => change({ tool: model.get("tool") === "lasso" ? "" : "lasso" }));
    const frameButton = button("Rectangle", "Rectangle: arrows move it, Shift and arrows size it, Enter selects", () => placeFrame());
    const classBox = h("select", { ariaLabel: "Select a class", onchange: () => change({ area: classBox.value && `class:${classBox.value}` }) });
    const tools = h("div", { className: "controls tools", role: "group", ariaLabel: "View and selection" },
      button("+", "Zoom in", () => zoomAt(1.5)), button("−", "Zoom out", () => zoomAt(1 / 1.5)),
      button("Whole map", "Show the whole map", () => change({ view: "" })), lasso, frameButton, classBox,
      button("Clear", "Clear the selection", () => { frame = null; change({ area: "" }); }));
    const legend = h("div", { className: "groups" });
    const explanation = h("div", { className: "explanation" }), chosen = h("section", { className: "chosen", ariaLive: "polite" });
    const picked = h("section", { className: "picked", ariaLive: "polite" }), copies = h("section", { className: "copies" });
    el.append(controls, bar, problem, h("div", { className: "board" }, h("div", {}, tools, plot, axes, spoken), h("div", { className: "side" }, legend, picked, explanation)), chosen, copies);

    const fail = (text) => {
      problem.textContent = text;
      problem.hidden = !text;
    };

    // ---- numbers and pictures from the studio ----------------------------------------------------------
    // Asks until the answer is there; `text` says meanwhile what is computed.
    async function ask(address, text, own) {
      for (;;) {
        const got = await fetch(address);
        if (!alive || own !== turn) return null;
        if ((got.headers.get("content-type") ?? "").startsWith("application/octet")) return got.arrayBuffer();
        const content = await got.json();
        if (!alive || own !== turn) return null;
        if (content.error) throw new Error(content.error);
        if (content.progress === undefined) return content;
        bar.hidden = false;
        bar.value = content.progress;
        status.textContent = `${text} ${Math.round(100 * content.progress)} %`;
        await sleep(200);
      }
    }
    async function load(anew) {
      const own = ++turn;
      plot.classList.add("waits");
      fail("");
      try {
        if (anew) {
          const query = new URLSearchParams({ space: space(), split: split(), n: count() });
          const next = await ask(`${api}/map?${query}`, space() === "codes" ? "Encoding images…" : "Drawing samples and their features…", own);
          if (!next) return;
          map = next;
          layout = null;
          sheets.clear();
        }
        const next = await ask(`${base()}/points?method=${method()}${retry ? "&again=1" : ""}`, `${NAMES[method()]}…`, own);
        if (!next) return;
        layout = readLayout(next, map.points);
        prepare();
      } catch (error) {
        if (!alive || own !== turn) return;
        if (!anew) { // the studio may not keep that map any more
          load(true);
          return;
        }
        status.textContent = "";
        fail(error.message);
        retry = true;
      }
      if (own === turn) {
        plot.classList.remove("waits");
        bar.hidden = true;
      }
    }
    let retry = false;
    const base = () => `${api}/map/${map.map}`;
    const sheets = new Map();
    // A sheet of tiles, loaded when it is first needed; `then` is called when it has come.
    function sheet(part, then) {
      if (!sheets.has(part)) {
        const image = new Image(), entry = { image, ready: false, waiting: new Set() };
        image.onload = () => {
          entry.ready = true;
          for (const call of entry.waiting) call();
          entry.waiting.clear();
        };
        image.src = `${base()}/sheets/${part}.png`;
        sheets.set(part, entry);
      }
      const entry = sheets.get(part);
      if (!entry.ready && then) entry.waiting.add(then);
      return entry.ready ? entry.image : null;
    }
    function drawTile(context, i, x, y, wide, high, then) {
      const image = sheet(Math.floor(i / map.tiles), then);
      if (!image) return false;
      const [w, t] = map.tile, k = i % map.tiles;
      context.drawImage(image, k % SHEET_COLUMNS * w, Math.floor(k / SHEET_COLUMNS) * t, w, t, x, y, wide, high);
      return true;
    }
    function tile(i, className = "pixels") {
      const [w, t] = map.tile, node = h("canvas", { className, width: w, height: t }), own = map;
      const draw = () => own === map && drawTile(node.getContext("2d"), i, 0, 0, w, t, draw);
      draw();
      return node;
    }
    const classOf = (i) => map.classes[layout.label[i]] ?? "";
    const nameOf = (i) => (isReal(i) ? `${split() === "test" ? "test" : "training"} image ${whole(layout.index[i])}` : `sample of seed ${layout.index[i]}`);

    // ---- groups ----------------------------------------------------------------------------------------
    const hidden = () => new Set(get("hide", "").split(",").filter(Boolean));
    let visible = new Uint8Array(), chosenPoints = null, colours = {};
    function readColours() {
      const style = getComputedStyle(el);
      for (const name of ["ink", "panel", "soft", "real", "generated", ...Array.from({ length: 10 }, (_, k) => `class-${k}`)]) colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
    const markOf = (label, real) => {
      const shape = space() === "features" ? (real ? 0 : "diamond") : byClass() && label >= 0 ? label % SHAPES : 0;
      return [shape, byClass() && label >= 0 ? colours[`class-${label % 10}`] : real ? colours.real : colours.generated];
    };
    function findVisible() {
      const off = hidden();
      visible = Uint8Array.from({ length: map.points }, (_, i) => !off.has(isReal(i) ? "real" : "generated") && !off.has(`${layout.label[i]}`));
      const area = get("area", "");
      chosenPoints = null;
      if (!area) return;
      const polygon = area.split(";").map((pair) => pair.split(",").map(Number));
      const belongs = area.startsWith("class:")
        ? (i) => [`${layout.label[i]}`, isReal(i) ? "real" : "generated"].includes(area.slice(6))
        : (i) => inside(polygon, layout.points[2 * i], layout.points[2 * i + 1]);
      chosenPoints = [];
      for (let i = 0; i < map.points; i++) if (visible[i] && belongs(i)) chosenPoints.push(i);
    }
    function drawLegend() {
      const off = hidden(), total = new Map();
      for (let i = 0; i < map.points; i++) for (const key of [`${layout.label[i]}`, isReal(i) ? "real" : "generated"]) total.set(key, (total.get(key) ?? 0) + 1);
      const entry = (key, text, shape, colour) => {
        const mark = h("canvas", { width: 28, height: 28, className: "mark" }), context = mark.getContext("2d");
        context.translate(14, 14);
        drawMark(context, shape, colour, 8, colours.panel);
        const node = h("button", { type: "button", className: "group", onclick: () => {
          const now = hidden();
          if (!now.delete(key)) now.add(key);
          change({ hide: [...now].join(",") });
        } }, mark, h("span", {}, text), h("span", { className: "count" }, whole(total.get(key) ?? 0)));
        node.setAttribute("aria-pressed", !off.has(key));
        return h("li", {}, node);
      };
      const kinds = space() === "features" ? [entry("real", "real", 0, byClass() ? colours.soft : colours.real), entry("generated", "generated", "diamond", byClass() ? colours.soft : colours.generated)] : [];
      const classes = map.classes.map((name, k) => [name, k]).filter(([, k]) => total.has(`${k}`));
      const list = classes.map(([name, k]) => entry(`${k}`, name, space() === "features" ? 0 : k % SHAPES, byClass() ? colours[`class-${k % 10}`] : colours.soft));
      legend.replaceChildren(...[kinds, list].filter((part) => part.length).map((part) => h("ul", {}, ...part)));
      if (kinds.length || list.length) legend.prepend(h("h2", {}, "Shown"));
      classBox.replaceChildren(h("option", { value: "", textContent: "Select a class…" }),
        ...(kinds.length ? ["real", "generated"].map((kind) => h("option", { value: kind, textContent: kind })) : []),
        ...classes.map(([name, k]) => h("option", { value: `${k}`, textContent: name })));
      classBox.hidden = classBox.options.length < 2;
      classBox.value = get("area", "").startsWith("class:") ? get("area", "").slice(6) : "";
    }

    // ---- the view --------------------------------------------------------------------------------------
    let wide = 0, high = 0, fit = null, view = null, cells = null, glyphs = new Map(), queued = false;
    function readView() {
      const [x, y, zoom] = get("view", "").split(",").map(Number);
      view = zoom > 0 && Number.isFinite(x + y + zoom) ? { x, y, zoom: clamp(zoom, 0.2, 500) } : { x: fit.x, y: fit.y, zoom: 1 };
      cells = null;
    }
    const scale = () => fit.scale * view.zoom;
    const toScreen = (x, y) => [wide / 2 + (x - view.x) * scale(), high / 2 - (y - view.y) * scale()];
    const toMap = (px, py) => [view.x + (px - wide / 2) / scale(), view.y - (py - high / 2) / scale()];
    const saveView = (x, y, zoom) => change({ view: [x, y].map((v) => +v.toPrecision(6)).join(",") + `,${+clamp(zoom, 0.2, 500).toPrecision(4)}` });
    function zoomAt(factor, px = wide / 2, py = high / 2) {
      if (!layout) return;
      const [x, y] = toMap(px, py), zoom = clamp(view.zoom * factor, 0.2, 500), f = view.zoom / zoom;
      saveView(x + (view.x - x) * f, y + (view.y - y) * f, zoom);
    }
    function measure() {
      const box = plot.getBoundingClientRect(), ratio = devicePixelRatio || 1;
      [wide, high] = [Math.round(box.width) - 2, Math.round(box.height) - 2];
      for (const each of [canvas, overlay]) {
        Object.assign(each, { width: wide * ratio, height: high * ratio });
        each.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
      }
      glyphs.clear();
      if (!layout) return;
      const low = [Infinity, Infinity], top = [-Infinity, -Infinity];
      layout.points.forEach((v, i) => {
        low[i % 2] = Math.min(low[i % 2], v);
        top[i % 2] = Math.max(top[i % 2], v);
      });
      const spans = [0, 1].map((k) => Math.max(top[k] - low[k], 1e-9 + Math.abs(top[k]) * 1e-6));
      const least = Math.max(...spans) * 1e-3;
      fit = { x: (low[0] + top[0]) / 2, y: (low[1] + top[1]) / 2, scale: 0.92 * Math.min(wide / Math.max(spans[0], least), high / Math.max(spans[1], least)) };
      readView();
    }
    function glyph(shape, colour) {
      const key = `${shape} ${colour}`;
      if (!glyphs.has(key)) {
        const ratio = devicePixelRatio || 1, side = Math.ceil((size() + 6) * ratio);
        const node = h("canvas", { width: side, height: side }), context = node.getContext("2d");
        context.translate(side / 2, side / 2);
        context.scale(ratio, ratio);
        drawMark(context, shape, colour, size() / 2, colours.panel);
        glyphs.set(key, node);
      }
      return glyphs.get(key);
    }
    let shade = null;
    function drawShade(context) {
      const { density } = layout;
      if (!density) return;
      if (!shade) {
        shade = h("canvas", { width: density.side, height: density.side });
        const image = shade.getContext("2d").createImageData(density.side, density.side);
        density.values.forEach((v, k) => {
          const at = 4 * ((density.side - 1 - Math.floor(k / density.side)) * density.side + k % density.side);
          image.data.fill(128, at, at + 3);
          image.data[at + 3] = 255 * 0.3 * (1 - Math.min(1, v / density.edge));
        });
        shade.getContext("2d").putImageData(image, 0, 0);
      }
      const [left, bottom, right, up] = [...toScreen(...density.low), ...toScreen(...density.high)].map(Math.round);
      context.imageSmoothingEnabled = true;
      context.fillStyle = "rgba(128, 128, 128, 0.3)";
      context.beginPath();
      context.rect(0, 0, wide, high);
      context.rect(left, up, right - left, bottom - up);
      context.fill("evenodd");
      context.drawImage(shade, left, up, right - left, bottom - up);
    }
    function draw() {
      queued = false;
      if (!layout || !alive) return;
      const context = canvas.getContext("2d"), ratio = devicePixelRatio || 1, big = size(), near = new Map();
      const asImages = shown() === "images", inArea = chosenPoints && new Set(chosenPoints);
      context.clearRect(0, 0, wide, high);
      drawShade(context);
      const free = (x, y) => { // no image covers another
        const [cx, cy] = [Math.floor(x / big), Math.floor(y / big)];
        for (let a = cx - 1; a <= cx + 1; a++) for (let b = cy - 1; b <= cy + 1; b++) for (const [ox, oy] of near.get(a * 1e4 + b) ?? []) if (Math.abs(ox - x) < big + 3 && Math.abs(oy - y) < big + 3) return false;
        near.set(cx * 1e4 + cy, [...(near.get(cx * 1e4 + cy) ?? []), [x, y]]);
        return true;
      };
      let drawn = 0;
      const tiles = []; // over all marks
      for (let i = 0; i < map.points; i++) {
        if (!visible[i]) continue;
        const [x, y] = toScreen(layout.points[2 * i], layout.points[2 * i + 1]);
        if (x < -big || y < -big || x > wide + big || y > high + big) continue;
        drawn++;
        const [shape, colour] = markOf(layout.label[i], isReal(i)), alpha = inArea && !inArea.has(i) ? 0.22 : 1;
        context.globalAlpha = alpha;
        if (asImages && free(x, y)) tiles.push([i, x, y, colour, alpha]);
        else if (asImages) {
          context.fillStyle = colour;
          context.fillRect(x - 1.5, y - 1.5, 3, 3);
        } else {
          const mark = glyph(shape, colour), side = mark.width / ratio;
          context.drawImage(mark, x - side / 2, y - side / 2, side, side);
        }
      }
      context.imageSmoothingEnabled = tiles.length > 0 && map.tile[0] > big;
      context.lineWidth = 3;
      for (const [i, x, y, colour, alpha] of tiles) {
        context.globalAlpha = alpha;
        context.strokeStyle = colour;
        context.setLineDash(isReal(i) ? [] : [4, 3]);
        context.strokeRect(x - big / 2 - 1, y - big / 2 - 1, big + 2, big + 2);
        drawTile(context, i, x - big / 2, y - big / 2, big, big, redraw);
      }
      context.setLineDash([]);
      context.globalAlpha = 1;
      Object.assign(canvas.dataset, { drawn, map: `${map.map} ${method()}` });
      drawOverlay();
    }
    function redraw() {
      if (queued) return;
      queued = true;
      requestAnimationFrame(draw);
    }

    // ---- under the pointer -----------------------------------------------------------------------------
    let hovered = -1, cursor = null, path = null, frame = null, neighbours = null;
    function grid() {
      if (cells) return cells;
      const side = Math.max(CELL, shown() === "images" ? size() : 0);
      cells = { side, columns: Math.ceil(wide / side) + 2, lists: new Map() };
      for (let i = 0; i < map.points; i++) {
        if (!visible[i]) continue;
        const [x, y] = toScreen(layout.points[2 * i], layout.points[2 * i + 1]);
        if (x < -side || y < -side || x > wide + side || y > high + side) continue;
        const key = (Math.floor(y / side) + 1) * cells.columns + Math.floor(x / side) + 1;
        if (cells.lists.has(key)) cells.lists.get(key).push(i);
        else cells.lists.set(key, [i]);
      }
      return cells;
    }
    function hit(px, py) {
      const { side, columns, lists } = grid(), reach = Math.max(7, size() / 2 + 1);
      const [cx, cy] = [Math.floor(px / side) + 1, Math.floor(py / side) + 1];
      let best = -1, least = reach;
      for (let b = cy - 1; b <= cy + 1; b++) for (let a = cx - 1; a <= cx + 1; a++) for (const i of lists.get(b * columns + a) ?? []) {
        const [x, y] = toScreen(layout.points[2 * i], layout.points[2 * i + 1]), d = Math.max(Math.abs(x - px), Math.abs(y - py));
        if (d <= least) [best, least] = [i, d];
      }
      return best;
    }
    function nearest(x, y) {
      let best = -1, least = Infinity;
      for (let i = 0; i < map.points; i++) {
        const d = visible[i] ? (layout.points[2 * i] - x) ** 2 + (layout.points[2 * i + 1] - y) ** 2 : Infinity;
        if (d < least) [best, least] = [i, d];
      }
      return best;
    }
    function isOff(x, y) {
      const { density } = layout;
      const [a, b] = [0, 1].map((k) => Math.floor(([x, y][k] - density.low[k]) / (density.high[k] - density.low[k]) * density.side));
      return a < 0 || b < 0 || a >= density.side || b >= density.side || density.values[b * density.side + a] < density.edge;
    }
    let fullTimer = 0, speakTimer = 0;
    function placeCard(px, py, kind, text, more) {
      card.hidden = false;
      card.className = `hover ${kind}`;
      words.textContent = text;
      where.textContent = more;
      const [w, t] = wide < 500 ? [124, 138] : [164, 186]; // as in map.css, with a gap
      const left = px + 16 + w < wide ? px + 16 : px - 12 - w;
      card.style.transform = `translate(${clamp(left, 4, Math.max(4, wide - w))}px, ${clamp(py - 60, 4, Math.max(4, high - t))}px)`;
      clearTimeout(speakTimer);
      speakTimer = setTimeout(() => { spoken.textContent = `${text}, ${more}`; }, 400);
    }
    function showPoint(i, px, py, from = "") {
      clearTimeout(fullTimer);
      if (hovered !== i) {
        hovered = i;
        [face.width, face.height] = map.tile;
        const own = map, again = () => own === map && hovered === i && drawTile(face.getContext("2d"), i, 0, 0, ...map.tile, again);
        again();
      }
      if (map.tile[0] < map.size[0]) fullTimer = setTimeout(() => showWhole(i), 150);
      placeCard(px, py, isReal(i) ? "real" : "generated", [classOf(i), nameOf(i)].filter(Boolean).join(" · "), from);
    }
    async function showWhole(i) { // the image itself, where a tile is smaller
      const got = await fetch(`${base()}/images/${i}.png`);
      if (!got.ok || hovered !== i) return;
      const image = await createImageBitmap(await got.blob());
      if (hovered !== i) return;
      [face.width, face.height] = map.size;
      face.getContext("2d").drawImage(image, 0, 0);
    }
    let number = 0, inFlight = 0, wanted = null;
    function decode(place) {
      wanted = place;
      if (inFlight) return;
      inFlight = number = (number + 1) % 2 ** 31 || 1;
      wanted = null;
      model.send({ number, places: [place] });
    }
    model.on("msg:custom", (message, [data]) => {
      if (data && data.getUint32(0, true) !== inFlight) return;
      inFlight = 0;
      if (data && hovered === -2) {
        paint(face, new Uint8Array(data.buffer, 12), [6, 8, 10].map((at) => data.getUint16(at, true)));
        face.dataset.number = number;
      } else if (message.error) where.textContent = message.error;
      if (message.kind === "closed") wanted = null;
      if (wanted) decode(wanted);
    });
    function hover(px, py) {
      if (!layout) return;
      const i = hit(px, py);
      if (i >= 0) showPoint(i, px, py);
      else {
        const [x, y] = toMap(px, py), closest = nearest(x, y);
        if (closest < 0) {
          leave();
          return;
        }
        if (!layout.inverse) showPoint(closest, px, py, "the nearest image");
        else {
          const { mean, components } = layout.inverse, label = classOf(closest);
          const place = { base: "code", code: mean.map((v, k) => v + x * components[0][k] + y * components[1][k]) };
          if (known.labels.includes(label)) place.label = label;
          if (hovered !== -2) [face.width, face.height] = [1, 1];
          hovered = -2;
          clearTimeout(fullTimer);
          decode(place);
          placeCard(px, py, "generated", `decoded at ${x.toFixed(2)}, ${y.toFixed(2)}${place.label ? ` as ${label}` : ""}`, isOff(x, y) ? "off the data" : "among the data");
        }
      }
      drawOverlay();
    }
    function leave() {
      hovered = -1;
      wanted = null;
      clearTimeout(fullTimer);
      clearTimeout(speakTimer);
      card.hidden = true;
      drawOverlay();
    }
    function drawOverlay() {
      if (!layout) return;
      const context = overlay.getContext("2d"), big = shown() === "images" ? size() : size() + 4;
      context.clearRect(0, 0, wide, high);
      const ring = (i, width, dash = []) => {
        const [x, y] = toScreen(layout.points[2 * i], layout.points[2 * i + 1]);
        context.setLineDash(dash);
        for (const [colour, w] of [[colours.panel, width + 2], [colours.ink, width]]) {
          context.strokeStyle = colour;
          context.lineWidth = w;
          context.beginPath();
          if (shown() === "images") context.rect(x - big / 2 - 3, y - big / 2 - 3, big + 6, big + 6);
          else context.arc(x, y, big / 2 + 2, 0, 7);
          context.stroke();
        }
        context.setLineDash([]);
      };
      if (neighbours?.point === selectedPoint()) {
        for (const [i] of neighbours.features) ring(i, 1.5);
        for (const [i] of neighbours.pixels) ring(i, 1.5, [2, 2]);
      }
      if (selectedPoint() >= 0) ring(selectedPoint(), 3.5);
      if (hovered >= 0) ring(hovered, 2);
      const area = get("area", "");
      const polygon = path ?? (frame ? corners() : area && !area.startsWith("class:") ? area.split(";").map((p) => toScreen(...p.split(",").map(Number))) : null);
      if (polygon) {
        context.setLineDash(frame ? [6, 4] : []);
        context.strokeStyle = colours.ink;
        context.lineWidth = 1.5;
        context.beginPath();
        polygon.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
        context.closePath();
        context.stroke();
        context.setLineDash([]);
      }
      if (cursor && document.activeElement === plot) {
        context.strokeStyle = colours.ink;
        context.lineWidth = 1;
        context.beginPath();
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          context.moveTo(cursor.x + 3 * dx, cursor.y + 3 * dy);
          context.lineTo(cursor.x + 10 * dx, cursor.y + 10 * dy);
        }
        context.stroke();
      }
    }

    // ---- pointer and keys ------------------------------------------------------------------------------
    const pointers = new Map();
    let start = null;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (!layout || event.button) return;
      canvas.setPointerCapture(event.pointerId);
      cursor = null;
      pointers.set(event.pointerId, at(event));
      if (model.get("tool") === "lasso") path = [at(event)];
      start = { from: at(event), view: { ...view }, moved: pointers.size > 1, spread: spread() };
    });
    const spread = () => {
      const [a, b] = [...pointers.values()];
      return b ? { middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], distance: Math.hypot(a[0] - b[0], a[1] - b[1]) || 1 } : null;
    };
    canvas.addEventListener("pointermove", (event) => {
      const [px, py] = at(event);
      if (!pointers.has(event.pointerId)) {
        hover(px, py);
        return;
      }
      pointers.set(event.pointerId, [px, py]);
      const [dx, dy] = [px - start.from[0], py - start.from[1]];
      if (Math.hypot(dx, dy) > 4) start.moved = true;
      if (!start.moved) return;
      const now = spread();
      if (now && start.spread) { // pinch: the place between the fingers stays between them
        path = null;
        const zoom = clamp(start.view.zoom * now.distance / start.spread.distance, 0.2, 500), s = fit.scale;
        const x = start.view.x + (start.spread.middle[0] - wide / 2) / (s * start.view.zoom);
        const y = start.view.y - (start.spread.middle[1] - high / 2) / (s * start.view.zoom);
        saveView(x - (now.middle[0] - wide / 2) / (s * zoom), y + (now.middle[1] - high / 2) / (s * zoom), zoom);
      } else if (path) {
        path.push([px, py]);
        drawOverlay();
      } else {
        leave();
        saveView(start.view.x - dx / (fit.scale * start.view.zoom), start.view.y + dy / (fit.scale * start.view.zoom), start.view.zoom);
      }
    });
    const release = (event) => {
      if (!pointers.delete(event.pointerId)) return;
      const drawn = path;
      path = null;
      if (pointers.size) {
        start = { from: [...pointers.values()][0], view: { ...view }, moved: true, spread: null };
        return;
      }
      if (event.type === "pointercancel") return;
      if (drawn && start.moved && drawn.length > 2) selectArea(drawn.filter((_, k) => k % Math.ceil(drawn.length / 60) === 0));
      else if (!start.moved) {
        const [px, py] = at(event);
        hover(px, py);
        change({ at: hovered >= 0 ? hovered : "" });
      }
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => { if (!pointers.size) leave(); });
    plot.addEventListener("wheel", (event) => {
      if (!layout) return;
      event.preventDefault();
      zoomAt(Math.exp(-clamp(event.deltaY, -200, 200) / 300), ...at(event));
    }, { passive: false });
    const selectArea = (polygon) => change({ area: polygon.map(([x, y]) => toMap(x, y).map((v) => +v.toPrecision(4)).join(",")).join(";") });
    const corners = () => [[frame.x, frame.y], [frame.x + frame.w, frame.y], [frame.x + frame.w, frame.y + frame.h], [frame.x, frame.y + frame.h]];
    function placeFrame() {
      if (!layout) return;
      frame = { x: wide * 0.35, y: high * 0.35, w: wide * 0.3, h: high * 0.3 };
      plot.focus();
      spoken.textContent = "A rectangle in the middle. Arrows move it, Shift and arrows size it, Enter selects, Escape removes it.";
      drawOverlay();
    }
    const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    plot.addEventListener("keydown", (event) => {
      if (!layout || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = STEPS[event.key];
      if (step && frame) moveFrame(step, event.shiftKey);
      else if (step) moveCursor(step, event.shiftKey ? 40 : 10);
      else if (event.key === "Enter" && frame) {
        const polygon = corners();
        frame = null;
        selectArea(polygon);
      } else if (event.key === "Enter") change({ at: hovered >= 0 ? hovered : cursor ? nearest(...toMap(cursor.x, cursor.y)) : "" });
      else if (event.key === "Escape") {
        frame = cursor = path = null;
        leave();
      } else if (event.key === "+" || event.key === "=") zoomAt(1.25, cursor?.x, cursor?.y);
      else if (event.key === "-") zoomAt(0.8, cursor?.x, cursor?.y);
      else if (event.key === "0" || event.key === "Home") change({ view: "" });
      else if (event.key === "l" || event.key === "L") lasso.click();
      else if (event.key === "r" || event.key === "R") placeFrame();
      else return;
      event.preventDefault();
    });
    plot.addEventListener("blur", () => { if (cursor) { cursor = null; leave(); } });
    function moveFrame([dx, dy], sizes) {
      if (sizes) {
        frame.w = clamp(frame.w + 10 * dx, 10, wide);
        frame.h = clamp(frame.h + 10 * dy, 10, high);
      }
      frame.x = clamp(frame.x + (sizes ? 0 : 10 * dx), 0, wide - frame.w);
      frame.y = clamp(frame.y + (sizes ? 0 : 10 * dy), 0, high - frame.h);
      drawOverlay();
    }
    function moveCursor([dx, dy], by) {
      cursor ??= { x: wide / 2 - dx * by, y: high / 2 - dy * by };
      const [x, y] = [cursor.x + dx * by, cursor.y + dy * by];
      [cursor.x, cursor.y] = [clamp(x, 0, wide), clamp(y, 0, high)];
      if (x !== cursor.x || y !== cursor.y) saveView(view.x + (x - cursor.x) / scale(), view.y - (y - cursor.y) / scale(), view.zoom);
      hover(cursor.x, cursor.y);
    }

    // ---- one point and its neighbours ------------------------------------------------------------------
    async function drawChosen() {
      const i = selectedPoint(), own = map;
      if (!layout || i < 0) {
        chosen.replaceChildren();
        return;
      }
      const image = h("img", { className: "pixels whole", src: `${base()}/images/${i}.png`, alt: nameOf(i) });
      const codes = !isReal(i) || split() === "test" ? `#latent/${encodeURIComponent(run)}?base=${isReal(i) ? "image" : "seed"}&number=${layout.index[i]}` : "";
      const links = codes && (space() === "codes" || !isReal(i)) ? [h("a", { href: codes }, "Open in Codes")] : [];
      const head = h("figure", { className: isReal(i) ? "real" : "generated" }, image, h("figcaption", {}, [classOf(i) && `${space() === "features" && !isReal(i) ? "predicted class" : "class"} ${classOf(i)}`, nameOf(i)].filter(Boolean).join(", "), " ", ...links));
      const rows = h("div", { className: "sides" });
      chosen.replaceChildren(h("h2", {}, "Selected"), h("div", { className: "pair" }, head, rows));
      const got = await fetch(`${base()}/nearest/${i}`), found = await got.json();
      if (own !== map || i !== selectedPoint() || !alive) return;
      if (found.error) {
        rows.append(h("p", { className: "problem" }, found.error));
        return;
      }
      neighbours = { point: i, ...found };
      for (const [key, title, edge] of [["features", space() === "codes" ? "Nearest by code" : "Nearest by features", "rings"], ["pixels", "Nearest by pixels", "dotted rings"]]) {
        const list = found[key].map(([k, distance]) => h("li", {}, h("button", { type: "button", className: isReal(k) ? "real" : "generated", ariaLabel: `${nameOf(k)}, distance ${distance.toFixed(2)}`, onclick: () => change({ at: k }) },
          tile(k), h("span", {}, `${classOf(k)} ${distance.toFixed(2)}`))));
        rows.append(h("div", {}, h("h3", {}, title), h("ol", { className: "near" }, ...list), h("p", { className: "note" }, `Among the ${whole(map.points)} points of this map; ${edge} mark them. Below: ${map.classes.length ? "class and " : ""}distance.`)));
      }
      drawOverlay();
    }

    // ---- a selection -----------------------------------------------------------------------------------
    async function drawPicked() {
      if (!chosenPoints) {
        picked.replaceChildren();
        return;
      }
      const own = chosenPoints, total = new Map();
      for (const i of own) for (const key of space() === "features" ? [isReal(i) ? "real" : "generated", classOf(i)] : [classOf(i)]) if (key) total.set(key, (total.get(key) ?? 0) + 1);
      const counts = [...total].sort((a, b) => b[1] - a[1]).map(([name, n]) => `${name}: ${whole(n)}`).join(" · ");
      const mean = h("canvas", { className: "pixels whole", role: "img", ariaLabel: "mean of the selected images" });
      const some = own.slice(0, SHOWN), [w, t] = map.tile, columns = 12;
      const contact = h("canvas", { className: "pixels contact", width: columns * w, height: Math.max(1, Math.ceil(some.length / columns)) * t, role: "img", ariaLabel: `${some.length} of the selected images` });
      const kept = map;
      const drawSheet = () => own === chosenPoints && kept === map && some.forEach((i, k) => drawTile(contact.getContext("2d"), i, k % columns * w, Math.floor(k / columns) * t, w, t, drawSheet));
      picked.replaceChildren(h("h2", {}, "Selection"), h("p", { className: "number" }, `${whole(own.length)} of ${whole(map.points)} points`), h("p", {}, counts));
      if (!own.length) return;
      drawSheet();
      picked.append(h("figure", {}, mean, h("figcaption", {}, "Mean image")), h("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: "Contact sheet" }, contact));
      if (some.length < own.length) picked.append(h("p", { className: "note" }, `The first ${SHOWN} are shown.`));
      const got = await fetch(`${base()}/mean.png`, { method: "POST", body: Uint32Array.from(own) });
      if (!got.ok || own !== chosenPoints) return;
      const image = await createImageBitmap(await got.blob());
      [mean.width, mean.height] = [image.width, image.height];
      mean.getContext("2d").drawImage(image, 0, 0);
    }

    // ---- whether it copies -----------------------------------------------------------------------------
    const by = () => pick("by", known.measures);
    const progress = h("progress", { max: 1, hidden: true }), result = h("div", { ariaLive: "polite" });
    const compare = h("button", { type: "button", onclick: () => change({ copies: "1" }) }, "Compare with training images");
    const measureBox = h("select", { ariaLabel: "Distance by", onchange: () => change({ by: measureBox.value }) }, ...known.measures.map((m) => h("option", { value: m, textContent: `by ${m}` })));
    let search = 0;
    async function drawCopies() {
      measureBox.value = by();
      const own = ++search;
      result.replaceChildren();
      compare.hidden = model.get("copies") === "1";
      if (!known.measures.length || !compare.hidden) return;
      for (;;) {
        const got = await fetch(`${api}/copies?by=${by()}`), found = await got.json();
        if (!alive || own !== search) return;
        if (found.error) {
          result.replaceChildren(h("p", { className: "problem" }, found.error));
          break;
        }
        if (found.progress === undefined) {
          showCopies(found);
          break;
        }
        progress.hidden = false;
        progress.value = found.progress;
        await sleep(300);
      }
      progress.hidden = true;
    }
    function showCopies({ pairs, tests, summary }) {
      const distances = pairs.map((pair) => pair.distance);
      const most = Math.max(...distances, ...tests) * 1.05 || 1;
      const line = h("canvas", { className: "line-plot", width: 1200, height: 150, role: "img", ariaLabel: "distances of test images and of samples" }), context = line.getContext("2d");
      const put = (value, row, shape, colour) => {
        context.save();
        context.translate(20 + 1160 * value / most, row);
        context.globalAlpha = 0.55;
        drawMark(context, shape, colour, 8, colours.panel);
        context.restore();
      };
      tests.forEach((value, k) => put(value, 30 + k % 4 * 10, 0, colours.real));
      distances.forEach((value, k) => put(value, 100 + k % 3 * 12, "diamond", colours.generated));
      const figures = [...pairs].sort((a, b) => a.nearer - b.nearer || a.distance - b.distance).map(({ sample, training, distance, nearer }) => {
        const show = (image) => {
          const node = h("canvas", { className: `pixels ${image.kind}`, role: "img", ariaLabel: image.caption });
          paint(node, Uint8Array.from(atob(image.pixels), (c) => c.charCodeAt(0)), image.shape);
          return node;
        };
        return h("figure", {}, h("div", { className: "two" }, show(sample), show(training)), h("figcaption", {}, `${sample.caption}: ${distance.toFixed(2)}; ${Math.round(100 * nearer)} % of test images are nearer`));
      });
      result.replaceChildren(h("p", {}, summary), h("p", { className: "note" }, `● test images above, ◆ samples below; from 0 to ${most.toFixed(1)}.`), line,
        h("p", { className: "note" }, "Each sample (dashed, orange) beside its nearest training image (blue), the most suspicious first."), h("div", { className: "pairs" }, ...figures));
    }
    if (known.measures.length) copies.append(h("h2", {}, "Is it copying?"), h("div", { className: "controls" }, compare, ...(known.measures.length > 1 ? [measureBox] : [])), progress, result);

    // ---- together --------------------------------------------------------------------------------------
    function explain() {
      const { title } = map, near = `Of each point's 10 nearest by ${space() === "codes" ? "code" : "features"}, ${Math.round(100 * layout.kept)} % are among its 10 nearest on this map.`;
      status.textContent = `${method() === "codes" ? title[0].toUpperCase() + title.slice(1) : `${NAMES[method()]} of ${title}`}. The model at ${whole(known.images)} images.`;
      explanation.replaceChildren(h("h2", {}, "How to read it"), ...[...layout.notes, near, ...map.notes].map((text) => h("p", { className: "note" }, text)));
      axes.textContent = layout.axes ? `→ ${layout.axes[0]}   ↑ ${layout.axes[1]}` : "";
    }
    function drawState() {
      for (const field of fields) field.fill();
      sizeBox.value = clamp(+get("size", 2) || 2, 1, 5);
      lasso.setAttribute("aria-pressed", model.get("tool") === "lasso");
      plot.classList.toggle("lassos", model.get("tool") === "lasso");
    }
    function prepare() {
      retry = false;
      shade = neighbours = null;
      drawState();
      measure();
      leave();
      findVisible();
      drawLegend();
      explain();
      draw();
      drawChosen();
      drawPicked();
    }
    const later = (keys, action) => {
      let waits = false;
      for (const key of keys) model.on(`change:${key}`, () => {
        if (waits) return;
        waits = true;
        queueMicrotask(() => {
          waits = false;
          if (alive) action();
        });
      });
    };
    later(["space", "set", "n"], () => { drawState(); load(true); });
    later(["method"], () => { if (map) load(false); });
    later(["view"], () => { if (layout) { readView(); redraw(); } });
    later(["show", "size", "colour", "tool"], () => { drawState(); if (layout) { glyphs.clear(); cells = null; drawLegend(); redraw(); } });
    later(["hide", "area"], () => { if (layout) { findVisible(); cells = null; drawLegend(); redraw(); drawPicked(); } });
    later(["at"], () => { drawOverlay(); drawChosen(); });
    later(["copies", "by"], drawCopies);
    readColours();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const recolour = () => { readColours(); glyphs.clear(); if (layout) { drawLegend(); redraw(); } };
    scheme.addEventListener("change", recolour);
    const watcher = new ResizeObserver(() => { if (layout) { measure(); redraw(); } });
    watcher.observe(plot);
    drawState();
    drawCopies();
    load(true);
    return () => {
      alive = false;
      scheme.removeEventListener("change", recolour);
      watcher.disconnect();
      clearTimeout(fullTimer);
      clearTimeout(speakTimer);
    };
  },
};
