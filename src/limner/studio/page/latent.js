// The space of codes: an image that follows the pointer, strips that show what each axis does, and pins.
import { ARROWS, ask, button, checkbox, checkedValues, clamp, count, decoder, field, Fields, group, h, later, notes, onDrag, paint, post, say, setSource, shares, state, statusLine } from "./kit.js";

const SPAN = 3; // standard deviations from the middle of the pad to its edge
const FAR = 10; // standard deviations that groups of pins may move a code
const SHOWN = 6; // strips at first
const MOST_PINS = 12;
const BASES = { mean: "the mean code", seed: "a seed", image: "a test image" };
const round = (v) => Math.round(v * 100) / 100;
const onPad = (v) => clamp(v, -SPAN, SPAN);

// The address holds "0:1.5,smile:-2": axes by their keys; the server gets [[0, 1.5], ["smile", -2]].
function readMoves(text) {
  const pairs = [...text.matchAll(/([^,]+):([^,:]+)/g)].map(([, key, units]) => [key, +units]);
  return new Map(pairs.filter(([, units]) => units && Number.isFinite(units)));
}
const writeMoves = (moves) => [...moves].filter(([, units]) => units).map(([key, units]) => `${key}:${round(units)}`).join(",");
const sent = (key) => (/^\d+$/.test(key) ? +key : key);
const sentMoves = (moves) => [...moves].map(([key, units]) => [sent(key), units]);
const query = (values) => new URLSearchParams(Object.entries(values).map(([key, value]) => [key, JSON.stringify(value)]));

// A pin: a place, and the group that it is in, "A", "B" or "".
function readPin(text) {
  const [base, number, label, truncation, moves = "", second = "", mixed = "", mark = ""] = text.split("!");
  const spot = { base, number: +number || 0, truncation: +truncation || 0, moves: sentMoves(readMoves(moves)) };
  if (label) spot.label = label;
  if (mixed) Object.assign(spot, { second: +second || 0, mixed: mixed.split(",") });
  return { spot, mark };
}

// Calls what it is given last, after a pause.
function pauser(pause) {
  let timer = 0;
  const run = (act) => {
    clearTimeout(timer);
    timer = setTimeout(act, pause);
  };
  return { run, stop: () => clearTimeout(timer) };
}

// The place that the address holds, on the axes that the model has.
class Space {
  constructor(model, plane) {
    Object.assign(this, { plane, ...state(model) });
    this.axes = []; // the one between groups, those with names, and those that were measured
    this.start = !plane.bases.includes("image") ? "seed" : plane.dim <= 2 ? "mean" : "image";
  }

  axis(key) {
    return this.axes.find((each) => each.key === key);
  }

  name(key) {
    return this.axis(key)?.name ?? key;
  }

  // The axis that the pad shows across, "x", or up, "y".
  shown(letter) {
    const i = letter === "x" ? 0 : 1, wanted = this.get(letter);
    if (this.axis(wanted)) return wanted;
    const variable = this.plane.dim <= 2 && this.axes.find((each) => each.name === `variable ${i + 1}`)?.key;
    return variable || (this.axis(`${i}`) ? `${i}` : "0");
  }

  get pair() {
    return [this.shown("x"), this.shown("y")];
  }

  get moves() {
    return readMoves(this.get("moves"));
  }

  get mixed() {
    const names = this.get("mixed").split(",");
    return this.plane.mixes.filter((name) => names.includes(name));
  }

  get pins() {
    return this.get("pins").split("~").filter(Boolean);
  }

  // The places of the pins in each group; null while one is empty.
  get groups() {
    const pins = this.pins.map(readPin);
    const [a, b] = ["A", "B"].map((name) => pins.filter(({ mark }) => mark === name).map(({ spot }) => spot));
    return a.length && b.length ? { a, b } : null;
  }

  // As the server reads it; without the moves along some axes.
  place(without = []) {
    const { groups, mixed } = this, label = this.plane.labels.length ? this.get("label") : "";
    const moves = [...this.moves].filter(([key]) => this.axis(key) && !without.includes(key));
    return {
      base: this.get("base", this.start), number: this.seed("number"), truncation: +this.get("truncation", 1), moves: sentMoves(moves),
      ...(mixed.length && { second: this.seed("second"), mixed }), ...(groups && { between: groups }), ...(label && { label }),
    };
  }

  // The place of a pin, on the axis between the groups as they are now.
  placeOf({ spot }) {
    const { groups } = this, key = this.plane.groups;
    return groups && this.usesGroups(spot) ? { ...spot, between: groups } : { ...spot, moves: spot.moves.filter(([each]) => each !== key) };
  }

  usesGroups(spot) {
    return spot.moves.some(([key]) => key === this.plane.groups);
  }

  moveTo(pairs) {
    this.change({ moves: writeMoves(new Map([...this.moves, ...pairs])) });
  }

  pin() {
    const { base, number, label = "", truncation } = this.place();
    const text = [base, number, label, truncation, writeMoves(this.moves), this.get("second"), this.mixed.join(","), ""].join("!");
    this.change({ pins: [...this.pins, text].slice(-MOST_PINS).join("~") });
  }

  // Put a pin into a group.
  mark(i, name) {
    const write = (text) => [...text.split("!"), "", "", ""].slice(0, 7).concat(name).join("!");
    this.change({ pins: this.pins.map((text, j) => (j === i ? write(text) : text)).join("~") });
  }

  drop(i) {
    this.change({ pins: this.pins.filter((_, j) => j !== i).join("~") });
  }
}

// ---- the image and the pad
function makeImage(model, space) {
  const canvas = h("canvas.pixels.image", { role: "img" }), problem = h("p.problem", { role: "alert", hidden: true });
  let timer = 0;
  const finish = () => {
    clearTimeout(timer);
    canvas.classList.remove("waits");
  };
  const { want } = decoder(model, {
    sent() {
      clearTimeout(timer);
      timer = setTimeout(() => canvas.classList.add("waits"), 400);
    },
    shown(image, number) {
      finish();
      paint(canvas, image);
      canvas.dataset.number = number;
      problem.hidden = true;
    },
    failed(text) {
      finish();
      say(problem, text);
    },
  });
  function describe() {
    const moves = [...space.moves].map(([key, units]) => `${space.name(key)} ${round(units)}`);
    canvas.ariaLabel = `image of ${BASES[space.get("base", space.start)]} ${moves.join(", ")}`;
  }
  return { canvas, problem, describe, ask: () => want(space.place()), leave: () => clearTimeout(timer) };
}

function makePad(space, api) {
  const dot = h("span.dot"), plan = h("img.pixels.plan", { alt: "", draggable: false, hidden: true, onload: () => { plan.hidden = false; } });
  const across = h("span.across"), up = h("span.up"), spoken = h("p.spoken", { ariaLive: "polite" });
  const move = (x, y) => {
    const [a, b] = space.pair;
    space.moveTo([[b, round(onPad(y))], [a, round(onPad(x))]]);
  };
  const at = () => space.pair.map((key) => space.moves.get(key) ?? 0);
  const pad = h("div.pad", {
    tabIndex: 0, role: "application",
    onkeydown(event) {
      const by = ARROWS[event.key], step = event.shiftKey ? 0.5 : 0.1;
      if (!space.axes.length || (!by && event.key !== "Home")) return;
      event.preventDefault();
      const [x, y] = at();
      if (by) move(x + by[0] * step, y - by[1] * step);
      else move(0, 0);
      spoken.textContent = space.pair.map((key, i) => `${space.name(key)} ${round(at()[i])}`).join(", ");
    },
  }, plan, dot);
  onDrag(pad, (event) => {
    const [x, y] = shares(event, pad);
    if (space.axes.length) move((2 * x - 1) * SPAN, (1 - 2 * y) * SPAN);
  });
  function draw() {
    const values = at(), texts = space.pair.map((key, i) => `${space.name(key)}: ${round(values[i])}`), known = space.axes.length > 0;
    dot.style.left = `${(onPad(values[0]) / SPAN + 1) * 50}%`;
    dot.style.top = `${(1 - onPad(values[1]) / SPAN) * 50}%`;
    [across.textContent, up.textContent] = known ? texts : ["", ""];
    pad.ariaLabel = known ? `Move along ${space.pair.map((key) => space.name(key)).join(" and ")} with the arrow keys` : "Axes are being measured";
  }
  const pause = pauser(300);
  // What the pad's places show, behind its dot.
  const drawPlan = () => pause.run(() => {
    if (!space.axes.length) return;
    const [x, y] = space.pair;
    const grid = { across: sent(x), up: sent(y), side: 7, span: (SPAN * 6) / 7 }; // the middle of each image lies where the pad has it
    setSource(plan, `${api}/grid.png?${query({ place: space.place([x, y]), grid })}`);
  });
  return { node: h("div.padbox", up, pad, across), spoken, draw, drawPlan, leave: pause.stop };
}

// ---- fields
function makeControls(space) {
  const { plane, get, change, start } = space, fields = new Fields(space);
  const base = () => get("base", start), truncation = () => +get("truncation", 1), value = h("output");
  const number = fields.seed("Number", "number"), second = fields.seed("Its number", "second");
  const next = button("Next", () => change({ number: space.seed("number") + 1 }));
  const boxes = plane.mixes.map((name) => checkbox(name, () => change({ mixed: checkedValues(boxes).join(",") })));
  const firstLabel = plane.needs_label ? [] : [["", "any"]];
  second.classList.add("inline");
  const range = fields.range("Truncation", "truncation", 0, 1.5, 0.05, truncation);
  range.append(value);
  const node = group("Place", fields.select("Start at", "base", () => plane.bases.map((each) => [each, BASES[each]]), base), number, next,
    fields.select("Class", "label", () => (plane.labels.length ? [...firstLabel, ...plane.labels.map((each) => [each])] : []),
      () => get("label", plane.needs_label ? plane.labels[0] : "")),
    plane.truncates && range,
    boxes.length > 0 && h("fieldset.mixing", h("legend", "Styles of another seed"), second, "in",
      boxes.map((box) => h("label.field.inline", box, h("span", box.value)))),
    button("Back to the start", () => change({ moves: "" })), button("Pin this image", () => space.pin()));
  fields.fill();
  function show() {
    fields.show();
    number.hidden = next.hidden = base() === "mean";
    value.textContent = truncation().toFixed(2);
    for (const box of boxes) box.checked = space.mixed.includes(box.value);
  }
  return { node, show };
}

// ---- strips
function makeStrips(space, api) {
  const node = h("div.strips"), more = button("More", () => space.change({ strips: wanted() + SHOWN }), { hidden: true });
  const wanted = () => +space.get("strips", SHOWN) || SHOWN, pause = pauser(150);
  let strips = [];
  function build() {
    const shown = space.axes.slice(0, wanted()), most = Math.max(...space.axes.map((axis) => axis.effect), 1e-12);
    more.hidden = shown.length >= space.axes.length;
    strips = shown.map(({ key, name, effect }) => {
      const range = h("input", { type: "range", min: -SPAN, max: SPAN, step: 0.1, ariaLabel: name, oninput: () => space.moveTo([[key, +range.value]]) });
      return { key, name, effect, range, value: h("output"), image: h("img.pixels", { alt: "", decoding: "async" }) };
    });
    node.replaceChildren(...strips.map(({ name, effect, range, value, image }) => h("div.strip",
      h("div.head", h("span", name), h("meter", { min: 0, max: 1, value: effect / most, ariaLabel: "effect on the image" }),
        h("span.effect", effect.toPrecision(2)), value), image, range)));
  }
  function draw() {
    const { moves } = space;
    for (const { key, range, value } of strips) {
      range.value = moves.get(key) ?? 0;
      value.textContent = `${round(moves.get(key) ?? 0)} σ`;
    }
  }
  const drawImages = () => pause.run(() => {
    for (const { key, image } of strips) {
      setSource(image, `${api}/strip.png?${query({ place: space.place([key]), strip: { axis: sent(key), steps: 7, span: SPAN } })}`);
    }
  });
  return { node, more, build, draw, drawImages, leave: pause.stop };
}

// ---- pins
function makePins(space, api, arithmetic) {
  const node = h("section.pins", { hidden: true });
  function pinned(pin, i) {
    const picture = h("img.pixels.pin", { alt: `pin ${i + 1}`, src: `${api}/path.png?${query({ places: [space.placeOf(pin)], steps: 1 })}` });
    const marks = ["A", "B"].map((name) => button(name, () => space.mark(i, pin.mark === name ? "" : name),
      { disabled: space.usesGroups(pin.spot), ariaLabel: `Pin ${i + 1} in group ${name}`, ariaPressed: `${pin.mark === name}` }));
    return h("span.pinned", picture, h("span.marks", button("×", () => space.drop(i), { ariaLabel: `Remove pin ${i + 1}` }), marks));
  }
  function draw() {
    const pins = space.pins.map(readPin);
    node.hidden = !pins.length;
    if (node.hidden) return;
    node.replaceChildren(h("h2", "Pins"), h("div.row", pins.map(pinned)), arithmetic);
    if (pins.length < 2) {
      node.append(...notes(["Pin another image to see what lies between."]));
      return;
    }
    const path = query({ places: pins.map((pin) => space.placeOf(pin)), steps: 8 });
    node.append(h("img.pixels.between", { alt: "images between the pins", src: `${api}/path.png?${path}` }),
      h("p", h("a", { href: `${api}/path.gif?${path}`, download: "path.gif" }, "Download as GIF")));
  }
  return { node, draw };
}

// What group A has and group B lacks: an axis, which can be stored. `draw` is called when the axes are others.
function makeGroups(space, api, draw, readAxes) {
  const { plane } = space, note = h("p.note", { role: "status" }), name = h("input", { type: "text", size: 12, placeholder: "smile" });
  let distance = 0, measured = null;
  const far = (sign) => space.moveTo([[plane.groups, clamp(sign * distance, -FAR, FAR)]]);
  const tools = h("div.controls", { hidden: true }, button(`Add ${plane.groups}`, () => far(1)), button("Subtract it", () => far(-1)),
    field("Name of this direction", name), button("Store it with the run", store));
  async function measure() {
    const { groups } = space, text = groups ? JSON.stringify(groups) : "";
    tools.hidden = !groups;
    if (text === measured) return;
    measured = text;
    space.axes = space.axes.filter((axis) => axis.key !== plane.groups);
    if (!groups) note.textContent = "Mark pins as A and as B: what A has and B lacks becomes an axis.";
    else {
      const axis = await ask(`${api}/groups?${query({ groups })}`);
      if (text !== measured) return;
      const problem = axis.error || axis.problem;
      tools.hidden = Boolean(problem);
      note.textContent = problem || `The means of A and B are ${round(axis.distance)} standard deviations apart. The axis ${plane.groups} is the first below. Storing it writes into ${plane.file}, as limner directions --name does.`;
      if (!problem) {
        ({ distance } = axis);
        space.axes.unshift(axis);
      }
    }
    draw();
  }
  async function store() {
    const word = name.value.trim();
    if (!/^[A-Za-z_][\w-]*$/.test(word) || space.axis(word)) {
      note.textContent = space.axis(word) ? `There is a direction ${word}: take another name.` : "A name is a word such as smile.";
      name.focus();
      return;
    }
    const { error, description } = await post(`${api}/directions`, { name: word, groups: space.groups });
    note.textContent = error ?? `Stored as ${word} in ${plane.file} (${description}).`;
    if (!error) await readAxes();
  }
  return { node: h("div", note, tools), measure };
}

async function render({ model, el }) {
  const api = model.get("api"), busy = statusLine("Opening the model…");
  el.append(h("h1", model.get("run")), busy);
  const { plane, images, error, why } = await ask(`${api}/abilities`);
  if (!plane) {
    busy.textContent = error ?? why;
    return null;
  }
  const space = new Space(model, plane), image = makeImage(model, space), pad = makePad(space, api);
  const controls = makeControls(space), strips = makeStrips(space, api);
  const axes = new Fields(space), pairs = () => space.axes.map(({ key, name }) => [key, name]);
  const axisFields = h("div.controls", axes.select("Left and right", "x", pairs, () => space.shown("x")), axes.select("Up and down", "y", pairs, () => space.shown("y")));
  const groups = makeGroups(space, api, drawAxes, readAxes), pins = makePins(space, api, groups.node);

  async function readAxes() {
    const measured = await ask(`${api}/axes`);
    if (measured.error) return measured;
    const all = measured.axes.map((axis) => ({ ...axis, key: `${axis.key}` })), isNamed = ({ key }) => !/^\d+$/.test(key);
    space.axes = [...space.axes.filter(({ key }) => key === plane.groups), ...all.filter(isNamed), ...all.filter((axis) => !isNamed(axis))];
    drawAxes();
    return measured;
  }
  function drawAxes() {
    if (space.axes.every(({ key }) => key === plane.groups)) return; // none are measured yet
    axes.fill();
    drawStrips();
  }
  function drawStrips() {
    strips.build();
    move();
  }
  function move() {
    image.ask(); // before the page is drawn, so that the answer is on its way meanwhile
    controls.show();
    axes.show();
    for (const part of [pad, strips]) part.draw();
    image.describe();
    strips.drawImages();
    pad.drawPlan();
  }
  later(model, "base number label truncation moves second mixed x y", move);
  model.on("change:pins", () => {
    pins.draw();
    groups.measure();
  });
  model.on("change:strips", drawStrips);
  el.append(image.problem, controls.node, h("div.stage", h("figure", image.canvas), h("div", pad.node, axisFields)),
    pad.spoken, pins.node, h("h2", "What each axis does"), ...notes(["The strips show the image while one axis moves from −3 to 3 standard deviations. Directions with names stand first, the others by their effect."]), strips.node, strips.more);
  move();
  pins.draw();
  groups.measure();
  const title = `The model at ${count(images)} images.`;
  busy.textContent = `${title} Measuring what each direction does…`;
  const measured = await readAxes();
  busy.textContent = measured.error ?? [title, ...measured.notes].join(" ");
  return () => [image, pad, strips].forEach((part) => part.leave());
}

export default { render };
