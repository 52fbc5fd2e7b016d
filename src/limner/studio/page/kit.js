// What the views share: elements and fields, numbers, images, the state in the address, questions to the studio.
export const LOST = "The studio does not answer: is it still running?";
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MOST_SEED = 999999;

// ---- numbers
export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
export const count = (n) => n.toLocaleString("en");
export const words = (name) => name.replaceAll("_", " ");
export const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
export const plural = (n, name) => `${count(n)} ${name}${n === 1 ? "" : "s"}`;
export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
export function short(n, digits = 4, least = 1e-3) {
  if (n === null) return "not finite";
  return Math.abs(n) >= 1e5 || (n && Math.abs(n) < least) ? n.toExponential(digits - 2) : `${+n.toPrecision(digits)}`;
}

// ---- elements
// h("p.note", { title: "..." }, child, [child, ...]): properties are optional, those with a dash are attributes;
// a child that is "", false, null or undefined is left out.
export function h(kind, ...rest) {
  const [tag, ...classes] = kind.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  const properties = rest[0]?.constructor === Object ? rest.shift() : {};
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...rest.flat(Infinity).filter(Boolean));
  return node;
}

export const button = (text, onclick, properties) => h("button", { type: "button", onclick, ...properties }, text);
export const field = (text, ...boxes) => h("label.field", h("span", text), boxes);
export const group = (label, ...children) => h("div.controls", { role: "group", ariaLabel: label }, children);
export const progressBar = (label) => h("progress", { max: 1, ariaLabel: label });
export const checkbox = (value, onchange, properties) => h("input", { type: "checkbox", value, onchange, ...properties });
export const checkedValues = (boxes) => boxes.filter((box) => box.checked).map((box) => box.value);
export const statusLine = (text) => h("p.status", { role: "status" }, text);
export const lostLine = () => h("p.lost", { hidden: true }, LOST);
export const problemLine = (text) => h("p.problem", { role: "alert", hidden: !text }, text);
export const notes = (texts) => texts.map((text) => h("p.note", text));
const LIGHTS = { healthy: "●", trouble: "▲", early: "○", unknown: "–" };
export const light = (kind, text) => h("p.light", { "data-light": kind }, h("span", { ariaHidden: "true" }, LIGHTS[kind]), ` ${text}`);
export const facts = (pairs) => h("dl", pairs.flatMap(([name, text]) => [h("dt", name), h("dd", text)]));
export const row = (head, ...cells) => h("tr", h("th", { scope: "row" }, head), cells.map((cell) => h("td", cell)));

export function say(node, text) {
  node.hidden = !text;
  node.textContent = text ?? "";
}

// Where an image is dropped, pasted or chosen; `take` gets the file and where it comes from, or `refuse` is called.
export function imageZone(id, take, refuse, ...children) {
  const isImage = (file) => file?.type.startsWith("image/"), give = (file) => (isImage(file) ? take(file, file.name) : refuse());
  const input = h("input.away", { type: "file", accept: "image/*", id, onchange() {
    if (input.files[0]) give(input.files[0]);
    input.value = "";
  } });
  const over = (is) => (event) => {
    event.preventDefault();
    node.classList.toggle("over", is);
    if (event.type === "drop") give(event.dataTransfer.files[0]);
  };
  const node = h("div.zone", { ondragover: over(true), ondragleave: over(false), ondrop: over(false) },
    h("p", "Drop an image here, paste one, or "), h("p", input, h("label.button", { htmlFor: id }, "Choose an image")), children);
  const paste = (event) => {
    const file = [...event.clipboardData.files].find(isImage);
    if (file) take(file, "pasted");
  };
  document.addEventListener("paste", paste);
  return { node, leave: () => document.removeEventListener("paste", paste) };
}

// Call `act` with what a pointer does on an element from where it is pressed, until it is let go.
export function onDrag(node, act) {
  node.onpointerdown = (event) => {
    node.setPointerCapture(event.pointerId);
    act(event, true);
  };
  node.onpointermove = (event) => { if (node.hasPointerCapture(event.pointerId)) act(event, false); };
}

// Where a pointer is on an element, in shares of its sides.
export function shares({ clientX, clientY }, node) {
  const { left, top, width, height } = node.getBoundingClientRect();
  return [(clientX - left) / width, (clientY - top) / height];
}

// ---- images
// An image { shape: [C, H, W], pixels: bytes, or their base64 } on a canvas.
export function paint(canvas, { shape: [channels, height, width], pixels }) {
  const bytes = typeof pixels === "string" ? Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0)) : pixels;
  const size = width * height, step = channels === 1 ? 0 : size;
  return fillPixels(Object.assign(canvas, { width, height }), (data) => {
    for (let i = 0; i < size; i++) {
      for (let c = 0; c < 3; c++) data[4 * i + c] = bytes[c * step + i];
      data[4 * i + 3] = 255;
    }
  });
}

// `write` gets the pixels of a canvas as bytes, four for each.
export function fillPixels(canvas, write) {
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  write(image.data);
  context.putImageData(image, 0, 0);
  return canvas;
}

// A file of an image on a canvas; throws where the browser cannot read it.
export async function drawFile(canvas, file, options) {
  const image = await createImageBitmap(file, options), { width, height } = image;
  Object.assign(canvas, { width, height }).getContext("2d").drawImage(image, 0, 0);
}

export const painted = (image, ariaLabel = image.caption) => paint(h("canvas.pixels", { role: "img", ariaLabel }), image);
export const setSource = (image, source) => { if (image.getAttribute("src") !== source) image.src = source; };

// Decodes the place that was wanted last, one at a time: `shown` gets the image and its number, `failed` a text.
export function decoder(model, { sent, shown, failed }) {
  let number = 0, inFlight = 0, wanted = null;
  function send() {
    inFlight = number = (number + 1) % 2 ** 31 || 1;
    model.send({ number, places: [wanted] });
    wanted = null;
    sent?.();
  }
  model.on("msg:custom", (message, [data]) => {
    if (data && data.getUint32(0, true) !== inFlight) return;
    inFlight = 0;
    if (data) shown({ shape: [6, 8, 10].map((at) => data.getUint16(at, true)), pixels: new Uint8Array(data.buffer, 12) }, number);
    else failed(message.error ?? LOST);
    if (message.kind === "closed") wanted = null;
    if (wanted) send();
  });
  const want = (place) => {
    wanted = place;
    if (!inFlight) send();
  };
  return { want, drop: () => { wanted = null; } };
}

// ---- the state in the address
export function state(model) {
  const get = (key, usual = "") => model.get(key) || usual;
  const change = (values) => {
    for (const [key, value] of Object.entries(values)) model.set(key, `${value}`);
    model.save_changes();
  };
  const pick = (key, choices) => (choices.includes(get(key)) ? get(key) : choices[0]);
  const whole = (key, usual, low, high) => {
    const value = Math.round(+get(key, usual));
    return clamp(Number.isFinite(value) ? value : usual, low, high);
  };
  const seed = (key) => whole(key, 0, 0, MOST_SEED);
  return { get, change, pick, whole, seed };
}

// Fields for keys of the address: `show` shows the values, `fill` also gives selects their choices, [value, name] or
// [value], and hides those without any.
export class Fields {
  constructor(address) {
    Object.assign(this, { address, all: [] });
  }

  add(text, box, value, choices) {
    const node = field(text, box);
    this.all.push({ node, box, value, choices });
    return node;
  }

  select(text, key, choices, value = () => this.address.get(key), alsoChanges = {}) {
    const box = h("select", { onchange: () => this.address.change({ ...alsoChanges, [key]: box.value }) });
    return this.add(text, box, value, choices);
  }

  range(text, key, min, max, step, value) {
    const box = h("input", { type: "range", min, max, step, oninput: () => this.address.change({ [key]: box.value }) });
    return this.add(text, box, value);
  }

  seed(text, key, alsoChanges = {}) {
    const change = () => this.address.change({ ...alsoChanges, [key]: clamp(Math.round(+box.value) || 0, 0, MOST_SEED) });
    const box = h("input", { type: "number", min: 0, max: MOST_SEED, step: 1, onchange: change });
    return this.add(text, box, () => this.address.seed(key));
  }

  show() {
    for (const { box, value } of this.all) box.value = value();
  }

  fill() {
    for (const { node, box, choices } of this.all) {
      if (!choices) continue;
      const pairs = choices();
      box.replaceChildren(...pairs.map(([value, name = value]) => h("option", { value }, name)));
      node.hidden = !pairs.length;
    }
    this.show();
  }
}

export const cleared = (keys) => Object.fromEntries(keys.map((key) => [key, ""]));

// Calls `act` once for changes of some keys, "x y", that come together.
export function later(model, keys, act) {
  let waits = false;
  for (const key of keys.split(" ")) model.on(`change:${key}`, () => {
    if (waits) return;
    waits = true;
    queueMicrotask(() => {
      waits = false;
      act();
    });
  });
}

// ---- questions to the studio
export const runApi = (run) => `/api/runs/${encodeURIComponent(run)}`;
export const linkTo = (view, run, query = "") => `#${view}/${encodeURIComponent(run)}${query && `?${query}`}`;

// The answer: JSON, or what else it is as a Blob; `error` says in a line why there is none.
export async function ask(address, options) {
  try {
    const reply = await fetch(address, options);
    const isJson = reply.headers.get("content-type")?.includes("json");
    const content = await (isJson ? reply.json() : reply.blob());
    return reply.ok ? content : { error: content.error ?? LOST };
  } catch {
    return { error: LOST };
  }
}
export const post = (address, content = {}, options = {}) => ask(address, { method: "POST", body: JSON.stringify(content), ...options });

// Asks until the answer is there, and tells `report` the share that is done; null where `isWanted` says no.
export async function poll(address, report, isWanted) {
  for (;;) {
    const content = await ask(address);
    if (!isWanted()) return null;
    if (content.progress === undefined) return content;
    report(content.progress);
    await sleep(200);
  }
}

// Events of an address, each for the function of its name; `lost` is shown while the studio does not answer.
export function listen(address, lost, handlers) {
  const events = new EventSource(address);
  for (const [name, act] of Object.entries(handlers)) events.addEventListener(name, ({ data }) => act(JSON.parse(data)));
  events.onerror = () => { lost.hidden = false; };
  events.onopen = () => { lost.hidden = true; };
  return events;
}
