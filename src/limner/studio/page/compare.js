// Several runs on the same noise or the same images: next to each other, under a wipe, as a difference, in numbers.
const MOST = 6; // runs
const SIDE = 480; // pixels of a large image's canvas
const TASKS = {
  samples: "Samples of the same noise", reconstruct: "Reconstructions",
  "translate to B": "Translations to B", "translate to A": "Translations to A",
};
const LACKS = {
  samples: "draws no new images", invert: "neither reconstructs an image nor makes one of a code",
  reconstruct: "has no encoder, so it does not reconstruct; of an image of yours the nearest that it makes is searched",
};
const WHITES = [255, 128, 64, 32, 16]; // differences that can be white

const h = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const count = (n) => n.toLocaleString("en");
const describe = (row, i) => [row.name, row.images[i].caption].filter(Boolean).join(", ");
const clamp = (v, low, high) => Math.max(low, Math.min(high, v));

// An image as the server sends it, as a canvas of its own size.
function toCanvas({ shape: [channels, height, width], pixels }) {
  const bytes = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
  const canvas = h("canvas", { width, height, className: "pixels" });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(width, height);
  const size = width * height;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[(channels === 1 ? 0 : c * size) + i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// |a - b|, mean over the channels, as a canvas on which `white` is white, and its mean and largest value.
function subtract(a, b, white) {
  const width = Math.max(a.width, b.width), height = Math.max(a.height, b.height);
  const [x, y] = [a, b].map((image) => {
    const context = h("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, width, height); // of another size: enlarged
    return context.getImageData(0, 0, width, height).data;
  });
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  let sum = 0, largest = 0;
  for (let i = 0; i < x.length; i += 4) {
    const d = (Math.abs(x[i] - y[i]) + Math.abs(x[i + 1] - y[i + 1]) + Math.abs(x[i + 2] - y[i + 2])) / 3;
    sum += d;
    largest = Math.max(largest, d);
    image.data[i] = image.data[i + 1] = image.data[i + 2] = Math.min(255, (d / white) * 255);
    image.data[i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return { canvas, mean: (sum / x.length) * 4, largest };
}

export default {
  async render({ model, el }) {
    const api = model.get("api");
    const get = (key, usual) => model.get(key) || usual;
    const change = (values) => {
      for (const [key, value] of Object.entries(values)) model.set(key, `${value}`);
      model.save_changes();
    };
    const chosen = () => get("runs", "").split("/").filter(Boolean).slice(0, MOST); // no name has a slash
    let known = { runs: [], noise: "", table: null }, rows = [], image = null, asked = 0;

    // ---- the choice of runs ---------------------------------------------------------------------------
    const summary = h("summary");
    const filter = h("input", { type: "search", placeholder: "part of a name" });
    const list = h("div", { className: "choices" });
    const choice = h("details", { className: "choose" }, summary,
      h("label", { className: "field inline" }, h("span", {}, "Find"), filter), list);
    const status = h("p", { className: "status", role: "status" });
    const cards = (await (await fetch(`${api}/runs`)).json()).runs;
    for (const card of cards) {
      const readable = card.status !== "unreadable";
      const box = h("input", { type: "checkbox", value: card.id });
      box.addEventListener("change", () => {
        const others = chosen().filter((name) => name !== card.id);
        change({ runs: (box.checked ? [...others, card.id] : others).join("/") });
      });
      const words = readable ? `${card.model} on ${card.data}, ${card.shape}, ${count(card.images)} images` : "cannot be read";
      const label = h("label", {}, box, h("span", {}, card.id, h("small", {}, words)));
      box.dataset.readable = readable && card.images ? "yes" : "";
      list.append(label);
    }
    filter.addEventListener("input", () => {
      for (const label of list.children) label.hidden = !label.textContent.includes(filter.value);
    });
    function drawChoice() {
      const names = chosen();
      summary.textContent = `Choose runs: ${names.length} of ${cards.length}, at most ${MOST}`;
      for (const box of list.querySelectorAll("input")) {
        box.checked = names.includes(box.value);
        box.disabled = !box.checked && (!box.dataset.readable || names.length >= MOST);
      }
    }

    // ---- what they do ---------------------------------------------------------------------------------
    const field = (text, box) => h("label", { className: "field" }, h("span", {}, text), box);
    const select = (text, key) => {
      const box = h("select", { onchange: () => change({ [key]: box.value }) });
      const node = field(text, box);
      const fill = (pairs, value) => {
        box.replaceChildren(...pairs.map(([v, name]) => h("option", { value: v, textContent: name })));
        box.value = value;
      };
      return { node, fill };
    };
    const task = select("Show", "task"), source = select("Of", "source"), label = select("Class", "label");
    const seedBox = h("input", { type: "number", min: 0, max: 999999, step: 1 });
    const setSeed = (n) => change({ seed: clamp(Math.round(n) || 0, 0, 999999), at: "" });
    seedBox.addEventListener("change", () => setSeed(+seedBox.value));
    const seed = field("Seed", seedBox);
    const next = h("button", { type: "button", onclick: () => setSeed((+get("seed", 0) || 0) + (taskNow() === "samples" ? 8 : 1)) }, "Next");
    const file = h("input", { type: "file", accept: "image/*", className: "away", id: "compare-file" });
    const upload = h("div", { className: "zone", hidden: true },
      h("p", {}, "Drop an image here, paste one, or ", file, h("label", { htmlFor: "compare-file", className: "button" }, "Choose an image")));
    const own = () => get("source", "") === "mine" && taskNow() !== "samples";
    const able = (run, name) => (own()
      ? [name, ...(name === "reconstruct" ? ["invert"] : [])].find((trial) => run.trials.includes(trial))
      : run.tasks.includes(name) && name);
    const taskNames = () => Object.keys(TASKS).filter((name) => known.runs.some((run) => run.tasks.includes(name)));
    const taskNow = () => (taskNames().includes(get("task", "")) ? get("task", "") : taskNames()[0] ?? "samples");
    function take(blob) {
      if (!blob?.type.startsWith("image/")) {
        status.textContent = "That is not an image.";
        return;
      }
      image = blob;
      fetchImages();
    }
    file.addEventListener("change", () => {
      if (file.files[0]) take(file.files[0]);
      file.value = "";
    });
    upload.addEventListener("dragover", (event) => event.preventDefault());
    upload.addEventListener("drop", (event) => {
      event.preventDefault();
      take(event.dataTransfer.files[0]);
    });
    const paste = (event) => own() && event.clipboardData.files.length && take(event.clipboardData.files[0]);
    document.addEventListener("paste", paste);

    const controls = h("div", { className: "controls", role: "group", ariaLabel: "What they do", hidden: true }, task.node, source.node, label.node, seed, next);
    function drawControls() {
      controls.hidden = !taskNames().length;
      task.fill(taskNames().map((name) => [name, TASKS[name]]), taskNow());
      source.fill([["", "test images"], ["mine", "an image of yours"]], own() ? "mine" : "");
      const labels = [...new Set(known.runs.flatMap((run) => run.labels))];
      label.fill([["", "any"], ...labels.map((name) => [name, name])], get("label", ""));
      const samples = taskNow() === "samples";
      source.node.hidden = samples;
      label.node.hidden = !samples || !labels.length;
      seed.hidden = next.hidden = own();
      upload.hidden = controls.hidden || !own();
      seedBox.value = get("seed", 0);
    }

    // ---- the images -----------------------------------------------------------------------------------
    async function answerOf(run) {
      const trial = able(run, taskNow());
      if (run.problem) return { problem: run.problem };
      if (!trial) return { notes: [LACKS[own() && taskNow() === "reconstruct" ? "invert" : taskNow()] ?? "does not translate"] };
      if (own()) {
        const body = await fetch(`${api}/runs/${encodeURIComponent(run.id)}/try/${encodeURIComponent(trial)}`, { method: "POST", body: image });
        const result = await body.json();
        if (!body.ok) return { problem: result.error };
        const [received, output] = result.images;
        output.caption = result.numbers[0] ?? output.caption;
        received.caption = ""; // its row says what it is
        const searched = trial === "invert" ? ["has no encoder: this is the nearest image that a search of its codes finds"] : [];
        return { inputs: [received], images: [output], notes: [...searched, ...result.notes] };
      }
      if (taskNow() !== "samples" && run.other_data[taskNow()]) return { notes: [run.other_data[taskNow()]] };
      const query = new URLSearchParams({ seed: get("seed", 0), label: get("label", "") });
      const reply = await fetch(`${api}/runs/${encodeURIComponent(run.id)}/compare/${encodeURIComponent(taskNow())}?${query}`);
      const result = await reply.json();
      return reply.ok ? result : { problem: result.error };
    }

    async function fetchImages() {
      const mine = ++asked;
      rows = [];
      drawControls();
      if (own() && !image) {
        status.textContent = "Give an image.";
        draw();
        return;
      }
      const searches = own() && known.runs.some((run) => able(run, taskNow()) === "invert");
      status.textContent = known.runs.length ? `Making the images…${searches ? " A search of codes takes some seconds, of styles a minute." : ""}` : "Choose two runs or more.";
      const answers = [];
      await Promise.all(known.runs.map(async (run, i) => {
        const answer = await answerOf(run).catch(() => ({ problem: "the studio does not answer: is it still running?" }));
        if (mine !== asked) return;
        answers[i] = answer;
        collect(answers);
      }));
      if (mine !== asked) return;
      status.textContent = remarks().join(" ");
      draw();
    }

    // Rows of all answers so far, below those of what the models receive.
    function collect(answers) {
      rows = [];
      const inputs = new Map(); // what different models receive, once each
      known.runs.forEach((run, i) => {
        const { inputs: received = [], images = [], notes = [], problem = "" } = answers[i] ?? { notes: ["…"] };
        const text = JSON.stringify(received.map(({ shape, pixels }) => [shape, pixels]));
        if (received.length && !inputs.has(text)) inputs.set(text, { key: `~${run.id}`, name: "what the model receives", kind: "real", images: received, runs: [] });
        inputs.get(text)?.runs.push(run.id);
        rows.push({ key: run.id, run, name: run.id, kind: "generated", images, notes, problem });
      });
      const several = inputs.size > 1;
      for (const row of inputs.values()) row.name = several ? `what ${row.runs.join(" and ")} receive${row.runs.length > 1 ? "" : "s"}` : own() ? "your image, as the models receive it" : "test images";
      rows = [...inputs.values(), ...rows];
      for (const row of rows) row.canvases = row.images.map(toCanvas);
      draw();
    }

    // What a reader has to know before he compares.
    function remarks() {
      const sentences = [];
      const sentence = (text) => text && sentences.push(`${text[0].toUpperCase()}${text.slice(1)}.`);
      if (known.runs.length < 2) sentence("choose two runs or more");
      if (taskNow() === "samples") sentence(known.noise);
      const shapes = rows.filter((row) => row.run && row.images.length).map((row) => row.images[0].shape.join("x"));
      if (new Set(shapes).size > 1) sentence(`the images differ in size or in channels (${[...new Set(shapes)].join(", ")}); they are shown equally large, and a difference is of the smaller one enlarged`);
      return sentences;
    }

    const table = h("div", { className: "rows" });
    const at = () => clamp(+get("at", 0) || 0, 0, Math.max(0, ...rows.map((row) => row.images.length - 1)));
    function drawRows() {
      table.replaceChildren(...rows.map((row) => {
        const head = row.run ? h("a", { href: `#train/${encodeURIComponent(row.key)}` }, row.name) : h("span", {}, row.name);
        const line = row.run && !row.run.problem ? `${row.run.model} on ${row.run.data}, ${count(row.run.images)} images` : "";
        const buttons = row.images.map((each, i) => {
          const button = h("button", { type: "button", onclick: () => change({ at: i }) }, row.canvases[i]);
          button.setAttribute("aria-label", describe(row, i));
          return h("figure", {}, button, h("figcaption", {}, each.caption.split("/").pop()));
        });
        const section = h("section", { className: `of ${row.kind}`, ariaLabel: row.name }, h("h3", {}, head), h("p", { className: "note" }, line));
        if (row.problem) section.append(h("p", { className: "problem" }, row.problem));
        section.append(h("div", { className: "images" }, ...buttons));
        for (const note of new Set(row.notes ?? [])) section.append(h("p", { className: "note" }, note));
        return section;
      }));
      markColumn();
    }
    const markColumn = () => table.querySelectorAll(".images").forEach((line) => [...line.querySelectorAll("button")]
      .forEach((button, i) => button.setAttribute("aria-pressed", `${i === at()}`)));

    // ---- two of them ----------------------------------------------------------------------------------
    const left = select("Left", "left"), right = select("Right", "right"), white = select("White is a difference of", "white");
    const range = (text, key, min, max, step) => {
      const box = h("input", { type: "range", min, max, step });
      box.addEventListener("input", () => change({ [key]: box.value }));
      return { node: field(text, box), box };
    };
    const wipe = range("Wipe", "wipe", 0, 100, 1), zoom = range("Zoom", "zoom", 1, 8, 0.5);
    const reset = h("button", { type: "button", onclick: () => change({ zoom: "", cx: "", cy: "" }) }, "Whole image");
    const panels = {};
    for (const name of ["left", "wipe", "right", "difference"]) {
      const canvas = h("canvas", { className: "large", tabIndex: 0, role: "img" });
      const caption = h("figcaption");
      canvas.getContext("2d", { willReadFrequently: true });
      panels[name] = { canvas, caption, node: h("figure", { className: name }, canvas, caption) };
      canvas.addEventListener("keydown", (event) => moveView(event, name));
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        if (name === "wipe") dragWipe(event);
      });
      canvas.addEventListener("pointermove", (event) => {
        if (!canvas.hasPointerCapture(event.pointerId)) return;
        if (name === "wipe") dragWipe(event);
        else if (view().zoom > 1) pan(-event.movementX / canvas.clientWidth, -event.movementY / canvas.clientHeight);
      });
    }
    const scale = h("p", { className: "scale" }, h("span", {}, "0"), h("span", { className: "ramp" }), h("output"));
    panels.difference.node.append(scale);
    const pair = h("section", { className: "pair", hidden: true }, h("h2", {}, "Two of them"),
      h("div", { className: "controls" }, left.node, right.node, wipe.node, zoom.node, reset, white.node),
      h("p", { className: "note" }, "Drag the line of the wipe, or an enlarged image. With the keyboard: arrows move the line or the enlarged part, + and − zoom."),
      h("div", { className: "panels" }, ...Object.values(panels).map((panel) => panel.node)));

    const view = () => {
      const z = clamp(+get("zoom", 1) || 1, 1, 8), half = 0.5 / z;
      return { zoom: z, cx: clamp(+get("cx", 0.5), half, 1 - half), cy: clamp(+get("cy", 0.5), half, 1 - half) };
    };
    const place = (v) => `${+v.toFixed(3)}`;
    function pan(dx, dy) { // by shares of the visible part
      const { zoom: z, cx, cy } = view();
      const half = 0.5 / z;
      change({ cx: place(clamp(cx + dx / z, half, 1 - half)), cy: place(clamp(cy + dy / z, half, 1 - half)) });
    }
    const share = () => clamp(+(model.get("wipe") || 50), 0, 100) / 100;
    function dragWipe(event) {
      const box = panels.wipe.canvas.getBoundingClientRect();
      change({ wipe: Math.round(clamp((event.clientX - box.left) / box.width, 0, 1) * 100) });
    }
    function moveView(event, name) {
      const by = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
      const step = { "+": 0.5, "=": 0.5, "-": -0.5 }[event.key];
      if (!by && !step) return;
      event.preventDefault();
      if (step) change({ zoom: clamp(view().zoom + step, 1, 8) });
      else if (name === "wipe" && by[0]) change({ wipe: Math.round(clamp(share() * 100 + by[0] * 20, 0, 100)) });
      else pan(...by);
    }

    function drawPair() {
      const usable = rows.filter((row) => row.images.length);
      pair.hidden = usable.length < 2;
      if (pair.hidden) return;
      const usual = [...usable.filter((row) => row.run), ...usable.filter((row) => !row.run)];
      const pick = (key, i) => usable.find((row) => row.key === get(key, "")) ?? usual[i];
      const pairs = usable.map((row) => [row.key, row.name]);
      const [a, b] = [pick("left", 0), pick("right", 1)];
      left.fill(pairs, a.key);
      right.fill(pairs, b.key);
      const whitest = WHITES.includes(+get("white", 0)) ? +get("white", 0) : WHITES[0];
      white.fill(WHITES.map((v) => [v, v === 255 ? "255, the most there is" : `${v} or more`]), `${whitest}`);
      const column = (row) => Math.min(at(), row.images.length - 1);
      const images = [a, b].map((row) => row.canvases[column(row)]);
      const difference = subtract(...images, whitest);
      const { zoom: z, cx, cy } = view();
      zoom.box.value = z;
      wipe.box.value = Math.round(share() * 100);
      reset.disabled = z === 1;
      const height = Math.round((SIDE * images[0].height) / images[0].width);
      const show = (canvas, picture, portion = 1) => {
        const context = canvas.getContext("2d");
        context.imageSmoothingEnabled = false;
        const [w, t] = [picture.width / z, picture.height / z];
        context.drawImage(picture, (cx - 0.5 / z) * picture.width, (cy - 0.5 / z) * picture.height, w * portion, t, 0, 0, SIDE * portion, height);
      };
      for (const { canvas } of Object.values(panels)) {
        Object.assign(canvas, { width: SIDE, height });
        canvas.classList.toggle("enlarged", z > 1);
      }
      show(panels.left.canvas, images[0]);
      show(panels.right.canvas, images[1]);
      show(panels.difference.canvas, difference.canvas);
      show(panels.wipe.canvas, images[1]);
      if (share() > 0) show(panels.wipe.canvas, images[0], share());
      const line = panels.wipe.canvas.getContext("2d");
      for (const [style, width] of [["black", 7], ["white", 3]]) {
        line.fillStyle = style;
        line.fillRect(SIDE * share() - width / 2, 0, width, height);
      }
      const caption = (row) => describe(row, column(row));
      const numbers = `mean ${difference.mean.toPrecision(3)}, largest ${Math.round(difference.largest)} of 255`;
      const texts = { left: caption(a), right: caption(b), wipe: `Wipe: ${a.name} | ${b.name}`, difference: `Difference without sign, mean of the channels: ${numbers}` };
      for (const [name, text] of Object.entries(texts)) {
        panels[name].caption.textContent = text;
        panels[name].canvas.setAttribute("aria-label", text);
      }
      panels.left.node.classList.toggle("real", a.kind === "real");
      panels.right.node.classList.toggle("real", b.kind === "real");
      scale.lastChild.textContent = whitest === 255 ? "255" : `${whitest} or more`;
    }

    // ---- the table ------------------------------------------------------------------------------------
    const measures = h("section", { className: "measures" });
    function drawTable() {
      measures.replaceChildren();
      const stored = known.table;
      if (!stored) return;
      measures.append(h("h2", {}, "In numbers"));
      if (stored.problem) {
        measures.append(h("p", { className: "problem" }, stored.problem));
        return;
      }
      const { runs } = stored;
      const heads = (names) => h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col" }, name))));
      const line = (first, cells) => h("tr", {}, h("th", { scope: "row" }, first), ...cells.map((text) => h("td", {}, text)));
      const wide = (caption, ...parts) => h("div", { className: "wide", tabIndex: 0, role: "region", ariaLabel: caption }, h("table", {}, h("caption", {}, caption), ...parts));
      const body = [];
      let family = "";
      for (const each of stored.measures) {
        if (each.family !== family) body.push(h("tr", { className: "family" }, h("th", { scope: "rowgroup", colSpan: 2 * runs.length }, each.family)));
        family = each.family;
        body.push(line(each.name, [...each.values, ...each.differences.map((text) => text && `${text}${each.paired ? " *" : ""}`)].map((text) => text || "–")));
      }
      const others = runs.slice(1).map((name) => `${name} − ${runs[0]}`);
      for (const note of stored.notes) measures.append(h("p", { className: "note" }, note));
      if (body.length) {
        measures.append(wide(`Measures, ± their standard errors, and differences to ${runs[0]}`, heads(["measure", ...runs, ...others]), h("tbody", {}, ...body)));
        if (stored.measures.some((each) => each.paired)) measures.append(h("p", { className: "note" }, "* of the same test images, image by image"));
      }
      const settings = stored.settings.map(([name, ...values]) => line(name.replaceAll("_", " "), values));
      const text = `Settings that differ: ${settings.length}`;
      if (settings.length) measures.append(h("details", {}, h("summary", {}, text), wide(text, heads(["setting", ...runs]), h("tbody", {}, ...settings))));
      else measures.append(h("p", { className: "note" }, "All settings are the same."));
    }

    // ---- together -------------------------------------------------------------------------------------
    function draw() {
      drawRows();
      drawPair();
    }
    async function fetchRuns() {
      const mine = ++asked;
      drawChoice();
      const names = chosen();
      if (names.length) status.textContent = "Opening the models…";
      const answer = names.length ? await (await fetch(`${api}/compare?${new URLSearchParams(names.map((name) => ["run", name]))}`)).json() : null;
      if (mine !== asked) return;
      known = answer?.runs ? answer : { runs: [], noise: "", table: null };
      drawTable();
      await fetchImages();
      if (answer?.error) status.textContent = answer.error;
    }
    choice.open = chosen().length < 2;
    el.append(h("h1", {}, "Compare"), choice, controls, upload, status, table, pair, measures);
    model.on("change:runs", fetchRuns);
    let queued = false;
    const later = (act) => () => {
      if (queued) return;
      queued = true;
      queueMicrotask(() => {
        queued = false;
        act();
      });
    };
    for (const key of ["task", "source", "seed", "label"]) model.on(`change:${key}`, later(fetchImages));
    for (const key of ["left", "right", "wipe", "zoom", "cx", "cy", "white"]) model.on(`change:${key}`, drawPair);
    model.on("change:at", () => {
      markColumn();
      drawPair();
    });
    fetchRuns();
    return () => document.removeEventListener("paste", paste);
  },
};
