// Images as points: hover, select, neighbours; decode between points; samples beside training images.
import { makeCopies } from "./copies.js";
import { ask, button, cleared, count, drawFile, Fields, group, h, later, linkTo, notes, poll, problemLine, say, state, statusLine } from "./kit.js";
import { Marks, SHAPES } from "./marks.js";
import { Plot } from "./plot.js";
import { Points } from "./points.js";

const SHOWN = 240; // images of a selection
const COLUMNS = 12; // of their contact sheet
const METHODS = { codes: "the two numbers of the code", pca: "PCA", tsne: "t-SNE" };
const KINDS = ["real", "generated"];
const FORGOTTEN = { // keys that mean nothing with another value of a key
  method: ["view", "area"], space: ["at", "hide", "method", "view", "area"], set: ["at", "view", "area"], n: ["at", "view", "area"],
};

// The keys of the address that say which map is wanted.
function choices(model, known) {
  const { get, pick } = state(model);
  const space = () => pick("space", known.spaces), isOfCodes = () => space() === "codes";
  return {
    space, isOfCodes,
    split: () => pick("set", ["test", "train"]),
    number: () => pick("n", isOfCodes() ? ["2000", "500", "1000", "5000"] : ["1000", "500", "2000", "5000"]),
    method: (points) => (points ? pick("method", points.methods) : get("method")),
    showsClasses: (points) => points.classes.length > 0 && (isOfCodes() || get("colour") === "class"),
  };
}

// The fields above the map.
function makeFields(model, known, wanted, current) {
  const address = state(model), fields = new Fields(address), several = (pairs) => (pairs.length > 1 ? pairs : []);
  const select = (text, key, pairs, value) => fields.select(text, key, () => several(pairs()), value,
    cleared(FORGOTTEN[key] ?? []));
  const size = () => address.whole("size", 2, 1, 5);
  const node = group("Map",
    select("Map of", "space", () => known.spaces.map((each) => [each, each === "codes" ? "codes of images" : "real and generated images"]), wanted.space),
    select("Method", "method", () => current()?.methods.map((each) => [each, METHODS[each]]) ?? [], () => wanted.method(current())),
    select("Real images", "set", () => [["test"], ["train", "training"]], wanted.split),
    select("Points", "n", () => [500, 1000, 2000, 5000].map((n) => [n, count(n)]), wanted.number),
    select("Show", "show", () => [["points"], ["images"]], () => address.pick("show", ["points", "images"])),
    select("Colour by", "colour", () => (current()?.classes.length && !wanted.isOfCodes() ? [["kind", "real or generated"], ["class"]] : []),
      () => address.pick("colour", ["kind", "class"])),
    fields.range("Size", "size", 1, 5, 1, size));
  return { node, fill: () => fields.fill() };
}

// Zoom, and what selects many points.
function makeTools(plot) {
  const tool = (text, label, act) => button(text, act, { ariaLabel: label, title: label });
  const lasso = tool("Lasso", "Lasso: draw around points", () => plot.toggleLasso());
  const box = h("select", { ariaLabel: "Select a class", onchange: () => plot.change({ area: box.value && `class:${box.value}` }) });
  const node = group("View and selection",
    tool("+", "Zoom in", () => plot.zoomAt(1.5)), tool("−", "Zoom out", () => plot.zoomAt(1 / 1.5)),
    tool("Whole map", "Show the whole map", () => plot.change({ view: "" })), lasso,
    tool("Rectangle", "Rectangle: arrows move it, Shift and arrows size it, Enter selects", () => plot.placeFrame()), box,
    tool("Clear", "Clear the selection", () => plot.clear()));
  node.classList.add("tools");
  function show() {
    lasso.ariaPressed = `${plot.hasLasso}`;
    plot.node.classList.toggle("lassos", plot.hasLasso);
  }
  function fill(entries) {
    const area = plot.get("area");
    box.replaceChildren(h("option", { value: "" }, "Select a class…"), ...entries.map(({ key, name }) => h("option", { value: key }, name)));
    box.hidden = !entries.length;
    box.value = area.startsWith("class:") ? area.slice(6) : "";
  }
  return { node, show, fill };
}

// One point, large, beside its neighbours by code or features and by pixels.
async function drawChosen(node, plot, wanted, run) {
  const { points, selected: i } = plot;
  if (i < 0) {
    node.replaceChildren();
    return;
  }
  const isReal = points.isReal(i), isOfCodes = wanted.isOfCodes(), rows = h("div.sides");
  const query = `base=${isReal ? "image" : "seed"}&number=${points.index[i]}`;
  const hasCode = isReal ? isOfCodes && points.split === "test" : true;
  const kind = points.className(i) && `${isOfCodes || isReal ? "class" : "predicted class"} ${points.className(i)}`;
  node.replaceChildren(h("h2", "Selected"), h("div.pair", h(`figure.${points.kind(i)}`,
    h("img.pixels.whole", { src: `${points.base}/images/${i}.png`, alt: points.name(i) }),
    h("figcaption", [kind, points.name(i)].filter(Boolean).join(", "), " ", hasCode && h("a", { href: linkTo("latent", run, query) }, "Open in Codes"))), rows));
  const found = await ask(`${points.base}/nearest/${i}`);
  if (plot.points !== points || i !== plot.selected) return;
  if (found.error) {
    rows.append(problemLine(found.error));
    return;
  }
  plot.neighbours = { point: i, ...found };
  const neighbour = ([k, distance]) => h("li", button([points.contact([k], 1), h("span", `${points.className(k)} ${distance.toFixed(2)}`)],
    () => plot.change({ at: k }), { className: points.kind(k), ariaLabel: `${points.name(k)}, distance ${distance.toFixed(2)}` }));
  for (const [key, title, edge] of [["features", isOfCodes ? "Nearest by code" : "Nearest by features", "rings"], ["pixels", "Nearest by pixels", "dotted rings"]]) {
    rows.append(h("div", h("h3", title), h("ol.near", found[key].map(neighbour)),
      notes([`Among the ${count(points.total)} points of this map; ${edge} mark them. Below: ${points.classes.length ? "class and " : ""}distance.`])));
  }
  plot.drawOverlay();
}

// The selected points: how many, of which classes, their mean, and their images.
async function drawPicked(node, points, indices, isOfCodes) {
  node.replaceChildren();
  if (!indices) return;
  const total = points.tally(indices, (i) => [isOfCodes ? "" : points.kind(i), points.className(i)].filter(Boolean));
  const counts = [...total].sort((a, b) => b[1] - a[1]).map(([name, n]) => `${name}: ${count(n)}`).join(" · ");
  node.append(h("h2", "Selection"), h("p.number", `${count(indices.length)} of ${count(points.total)} points`), h("p", counts));
  if (!indices.length) return;
  const mean = h("canvas.pixels.whole", { role: "img", ariaLabel: "mean of the selected images" }), some = indices.slice(0, SHOWN);
  const contact = points.contact(some, COLUMNS, { role: "img", ariaLabel: `${some.length} of the selected images` });
  contact.classList.add("contact");
  node.append(h("figure", mean, h("figcaption", "Mean image")), h("div.scroll", { tabIndex: 0, role: "group", ariaLabel: "Contact sheet" }, contact));
  if (some.length < indices.length) node.append(...notes([`The first ${SHOWN} are shown.`]));
  const file = await ask(`${points.base}/mean.png`, { method: "POST", body: Uint32Array.from(indices) });
  if (!file.error) await drawFile(mean, file);
}

async function render({ model, el }) {
  const api = model.get("api"), run = model.get("run"), { get, change } = state(model);
  const status = statusLine("Opening the model…");
  el.append(h("h1", run), status);
  const known = await ask(`${api}/map`);
  if (!known.spaces?.length) {
    status.textContent = known.error ?? "This model neither encodes images nor samples any, so it has no map.";
    return null;
  }
  const wanted = choices(model, known), marks = new Marks(el);
  const plot = new Plot(model, marks, known.labels, (i) => markOf(plot.points.label[i], plot.points.isReal(i)));
  const fields = makeFields(model, known, wanted, () => plot.points), tools = makeTools(plot), copies = makeCopies(model, known.measures, marks);
  const bar = h("progress", { max: 1, hidden: true }), problem = problemLine(), axes = h("p.axes.note");
  const legend = h("div.groups"), explanation = h("div.explanation");
  const chosen = h("section.chosen", { ariaLive: "polite" }), picked = h("section.picked", { ariaLive: "polite" });
  el.append(fields.node, bar, problem, h("div.board", h("div", tools.node, plot.node, axes, plot.spoken),
    h("div.side", legend, picked, explanation)), chosen, copies.node);
  let turn = 0, hasFailed = false;

  // ---- from the studio
  async function load(isAnew) {
    const own = ++turn, isWanted = () => own === turn;
    const fetchPart = (address, text) => poll(address, (share) => {
      bar.hidden = false;
      bar.value = share;
      status.textContent = `${text} ${Math.round(100 * share)} %`;
    }, isWanted);
    const finish = (error) => {
      plot.node.classList.remove("waits");
      bar.hidden = true;
      hasFailed = Boolean(error);
      if (error) status.textContent = "";
      say(problem, error);
    };
    plot.node.classList.add("waits");
    say(problem, "");
    let { points } = plot;
    if (isAnew) {
      const query = new URLSearchParams({ space: wanted.space(), split: wanted.split(), n: wanted.number() });
      const info = await fetchPart(`${api}/map?${query}`, wanted.isOfCodes() ? "Encoding images…" : "Drawing samples and their features…");
      if (!info || info.error) {
        if (info) finish(info.error);
        return;
      }
      points = new Points(`${api}/map/${info.map}`, info, wanted.split());
    }
    const method = wanted.method(points);
    const file = await fetchPart(`${points.base}/points?method=${method}${hasFailed ? "&again=1" : ""}`, `${METHODS[method]}…`);
    if (!file) return;
    if (file.error && !isAnew) load(true); // the studio may not keep that map any more
    else if (file.error) finish(file.error);
    else {
      points.read(await file.arrayBuffer(), method);
      if (!isWanted()) return;
      finish();
      showPoints(points);
    }
  }

  // ---- classes and kinds
  function markOf(label, isReal) {
    const isOfCodes = wanted.isOfCodes(), hasColour = wanted.showsClasses(plot.points) && label >= 0;
    const shape = !isOfCodes ? (isReal ? 0 : "diamond") : hasColour ? label % SHAPES : 0;
    return [shape, marks.colours[hasColour ? `class-${label % 10}` : isReal ? "real" : "generated"]];
  }
  const hidden = () => new Set(get("hide").split(",").filter(Boolean));
  function drawLegend() {
    const { points } = plot, { colours } = marks, hasClasses = wanted.showsClasses(points), isOfCodes = wanted.isOfCodes();
    const total = points.tally(points.visible(new Set()).keys(), (i) => points.keys(i));
    const kinds = isOfCodes ? [] : KINDS.map((key, k) => ({ key, name: key, shape: k ? "diamond" : 0, colour: hasClasses ? colours.soft : colours[key] }));
    const classes = points.classes.map((name, k) => ({ key: `${k}`, name, shape: isOfCodes ? k % SHAPES : 0, colour: hasClasses ? colours[`class-${k % 10}`] : colours.soft }))
      .filter(({ key }) => total.has(key));
    const toggle = (key) => {
      const keys = hidden();
      if (!keys.delete(key)) keys.add(key);
      change({ hide: [...keys].join(",") });
    };
    const item = ({ key, name, shape, colour }) => h("li", h("button.group", { type: "button", ariaPressed: `${!hidden().has(key)}`, onclick: () => toggle(key) },
      marks.sample(shape, colour), h("span", name), h("span.count", count(total.get(key) ?? 0))));
    const lists = [kinds, classes].filter((entries) => entries.length);
    legend.replaceChildren(...(lists.length ? [h("h2", "Shown")] : []), ...lists.map((entries) => h("ul", entries.map(item))));
    tools.fill([...kinds, ...classes]);
  }
  function selectPoints() {
    const { points } = plot, visible = points.visible(hidden()), indices = points.within(get("area"), visible);
    plot.select(visible, indices);
    drawLegend();
    drawPicked(picked, points, indices, wanted.isOfCodes());
  }

  // ---- together
  function explain({ title, layout, method, notes: remarks }) {
    const near = `Of each point's 10 nearest by ${wanted.isOfCodes() ? "code" : "features"}, ${Math.round(100 * layout.kept)} % are among its 10 nearest on this map.`;
    status.textContent = `${method === "codes" ? title[0].toUpperCase() + title.slice(1) : `${METHODS[method]} of ${title}`}. The model at ${count(known.images)} images.`;
    explanation.replaceChildren(h("h2", "How to read it"), ...notes([...layout.notes, near, ...remarks]));
    axes.textContent = layout.axes ? `→ ${layout.axes[0]}   ↑ ${layout.axes[1]}` : "";
  }
  function showFields() {
    fields.fill();
    tools.show();
  }
  function showPoints(points) {
    plot.setPoints(points);
    showFields();
    selectPoints();
    explain(points);
    drawChosen(chosen, plot, wanted, run);
  }
  function restyle() {
    if (!plot.points) return;
    plot.restyle();
    drawLegend();
  }
  later(model, "space set n", () => {
    showFields();
    load(true);
  });
  later(model, "method", () => { if (plot.points) load(false); });
  later(model, "view", () => plot.readView());
  later(model, "show size colour tool", () => {
    showFields();
    restyle();
  });
  later(model, "hide area", () => { if (plot.points) selectPoints(); });
  later(model, "at", () => {
    plot.drawOverlay();
    drawChosen(chosen, plot, wanted, run);
  });
  later(model, "copies by", copies.draw);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const recolour = () => {
    marks.read();
    restyle();
  };
  scheme.addEventListener("change", recolour);
  showFields();
  copies.draw();
  load(true);
  return () => {
    turn++;
    scheme.removeEventListener("change", recolour);
    plot.close();
    copies.leave();
  };
}

export default { render };
