// What the views share: elements and fields, numbers, images, the state in the address, questions to the studio.
export const LOST = "The studio does not answer: is it still running?";
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MOST_SEED = 999999;

// ---- numbers -------------------------------------------------------------------------------------------
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

// ---- elements ------------------------------------------------------------------------------------------
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

// Selects with a label; `fill` gives it its choices, [value, name] or [value].
export function select(text, choose) {
  const box = h("select", { onchange: () => choose(box.value) });
  const fill = (choices, value) => {
    box.replaceChildren(...choices.map(([each, name = each]) => h("option", { value: each }, name)));
    box.value = value;
  };
  return { node: field(text, box), box, fill };
}

export function seedField(text, choose) {
  const set = (value) => choose(clamp(Math.round(+value) || 0, 0, MOST_SEED));
  const box = h("input", { type: "number", min: 0, max: MOST_SEED, step: 1, onchange: () => set(box.value) });
  return { node: field(text, box), box, set };
}

// Where an image is dropped, pasted or chosen; `take` gets the file and where it comes from.
export function imageZone(id, take, ...children) {
  const input = h("input.away", { type: "file", accept: "image/*", id, onchange() {
    if (input.files[0]) take(input.files[0], input.files[0].name);
    input.value = "";
  } });
  const over = (is) => (event) => {
    event.preventDefault();
    node.classList.toggle("over", is);
    const file = event.dataTransfer.files[0];
    if (event.type === "drop") take(file, file?.name);
  };
  const node = h("div.zone", { ondragover: over(true), ondragleave: over(false), ondrop: over(false) },
    h("p", "Drop an image here, paste one, or "), h("p", input, h("label.button", { htmlFor: id }, "Choose an image")), children);
  const paste = (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file) take(file, "pasted");
  };
  document.addEventListener("paste", paste);
  return { node, leave: () => document.removeEventListener("paste", paste) };
}

// Where a pointer is on an element, in shares of its sides.
export function shares({ clientX, clientY }, node) {
  const { left, top, width, height } = node.getBoundingClientRect();
  return [(clientX - left) / width, (clientY - top) / height];
}

// ---- images --------------------------------------------------------------------------------------------
// An image { shape: [C, H, W], pixels: bytes, or their base64 } on a canvas.
export function paint(canvas, { shape: [channels, height, width], pixels }) {
  const bytes = typeof pixels === "string" ? Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0)) : pixels;
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"), image = context.createImageData(width, height), size = width * height;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[(channels === 1 ? 0 : c * size) + i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
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

// ---- the state in the address --------------------------------------------------------------------------
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
  return { get, change, pick, whole };
}

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

// ---- questions to the studio ---------------------------------------------------------------------------
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
