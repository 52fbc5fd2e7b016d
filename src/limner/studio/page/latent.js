// The space of codes: an image that follows the pointer, strips that show what each axis does, and pins.
const SPAN = 3; // standard deviations from the middle of the pad to its edge
const SHOWN = 6; // strips at first

const h = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const round = (v) => Math.round(v * 100) / 100;

// The address holds "0:1.5,smile:-2": axes by their keys; the server gets [[0, 1.5], ["smile", -2]].
const readMoves = (text) => new Map(text.split(",").filter((part) => part.includes(":")).map((part) => [part.slice(0, part.lastIndexOf(":")), +part.slice(part.lastIndexOf(":") + 1)])
  .filter(([key, units]) => key && Number.isFinite(units)));
const writeMoves = (moves) => [...moves].filter(([, units]) => units).map(([key, units]) => `${key}:${round(units)}`).join(",");
const sent = (key) => (/^\d+$/.test(key) ? +key : key);

// A pin: a place, and the group that it is in, "A", "B" or "".
function readPin(text) {
  const [base, number, label, truncation, moves = "", second = "", mixed = "", group = ""] = text.split("!");
  const spot = { base, number: +number || 0, truncation: +truncation || 0, moves: [...readMoves(moves)].map(([key, units]) => [sent(key), units]) };
  if (label) spot.label = label;
  if (mixed) Object.assign(spot, { second: +second || 0, mixed: mixed.split(",") });
  return { spot, group };
}

// One image (n, C, H, W) uint8 on a canvas.
function paint(canvas, bytes, channels, height, width) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const size = height * width;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[(channels === 1 ? 0 : c * size) + i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

export default {
  async render({ model, el }) {
    const api = model.get("api");
    el.append(h("h1", {}, model.get("run")));
    const busy = h("p", { className: "status", role: "status" }, "Opening the model…");
    el.append(busy);
    const answer = await fetch(`${api}/abilities`);
    const known = await answer.json();
    if (!answer.ok || !known.plane) {
      busy.textContent = known.error ?? known.why;
      return;
    }
    const { plane } = known;
    const get = (key, usual) => model.get(key) || usual;
    const change = (values) => {
      for (const [key, value] of Object.entries(values)) model.set(key, `${value}`);
      model.save_changes();
    };

    // ---- the place ------------------------------------------------------------------------------------
    let axes = []; // the one between groups, those with names, and those that were measured
    const axisOf = (key) => axes.find((each) => each.key === `${key}`);
    const mixed = () => plane.mixes.filter((name) => model.get("mixed").split(",").includes(name));
    const readPins = () => model.get("pins").split("~").filter(Boolean);
    const groups = () => {
      const [a, b] = ["A", "B"].map((name) => readPins().map(readPin).filter((pin) => pin.group === name).map((pin) => pin.spot));
      return a.length && b.length ? { a, b } : null;
    };
    const start = plane.dim <= 2 && plane.bases.includes("image") ? "mean" : plane.bases.includes("image") ? "image" : "seed";
    const moves = () => readMoves(model.get("moves"));
    const place = (more = []) => {
      const merged = new Map([...moves(), ...more]);
      const chosen = {
        base: get("base", start), number: +get("number", 0) || 0, truncation: +get("truncation", 1),
        moves: [...merged].filter(([key, units]) => units && axisOf(key)).map(([key, units]) => [sent(key), units]),
      };
      if (mixed().length) Object.assign(chosen, { second: +get("second", 0) || 0, mixed: mixed() });
      if (groups()) chosen.between = groups();
      return plane.labels.length && model.get("label") ? { ...chosen, label: model.get("label") } : chosen;
    };
    const moveTo = (pairs) => change({ moves: writeMoves(new Map([...moves(), ...pairs])) });

    // ---- the image ------------------------------------------------------------------------------------
    const canvas = h("canvas", { className: "pixels image", role: "img" });
    const problem = h("p", { className: "problem", role: "alert", hidden: true });
    let number = 0, inFlight = 0, again = false, timer = 0;
    function ask() {
      if (inFlight) {
        again = true;
        return;
      }
      inFlight = number = (number + 1) % 2 ** 31 || 1;
      model.send({ number, places: [place()] });
      clearTimeout(timer);
      timer = setTimeout(() => canvas.classList.add("waits"), 400);
    }
    function arrived() {
      inFlight = 0;
      clearTimeout(timer);
      canvas.classList.remove("waits");
      if (again) {
        again = false;
        ask();
      }
    }
    model.on("msg:custom", (message, [view]) => {
      if (view) {
        if (view.getUint32(0, true) !== inFlight) return;
        const [channels, height, width] = [6, 8, 10].map((at) => view.getUint16(at, true));
        paint(canvas, new Uint8Array(view.buffer, 12), channels, height, width);
        canvas.dataset.number = inFlight;
        problem.hidden = true;
      } else if (message.error || message.kind === "closed") {
        problem.hidden = false;
        problem.textContent = message.error ?? "The studio does not answer: is it still running?";
        if (message.kind === "closed") again = false;
      }
      arrived();
    });

    // ---- the pad --------------------------------------------------------------------------------------
    const dot = h("span", { className: "dot" });
    const plan = h("img", { className: "pixels plan", alt: "", draggable: false, hidden: true });
    plan.addEventListener("load", () => { plan.hidden = false; });
    const pad = h("div", { className: "pad", tabIndex: 0, role: "application" }, plan, dot);
    const across = h("span", { className: "across" }), up = h("span", { className: "up" });
    const spoken = h("p", { className: "spoken", ariaLive: "polite" });
    const axis = (key, usual) => (axisOf(get(key, "")) ? get(key, "") : usual);
    const usualX = () => (plane.dim <= 2 && axes.find((a) => a.name === "variable 1")?.key) || "0";
    const usualY = () => (plane.dim <= 2 && axes.find((a) => a.name === "variable 2")?.key) || (axisOf("1") ? "1" : "0");
    const x = () => axis("x", usualX()), y = () => axis("y", usualY());
    const nameOf = (key) => axisOf(key)?.name ?? key;
    const clamp = (v) => Math.max(-SPAN, Math.min(SPAN, v));
    function drag(event) {
      const box = pad.getBoundingClientRect();
      const h_ = clamp(((event.clientX - box.left) / box.width * 2 - 1) * SPAN);
      const v = clamp(-((event.clientY - box.top) / box.height * 2 - 1) * SPAN);
      moveTo([[y(), round(v)], [x(), round(h_)]]);
    }
    pad.addEventListener("pointerdown", (event) => {
      if (!axes.length) return;
      pad.setPointerCapture(event.pointerId);
      drag(event);
    });
    pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && drag(event));
    pad.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 0.5 : 0.1;
      const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
      if (!axes.length || (!by && event.key !== "Home")) return;
      event.preventDefault();
      const now = moves();
      const [a, b] = by ? [clamp((now.get(x()) ?? 0) + by[0]), clamp((now.get(y()) ?? 0) + by[1])] : [0, 0];
      moveTo([[y(), round(b)], [x(), round(a)]]);
      spoken.textContent = `${nameOf(x())} ${round(a)}, ${nameOf(y())} ${round(b)}`;
    });

    // ---- controls -------------------------------------------------------------------------------------
    const select = (text, key, choices, usual) => {
      const box = h("select", { onchange: () => change({ [key]: box.value }) });
      const node = h("label", { className: "field" }, h("span", {}, text), box);
      const fill = () => {
        box.replaceChildren(...choices().map(([value, name]) => h("option", { value, textContent: name })));
        box.value = get(key, `${usual()}`);
      };
      fill();
      return { node, fill, show: () => { box.value = get(key, `${usual()}`); } };
    };
    const names = { mean: "the mean code", seed: "a seed", image: "a test image" };
    const base = select("Start at", "base", () => plane.bases.map((b) => [b, names[b]]), () => start);
    const numberBox = h("input", { type: "number", min: 0, max: 999999, step: 1 });
    const numberField = h("label", { className: "field" }, h("span", {}, "Number"), numberBox);
    const setNumber = (n) => change({ number: Math.max(0, Math.min(999999, Math.round(n) || 0)) });
    numberBox.addEventListener("change", () => setNumber(+numberBox.value));
    const other = h("button", { type: "button", onclick: () => setNumber((+get("number", 0) || 0) + 1) }, "Next");
    const fields = [base];
    const controls = h("div", { className: "controls", role: "group", ariaLabel: "Place" }, base.node, numberField, other);
    if (plane.labels.length) {
      const label = select("Class", "label", () => [...(plane.needs_label ? [] : [["", "any"]]), ...plane.labels.map((l) => [l, l])],
        () => (plane.needs_label ? plane.labels[0] : ""));
      fields.push(label);
      controls.append(label.node);
    }
    const truncation = h("input", { type: "range", min: 0, max: 1.5, step: 0.05 });
    const truncationValue = h("output");
    truncation.addEventListener("input", () => change({ truncation: truncation.value }));
    if (plane.truncates) controls.append(h("label", { className: "field" }, h("span", {}, "Truncation"), truncation, truncationValue));
    const secondBox = h("input", { type: "number", min: 0, max: 999999, step: 1 });
    secondBox.addEventListener("change", () => change({ second: Math.max(0, Math.min(999999, Math.round(+secondBox.value) || 0)) }));
    const mixBoxes = plane.mixes.map((name) => h("input", { type: "checkbox", value: name, onchange: () => {
      change({ mixed: mixBoxes.filter((box) => box.checked).map((box) => box.value).join(",") });
    } }));
    if (plane.mixes.length) {
      controls.append(h("fieldset", { className: "mixing" }, h("legend", {}, "Styles of another seed"),
        h("label", { className: "field inline" }, h("span", {}, "Its number"), secondBox), "in",
        ...mixBoxes.map((box) => h("label", { className: "field inline" }, box, h("span", {}, box.value)))));
    }
    const reset = h("button", { type: "button", onclick: () => change({ moves: "" }) }, "Back to the start");
    const pin = h("button", { type: "button", onclick: () => addPin() }, "Pin this image");
    controls.append(reset, pin);
    const axisX = select("Left and right", "x", () => axes.map((a) => [a.key, a.name]), () => usualX());
    const axisY = select("Up and down", "y", () => axes.map((a) => [a.key, a.name]), () => usualY());

    // ---- strips ---------------------------------------------------------------------------------------
    const strips = h("div", { className: "strips" });
    const more = h("button", { type: "button", hidden: true, onclick: () => change({ strips: `${+get("strips", SHOWN) + SHOWN}` }) }, "More");
    let rows = [];
    function drawStrips() {
      const shown = axes.slice(0, +get("strips", SHOWN) || SHOWN);
      more.hidden = shown.length >= axes.length;
      const most = Math.max(...axes.map((a) => a.effect), 1e-12);
      rows = [];
      for (let i = 0; i < shown.length; i++) {
        const { key } = shown[i];
        const image = h("img", { className: "pixels", alt: "", decoding: "async" });
        const range = h("input", { type: "range", min: -SPAN, max: SPAN, step: 0.1, ariaLabel: axes[i].name });
        range.addEventListener("input", () => moveTo([[key, +range.value]]));
        const value = h("output");
        const bar = h("meter", { min: 0, max: 1, value: axes[i].effect / most, ariaLabel: "effect on the image" });
        const heads = h("div", { className: "head" }, h("span", {}, axes[i].name), bar,
          h("span", { className: "effect" }, axes[i].effect.toPrecision(2)), value);
        rows.push({ node: h("div", { className: "strip" }, heads, image, range), image, range, value, key });
      }
      strips.replaceChildren(...rows.map((row) => row.node));
      ask();
      drawPlace();
    }
    let stripTimer = 0;
    function drawStripImages() {
      clearTimeout(stripTimer);
      stripTimer = setTimeout(() => rows.forEach((row) => {
        const at = place();
        at.moves = at.moves.filter(([a]) => `${a}` !== row.key);
        const query = new URLSearchParams({ place: JSON.stringify(at), strip: JSON.stringify({ axis: sent(row.key), steps: 7, span: SPAN }) });
        const source = `${api}/strip.png?${query}`;
        if (row.image.getAttribute("src") !== source) row.image.src = source;
      }), 150);
    }
    // what the pad's places show, behind its dot
    let planTimer = 0;
    function drawPlan() {
      clearTimeout(planTimer);
      planTimer = setTimeout(() => {
        const at = place();
        at.moves = at.moves.filter(([a]) => `${a}` !== x() && `${a}` !== y());
        const grid = { across: sent(x()), up: sent(y()), side: 7, span: (SPAN * 6) / 7 }; // the middle of each image lies where the pad has it
        const source = `${api}/grid.png?${new URLSearchParams({ place: JSON.stringify(at), grid: JSON.stringify(grid) })}`;
        if (axes.length && plan.getAttribute("src") !== source) plan.src = source;
      }, 300);
    }

    // ---- pins -----------------------------------------------------------------------------------------
    const pinned = h("section", { className: "pins", hidden: true });
    const usesGroups = (spot) => spot.moves.some(([key]) => key === plane.groups);
    const between = (spot) => (groups() && usesGroups(spot) ? { ...spot, between: groups() } : { ...spot, moves: spot.moves.filter(([key]) => key !== plane.groups) });
    function addPin() {
      const now = place();
      const text = [now.base, now.number, now.label ?? "", now.truncation, writeMoves(moves()), get("second", ""), mixed().join(","), ""].join("!");
      change({ pins: [...readPins(), text].slice(-12).join("~") });
    }
    const writePin = (i, group) => change({ pins: readPins().map((text, j) => (j === i ? [...text.split("!"), "", "", ""].slice(0, 7).concat(group).join("!") : text)).join("~") });
    function drawPins() {
      const pins = readPins();
      pinned.hidden = !pins.length;
      if (!pins.length) return;
      const parts = pins.map((text, i) => {
        const { spot, group } = readPin(text);
        const query = new URLSearchParams({ places: JSON.stringify([between(spot)]), steps: 1 });
        const picture = h("img", { className: "pixels pin", alt: `pin ${i + 1}`, src: `${api}/path.png?${query}` });
        const drop = h("button", { type: "button", ariaLabel: `Remove pin ${i + 1}`, onclick: () => change({ pins: readPins().filter((_, j) => j !== i).join("~") }) }, "×");
        const marks = ["A", "B"].map((name) => {
          const mark = h("button", { type: "button", disabled: usesGroups(spot), onclick: () => writePin(i, group === name ? "" : name) }, name);
          mark.setAttribute("aria-label", `Pin ${i + 1} in group ${name}`);
          mark.setAttribute("aria-pressed", `${group === name}`);
          return mark;
        });
        return h("span", { className: "pinned" }, picture, h("span", { className: "marks" }, drop, ...marks));
      });
      pinned.replaceChildren(h("h2", {}, "Pins"), h("div", { className: "row" }, ...parts), arithmetic);
      if (pins.length < 2) {
        pinned.append(h("p", { className: "note" }, "Pin another image to see what lies between."));
        return;
      }
      const query = new URLSearchParams({ places: JSON.stringify(pins.map((text) => between(readPin(text).spot))), steps: 8 });
      pinned.append(
        h("img", { className: "pixels between", alt: "images between the pins", src: `${api}/path.png?${query}` }),
        h("p", {}, h("a", { href: `${api}/path.gif?${query}`, download: "path.gif" }, "Download as GIF")));
    }

    // ---- groups ---------------------------------------------------------------------------------------
    const groupNote = h("p", { className: "note", role: "status" });
    const nameBox = h("input", { type: "text", size: 12, placeholder: "smile" });
    const store = h("button", { type: "button", onclick: () => storeDirection() }, "Store it with the run");
    let distance = 0, measuredGroups = null;
    const far = (sign) => moveTo([[plane.groups, Math.max(-10, Math.min(10, sign * distance))]]);
    const grouped = h("div", { className: "controls", hidden: true },
      h("button", { type: "button", onclick: () => far(1) }, `Add ${plane.groups}`), h("button", { type: "button", onclick: () => far(-1) }, "Subtract it"),
      h("label", { className: "field" }, h("span", {}, "Name of this direction"), nameBox), store);
    const arithmetic = h("div", {}, groupNote, grouped);
    const askGroups = async (path, options) => {
      const answer = await fetch(`${api}/${path}`, options);
      const content = await answer.json();
      if (!answer.ok) throw new Error(content.error);
      return content;
    };
    async function measureGroups() {
      const both = groups(), text = both ? JSON.stringify(both) : "";
      grouped.hidden = !both;
      if (text === measuredGroups) return;
      measuredGroups = text;
      axes = axes.filter((each) => each.key !== plane.groups);
      if (!both) groupNote.textContent = "Mark pins as A and as B: what A has and B lacks becomes an axis.";
      else {
        try {
          const found = await askGroups(`groups?${new URLSearchParams({ groups: text })}`);
          if (text !== measuredGroups) return;
          if (found.problem) throw new Error(found.problem);
          ({ distance } = found);
          axes = [found, ...axes];
          groupNote.textContent = `The means of A and B are ${round(distance)} standard deviations apart. The axis ${plane.groups} is the first below. Storing it writes into ${plane.file}, as limner directions --name does.`;
        } catch (error) {
          grouped.hidden = true;
          groupNote.textContent = error.message;
        }
      }
      drawAxes();
    }
    async function storeDirection() {
      const name = nameBox.value.trim();
      if (!/^[A-Za-z_][\w-]*$/.test(name) || axisOf(name)) {
        groupNote.textContent = axisOf(name) ? `There is a direction ${name}: take another name.` : "A name is a word such as smile.";
        nameBox.focus();
        return;
      }
      try {
        const body = JSON.stringify({ name, groups: groups() });
        const { description } = await askGroups("directions", { method: "POST", body });
        groupNote.textContent = `Stored as ${name} in ${plane.file} (${description}).`;
        await readAxes();
      } catch (error) {
        groupNote.textContent = error.message;
      }
    }
    async function readAxes() {
      const measured = await (await fetch(`${api}/axes`)).json();
      if (measured.error) return measured;
      const all = measured.axes.map((each) => ({ ...each, key: `${each.key}` }));
      const named = all.filter((each) => !/^\d+$/.test(each.key));
      axes = [...axes.filter((each) => each.key === plane.groups), ...named, ...all.filter((each) => !named.includes(each))];
      drawAxes();
      return measured;
    }
    function drawAxes() {
      if (!axes.some((each) => each.key !== plane.groups)) return; // none are measured yet
      for (const field of [axisX, axisY]) field.fill();
      drawStrips();
      drawStripImages();
      drawPlan();
    }

    // ---- together -------------------------------------------------------------------------------------
    function drawPlace() {
      const now = moves();
      const [a, b] = [now.get(x()) ?? 0, now.get(y()) ?? 0];
      dot.style.left = `${(clamp(a) / SPAN + 1) * 50}%`;
      dot.style.top = `${(1 - clamp(b) / SPAN) * 50}%`;
      across.textContent = axes.length ? `${nameOf(x())}: ${round(a)}` : "";
      up.textContent = axes.length ? `${nameOf(y())}: ${round(b)}` : "";
      pad.setAttribute("aria-label", axes.length ? `Move along ${nameOf(x())} and ${nameOf(y())} with the arrow keys` : "Axes are being measured");
      numberBox.value = get("number", 0);
      numberField.hidden = other.hidden = get("base", start) === "mean";
      truncation.value = get("truncation", 1);
      truncationValue.textContent = (+get("truncation", 1)).toFixed(2);
      secondBox.value = get("second", 0);
      for (const box of mixBoxes) box.checked = mixed().includes(box.value);
      for (const row of rows) {
        row.range.value = now.get(row.key) ?? 0;
        row.value.textContent = `${round(now.get(row.key) ?? 0)} σ`;
      }
      const words = [...now].filter(([, units]) => units).map(([key, units]) => `${nameOf(key)} ${round(units)}`);
      canvas.setAttribute("aria-label", `image of ${names[get("base", start)]} ${words.join(", ")}`);
    }
    const keys = ["base", "number", "label", "truncation", "moves", "second", "mixed", "x", "y"];
    let queued = false;
    for (const key of keys) model.on(`change:${key}`, () => {
      if (queued) return;
      queued = true;
      queueMicrotask(() => {
        queued = false;
        ask(); // before the page is drawn, so that the answer is on its way meanwhile
        for (const field of fields) field.show();
        drawPlace();
        drawStripImages();
        drawPlan();
      });
    });
    model.on("change:pins", () => {
      drawPins();
      measureGroups();
    });
    model.on("change:strips", () => { drawStrips(); drawStripImages(); });
    const padBox = h("div", { className: "padbox" }, up, pad, across);
    el.append(problem, controls, h("div", { className: "stage" }, h("figure", {}, canvas), h("div", {}, padBox, h("div", { className: "controls" }, axisX.node, axisY.node))),
      spoken, pinned, h("h2", {}, "What each axis does"), h("p", { className: "note" }, "The strips show the image while one axis moves from −3 to 3 standard deviations. Directions with names stand first, the others by their effect."), strips, more);
    ask();
    drawPlace();
    drawPins();
    measureGroups();
    busy.textContent = `The model at ${known.images.toLocaleString("en")} images. Measuring what each direction does…`;
    fields.push(axisX, axisY);
    const measured = await readAxes();
    busy.textContent = measured.error ?? [`The model at ${known.images.toLocaleString("en")} images.`, ...measured.notes].join(" ");
    return () => {
      clearTimeout(planTimer);
      clearTimeout(timer);
      clearTimeout(stripTimer);
    };
  },
};
