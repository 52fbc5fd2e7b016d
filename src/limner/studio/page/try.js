// One image, the user's or a test image: what the model receives, and what it makes of it. Nothing is kept.
import { ask, button, checkbox, count, drawFile, group, h, imageZone, notes, onDrag, painted, problemLine, shares, state, statusLine } from "./kit.js";

const TITLES = {
  reconstruct: "Reconstruct", edit: "Every class", anomalies: "How strange?", similar: "Nearest images",
  invert: "Nearest the decoder makes", "translate to A": "Translate to A", "translate to B": "Translate to B",
};
const LARGEST = 20e6; // bytes
const SIDE = 224; // pixels of the drawing

// A board to draw on; `use` gets each drawing as a file.
function drawingBoard(use) {
  const board = h("canvas.board", { width: SIDE, height: SIDE, role: "img", ariaLabel: "a place to draw on" });
  const pen = board.getContext("2d", { willReadFrequently: true });
  const dark = checkbox("", clear, { checked: true });
  let last = null;
  function clear() {
    pen.fillStyle = dark.checked ? "black" : "white";
    pen.fillRect(0, 0, SIDE, SIDE);
  }
  function stroke(event, isFirst) {
    if (isFirst) last = null;
    const place = shares(event, board).map((share) => share * SIDE);
    Object.assign(pen, { strokeStyle: dark.checked ? "white" : "black", lineWidth: SIDE / 11, lineCap: "round", lineJoin: "round" });
    pen.beginPath();
    pen.moveTo(...(last ?? place));
    pen.lineTo(...place);
    pen.stroke();
    last = place;
  }
  onDrag(board, stroke);
  board.onpointerup = () => {
    if (!last) return;
    last = null;
    board.toBlob(use, "image/png");
  };
  clear();
  const darkField = h("label.field.inline", dark, h("span", "white on black"));
  return h("div.drawing", h("p", "or draw one:"), board, h("div.controls", darkField, button("Clear", clear)));
}

async function render({ model, el }) {
  const api = model.get("api"), { get, change, pick } = state(model);
  const busy = statusLine("Opening the model…");
  el.append(h("h1", model.get("run")), busy);
  const { trials, error, images } = await ask(`${api}/abilities`);
  if (!trials?.length) {
    busy.textContent = error ?? "This model takes no image: it only makes new ones.";
    return null;
  }
  busy.textContent = `The model at ${count(images)} images.`;
  const trial = () => pick("trial", trials), address = () => `${api}/try/${encodeURIComponent(trial())}`;
  const results = h("section.results", { ariaLive: "polite" }, notes(["Give it an image."]));
  let image = null, running = 0;

  // ---- what the model makes of it
  function refuse(text) {
    running++; // what comes of the image before is not shown any more
    results.replaceChildren(problemLine(text));
  }
  async function run() {
    if (!image) return;
    const mine = ++running;
    results.replaceChildren(...notes([trial() === "invert" ? "Searching the code; this takes some seconds…" : "…"]));
    const result = await ask(address(), { method: "POST", body: image });
    if (mine !== running) return;
    if (result.error) {
      refuse(result.error);
      return;
    }
    const figures = result.images.map((each) => h(`figure.${each.kind}`, painted(each), h("figcaption", each.caption)));
    results.replaceChildren(h("div.row", figures), ...result.numbers.map((text) => h("p.number", text)), ...notes(result.notes));
  }
  const buttons = trials.map((each) => button(TITLES[each] ?? each, () => {
    change({ trial: each });
    if (get("number") && each.startsWith("translate")) takeTest(); // of the other domain
    else run();
  }));
  const mark = () => buttons.forEach((each, i) => { each.ariaPressed = `${trials[i] === trial()}`; });
  model.on("change:trial", mark);
  mark();

  // ---- the image
  const preview = h("canvas.preview", { hidden: true, role: "img" }), source = h("p.note");
  async function take(file, from, isTest = false) {
    if (!isTest) remember("");
    if (file.size > LARGEST) {
      refuse(`the image has ${(file.size / 1e6).toFixed(0)} MB; the studio takes ${LARGEST / 1e6}`);
      return;
    }
    image = file;
    const mine = ++running;
    source.textContent = from;
    try {
      await drawFile(preview, file, { resizeHeight: 160, resizeQuality: "high" });
      Object.assign(preview, { hidden: false, ariaLabel: isTest ? from : `your image, ${from}` });
    } catch {
      preview.hidden = true; // a format that the library reads and the browser does not
    }
    if (mine === running) run();
  }
  const zone = imageZone("choose", take, () => refuse("that is not an image"), preview, source);

  // ---- a test image
  const number = h("input", { type: "number", min: 0, step: 1, ariaLabel: "Number of a test image", value: get("number"), onchange() {
    remember(number.value);
    takeTest();
  } });
  const remember = (text) => {
    number.value = text;
    change({ number: text });
  };
  const next = button("Next test image", async () => {
    const most = await countTests();
    if (!most) return;
    remember(number.value === "" ? 0 : (+number.value + 1) % most || 0);
    takeTest();
  });
  const counts = {};
  // How many test images there are; null, and a message, where the data of the run cannot be read.
  async function countTests() {
    const key = trial();
    if (!(key in counts)) {
      const answer = await ask(`${address()}/tests`);
      if (answer.error) {
        refuse(answer.error);
        return null;
      }
      counts[key] = answer.count;
    }
    return counts[key];
  }
  // The test image of that number, which a model of two domains takes from the domain that is translated.
  async function takeTest() {
    const text = get("number");
    if (!text) return;
    const most = await countTests();
    if (most === null || get("number") !== text) return;
    if (!/^\d+$/.test(text) || +text >= most) {
      refuse(`there are ${count(most)} test images, numbered from 0: ${text.slice(0, 20)} is none`);
      return;
    }
    const file = await ask(`${address()}/tests/${text}.png`);
    if (get("number") !== text) return;
    if (file.error) refuse(file.error);
    else take(file, `test image ${text}`, true);
  }
  model.on("change:number", () => {
    if (number.value === get("number")) return;
    number.value = get("number");
    takeTest();
  });
  const tests = h("div.controls.tests", h("label.field.inline", h("span", "or a test image:"), number), next);
  takeTest();
  el.append(h("div.inputs", h("div", zone.node, tests), drawingBoard((file) => take(file, "your drawing"))),
    h("h2", "What the model makes of it"), group("What to do", buttons), results);
  return zone.leave;
}

export default { render };
