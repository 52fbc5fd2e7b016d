// Several runs on the same noise or the same images: next to each other, under a wipe, as a difference, in numbers.
import { ARROWS, ask, button, checkbox, clamp, count, Fields, fillPixels, group, h, imageZone, later, linkTo, notes, onDrag, paint, row, runApi, shares, state, statusLine, words } from "./kit.js";

const MOST = 6; // runs
const SIDE = 480; // pixels of a large image's canvas
const MOST_ZOOM = 8;
const TASKS = {
  samples: "Samples of the same noise", reconstruct: "Reconstructions",
  "translate to B": "Translations to B", "translate to A": "Translations to A",
};
const LACKS = {
  samples: "draws no new images", invert: "neither reconstructs an image nor makes one of a code",
  reconstruct: "has no encoder, so it does not reconstruct; of an image of yours the nearest that it makes is searched",
};
const WHITES = [255, 128, 64, 32, 16]; // differences that can be white
const whiteName = (value) => (value === 255 ? "255" : `${value} or more`);
const describe = ({ name, images }, i) => [name, images[i].caption].filter(Boolean).join(", ");

// |a - b|, mean over the channels, as a canvas on which `white` is white, and its mean and largest value.
function subtract(a, b, white) {
  const width = Math.max(a.width, b.width), height = Math.max(a.height, b.height);
  const [x, y] = [a, b].map((image) => {
    const context = h("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, width, height); // of another size: enlarged
    return context.getImageData(0, 0, width, height).data;
  });
  let sum = 0, largest = 0;
  const canvas = fillPixels(h("canvas", { width, height }), (data) => {
    for (let i = 0; i < x.length; i += 4) {
      const d = (Math.abs(x[i] - y[i]) + Math.abs(x[i + 1] - y[i + 1]) + Math.abs(x[i + 2] - y[i + 2])) / 3;
      sum += d;
      largest = Math.max(largest, d);
      data.fill(Math.min(255, (d / white) * 255), i, i + 3);
      data[i + 3] = 255;
    }
  });
  return { canvas, mean: sum / (x.length / 4), largest };
}

// ---- the choice of runs
function makeChoice(cards, chosen, choose) {
  const summary = h("summary"), list = h("div.choices");
  const find = h("input", { type: "search", placeholder: "part of a name", oninput() {
    for (const label of list.children) label.hidden = !label.textContent.includes(find.value);
  } });
  const boxes = cards.map(({ id, status, model, data, shape, images }) => {
    const isReadable = status !== "unreadable";
    const box = checkbox(id, () => choose([...chosen().filter((name) => name !== id), ...(box.checked ? [id] : [])]), { disabled: !isReadable || !images });
    const text = isReadable ? `${model} on ${data}, ${shape}, ${count(images)} images` : "cannot be read";
    list.append(h("label", box, h("span", id, h("small", text))));
    return { box, isUsable: !box.disabled };
  });
  function draw() {
    const names = chosen();
    summary.textContent = `Choose runs: ${names.length} of ${cards.length}, at most ${MOST}`;
    for (const { box, isUsable } of boxes) {
      box.checked = names.includes(box.value);
      box.disabled = !box.checked && (!isUsable || names.length >= MOST);
    }
  }
  const node = h("details.choose", { open: chosen().length < 2 }, summary, h("label.field.inline", h("span", "Find"), find), list);
  return { node, draw };
}

// ---- two of them
function makePair(address) {
  const fields = new Fields(address), { get, change, whole } = address, scale = h("output");
  const reset = button("Whole image", () => change({ zoom: "", cx: "", cy: "" }));
  let usable = [], pair = []; // the rows that have images, and the two of them that are shown
  const white = () => (WHITES.includes(+get("white")) ? +get("white") : WHITES[0]), names = () => usable.map(({ key, name }) => [key, name]);
  const panels = Object.fromEntries(["left", "wipe", "right", "difference"].map((name) => [name, makePanel(name)]));
  panels.difference.node.append(h("p.scale", h("span", "0"), h("span.ramp"), scale));
  const node = h("section.pair", { hidden: true }, h("h2", "Two of them"),
    h("div.controls", fields.select("Left", "left", names, () => pair[0].key), fields.select("Right", "right", names, () => pair[1].key),
      fields.range("Wipe", "wipe", 0, 100, 1, percent), fields.range("Zoom", "zoom", 1, MOST_ZOOM, 0.5, () => view().zoom), reset,
      fields.select("White is a difference of", "white", () => WHITES.map((value) => [value, value === 255 ? "255, the most there is" : whiteName(value)]), white)),
    notes(["Drag the line of the wipe, or an enlarged image. With the keyboard: arrows move the line or the enlarged part, + and − zoom."]),
    h("div.panels", Object.values(panels).map((panel) => panel.node)));

  function makePanel(name) {
    const caption = h("figcaption"), isWipe = name === "wipe";
    const canvas = h("canvas.large", { tabIndex: 0, role: "img", onkeydown(event) {
      const by = ARROWS[event.key], step = { "+": 0.5, "=": 0.5, "-": -0.5 }[event.key];
      if (!by && !step) return;
      event.preventDefault();
      if (step) change({ zoom: clamp(view().zoom + step, 1, MOST_ZOOM) });
      else if (isWipe && by[0]) change({ wipe: clamp(percent() + 2 * by[0], 0, 100) });
      else pan(0.1 * by[0], 0.1 * by[1]);
    } });
    onDrag(canvas, (event, isFirst) => {
      if (isWipe) change({ wipe: Math.round(clamp(shares(event, canvas)[0], 0, 1) * 100) });
      else if (!isFirst && view().zoom > 1) pan(-event.movementX / canvas.clientWidth, -event.movementY / canvas.clientHeight);
    });
    canvas.getContext("2d", { willReadFrequently: true });
    return { canvas, caption, node: h(`figure.${name}`, canvas, caption) };
  }

  function percent() {
    return whole("wipe", 50, 0, 100);
  }
  // The enlarged part: its middle in shares of the image.
  function view() {
    const z = clamp(+get("zoom", 1) || 1, 1, MOST_ZOOM), half = 0.5 / z, middle = (key) => clamp(+get(key, 0.5), half, 1 - half);
    return { zoom: z, cx: middle("cx"), cy: middle("cy") };
  }
  function pan(dx, dy) { // by shares of the visible part
    const { zoom: z, cx, cy } = view(), half = 0.5 / z, place = (v) => +clamp(v, half, 1 - half).toFixed(3);
    change({ cx: place(cx + dx / z), cy: place(cy + dy / z) });
  }

  function drawPart(canvas, picture, portion = 1) {
    const { zoom: z, cx, cy } = view(), context = canvas.getContext("2d"), { width, height } = picture;
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, (cx - 0.5 / z) * width, (cy - 0.5 / z) * height, (width / z) * portion, height / z, 0, 0, SIDE * portion, canvas.height);
  }
  function drawWipe(canvas, [left, right]) {
    const share = percent() / 100, context = canvas.getContext("2d");
    drawPart(canvas, right);
    if (share > 0) drawPart(canvas, left, share);
    for (const [style, width] of [["black", 7], ["white", 3]]) {
      context.fillStyle = style;
      context.fillRect(SIDE * share - width / 2, 0, width, canvas.height);
    }
  }

  // Two of the rows, and of each the image of a column.
  function draw(rows, column) {
    usable = rows.filter((each) => each.images.length);
    node.hidden = usable.length < 2;
    if (node.hidden) return;
    const usual = [...usable.filter((each) => each.run), ...usable.filter((each) => !each.run)];
    pair = ["left", "right"].map((key, i) => usable.find((each) => each.key === get(key)) ?? usual[i]);
    const [a, b] = pair, columns = pair.map((each) => Math.min(column, each.images.length - 1));
    const images = pair.map((each, i) => each.canvases[columns[i]]), captions = pair.map((each, i) => describe(each, columns[i]));
    const difference = subtract(...images, white()), isEnlarged = view().zoom > 1;
    fields.fill();
    scale.textContent = whiteName(white());
    reset.disabled = !isEnlarged;
    const texts = {
      left: captions[0], right: captions[1], wipe: `Wipe: ${a.name} | ${b.name}`,
      difference: `Difference without sign, mean of the channels: mean ${difference.mean.toPrecision(3)}, largest ${Math.round(difference.largest)} of 255`,
    };
    for (const [name, { canvas, caption }] of Object.entries(panels)) {
      Object.assign(canvas, { width: SIDE, height: Math.round((SIDE * images[0].height) / images[0].width), ariaLabel: texts[name] });
      canvas.classList.toggle("enlarged", isEnlarged);
      caption.textContent = texts[name];
    }
    drawPart(panels.left.canvas, images[0]);
    drawPart(panels.right.canvas, images[1]);
    drawPart(panels.difference.canvas, difference.canvas);
    drawWipe(panels.wipe.canvas, images);
    panels.left.node.className = `left ${a.kind}`;
    panels.right.node.className = `right ${b.kind}`;
  }
  return { node, draw };
}

// ---- the table
function table(caption, names, rows) {
  return h("div.wide", { tabIndex: 0, role: "region", ariaLabel: caption },
    h("table", h("caption", caption), h("thead", h("tr", names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", rows)));
}

function numbers({ problem, runs, measures, settings, notes: remarks }) {
  if (problem) return [h("h2", "In numbers"), h("p.problem", problem)];
  const rows = measures.flatMap(({ family, name, values, differences, paired }, i) => [
    family !== measures[i - 1]?.family && h("tr.family", h("th", { scope: "rowgroup", colSpan: 2 * runs.length }, family)),
    row(name, ...values.map((text) => text || "–"), ...differences.map((text) => (text ? text + (paired ? " *" : "") : "–"))),
  ]);
  const title = `Settings that differ: ${settings.length}`;
  return [h("h2", "In numbers"), ...notes(remarks),
    rows.length > 0 && table(`Measures, ± their standard errors, and differences to ${runs[0]}`,
      ["measure", ...runs, ...runs.slice(1).map((name) => `${name} − ${runs[0]}`)], rows),
    measures.some((each) => each.paired) && h("p.note", "* of the same test images, image by image"),
    settings.length ? h("details", h("summary", title), table(title, ["setting", ...runs], settings.map(([name, ...values]) => row(words(name), ...values))))
      : h("p.note", "All settings are the same."),
  ].filter(Boolean);
}

async function render({ model, el }) {
  const api = model.get("api"), address = state(model), { get, change, pick, whole } = address;
  const chosen = () => get("runs").split("/").filter(Boolean).slice(0, MOST); // no name has a slash
  const nothing = { runs: [], noise: "", table: null };
  let known = nothing, rows = [], image = null, asked = 0;
  const { runs: cards = [], error } = await ask(`${api}/runs`);
  const choice = makeChoice(cards, chosen, (names) => change({ runs: names.join("/") }));
  const status = statusLine(error), list = h("div.rows"), pair = makePair(address), measures = h("section.measures");

  // ---- what they do
  const fields = new Fields(address), seed = fields.seed("Seed", "seed", { at: "" });
  const next = button("Next", () => change({ seed: address.seed("seed") + (taskNow() === "samples" ? 8 : 1), at: "" }));
  const tasks = () => Object.keys(TASKS).filter((name) => known.runs.some((run) => run.tasks.includes(name)));
  const taskNow = () => pick("task", tasks()) ?? "samples";
  const isOwn = () => get("source") === "mine" && taskNow() !== "samples";
  // What a run does with the task, or of an image of one's own its trial.
  const trialOf = (run) => (!isOwn() ? run.tasks.find((name) => name === taskNow())
    : [taskNow(), taskNow() === "reconstruct" && "invert"].find((trial) => run.trials.includes(trial)));
  const zone = imageZone("compare-file", (file, from) => {
    if (from === "pasted" && !isOwn()) return;
    image = file;
    fetchImages();
  }, () => { status.textContent = "That is not an image."; });
  const labels = () => (taskNow() === "samples" ? [...new Set(known.runs.flatMap((run) => run.labels))] : []);
  const controls = group("What they do",
    fields.select("Show", "task", () => tasks().map((name) => [name, TASKS[name]]), taskNow),
    fields.select("Of", "source", () => (taskNow() === "samples" ? [] : [["", "test images"], ["mine", "an image of yours"]]), () => (isOwn() ? "mine" : "")),
    fields.select("Class", "label", () => (labels().length ? [["", "any"], ...labels().map((name) => [name])] : [])), seed, next);
  function drawControls() {
    fields.fill();
    controls.hidden = !tasks().length;
    seed.hidden = next.hidden = isOwn();
    zone.node.hidden = controls.hidden || !isOwn();
  }

  // ---- the images
  async function answerOf(run) {
    const trial = trialOf(run), key = taskNow();
    if (run.problem) return { problem: run.problem };
    if (!trial) return { notes: [LACKS[isOwn() && key === "reconstruct" ? "invert" : key] ?? "does not translate"] };
    if (isOwn()) {
      const result = await ask(`${runApi(run.id)}/try/${encodeURIComponent(trial)}`, { method: "POST", body: image });
      if (result.error) return { problem: result.error };
      const [received, output] = result.images;
      output.caption = result.numbers[0] ?? output.caption;
      received.caption = ""; // its row says what it is
      const searched = trial === "invert" ? ["has no encoder: this is the nearest image that a search of its codes finds"] : [];
      return { inputs: [received], images: [output], notes: [...searched, ...result.notes] };
    }
    if (key !== "samples" && run.other_data[key]) return { notes: [run.other_data[key]] };
    const query = new URLSearchParams({ seed: get("seed", 0), label: get("label") });
    const result = await ask(`${runApi(run.id)}/compare/${encodeURIComponent(key)}?${query}`);
    return result.error ? { problem: result.error } : result;
  }
  async function fetchImages() {
    const mine = ++asked;
    rows = [];
    drawControls();
    if (isOwn() && !image) {
      status.textContent = "Give an image.";
      draw();
      return;
    }
    const searches = isOwn() && known.runs.some((run) => trialOf(run) === "invert");
    status.textContent = known.runs.length ? `Making the images…${searches ? " A search of codes takes some seconds, of styles a minute." : ""}` : "Choose two runs or more.";
    const answers = [];
    await Promise.all(known.runs.map(async (run, i) => {
      const answer = await answerOf(run);
      if (mine !== asked) return;
      answers[i] = answer;
      collect(answers);
    }));
    if (mine !== asked) return;
    status.textContent = remarks().map((text) => `${text[0].toUpperCase()}${text.slice(1)}.`).join(" ");
    draw();
  }
  // Rows of all answers so far, below those of what the models receive.
  function collect(answers) {
    const inputs = new Map(); // what different models receive, once each
    const outputs = known.runs.map((run, i) => {
      const { inputs: received = [], images = [], notes: remarks = [], problem } = answers[i] ?? { notes: ["…"] };
      const text = JSON.stringify(received.map(({ shape, pixels }) => [shape, pixels]));
      if (received.length && !inputs.has(text)) inputs.set(text, { key: `~${run.id}`, kind: "real", images: received, runs: [], notes: [] });
      inputs.get(text)?.runs.push(run.id);
      return { key: run.id, run, name: run.id, kind: "generated", images, notes: remarks, problem };
    });
    for (const each of inputs.values()) {
      each.name = inputs.size > 1 ? `what ${each.runs.join(" and ")} receive${each.runs.length > 1 ? "" : "s"}`
        : isOwn() ? "your image, as the models receive it" : "test images";
    }
    rows = [...inputs.values(), ...outputs];
    for (const each of rows) each.canvases = each.images.map((picture) => paint(h("canvas.pixels"), picture));
    draw();
  }
  // What a reader has to know before he compares.
  function remarks() {
    const shapes = [...new Set(rows.filter((each) => each.run && each.images.length).map((each) => each.images[0].shape.join("x")))];
    return [
      known.runs.length < 2 && "choose two runs or more",
      taskNow() === "samples" && known.noise,
      shapes.length > 1 && `the images differ in size or in channels (${shapes.join(", ")}); they are shown equally large, and a difference is of the smaller one enlarged`,
    ].filter(Boolean);
  }

  const at = () => whole("at", 0, 0, Math.max(0, ...rows.map((each) => each.images.length - 1)));
  function drawRow({ key, run, name, kind, images, canvases, notes: remarks, problem }) {
    const line = run && !run.problem ? `${run.model} on ${run.data}, ${count(run.images)} images` : "";
    const figures = images.map(({ caption }, i) => h("figure", button(canvases[i], () => change({ at: i }), { ariaLabel: describe({ name, images }, i) }),
      h("figcaption", caption.split("/").pop())));
    return h(`section.of.${kind}`, { ariaLabel: name }, h("h3", run ? h("a", { href: linkTo("train", key) }, name) : h("span", name)), h("p.note", line),
      problem && h("p.problem", problem), h("div.images", figures), notes([...new Set(remarks)]));
  }
  function drawColumn() {
    for (const line of list.querySelectorAll(".images")) {
      [...line.querySelectorAll("button")].forEach((each, i) => { each.ariaPressed = `${i === at()}`; });
    }
    drawPair();
  }
  const drawPair = () => pair.draw(rows, at());
  function draw() {
    list.replaceChildren(...rows.map(drawRow));
    drawColumn();
  }
  async function fetchRuns() {
    const mine = ++asked, names = chosen();
    choice.draw();
    if (names.length) status.textContent = "Opening the models…";
    const answer = names.length ? await ask(`${api}/compare?${new URLSearchParams(names.map((name) => ["run", name]))}`) : nothing;
    if (mine !== asked) return;
    known = answer.error ? nothing : answer;
    measures.replaceChildren(...(known.table ? numbers(known.table) : []));
    await fetchImages();
    if (answer.error) status.textContent = answer.error;
  }
  el.append(h("h1", "Compare"), choice.node, controls, zone.node, status, list, pair.node, measures);
  model.on("change:runs", fetchRuns);
  later(model, "task source seed label", fetchImages);
  for (const key of ["left", "right", "wipe", "zoom", "cx", "cy", "white"]) model.on(`change:${key}`, drawPair);
  model.on("change:at", drawColumn);
  fetchRuns();
  return zone.leave;
}

export default { render };
