// One image, the user's or a test image: what the model receives, and what it makes of it. Nothing is kept.
const TITLES = {
  reconstruct: "Reconstruct", edit: "Every class", anomalies: "How strange?", similar: "Nearest images",
  invert: "Nearest the decoder makes", "translate to A": "Translate to A", "translate to B": "Translate to B",
};
const LARGEST = 20e6; // bytes
const SIDE = 224; // pixels of the drawing

const h = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

function paint(canvas, { shape, pixels }) {
  const [channels, height, width] = shape;
  const bytes = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const size = width * height;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[(channels === 1 ? 0 : c * size) + i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

function draw(image) {
  const canvas = h("canvas", { className: "pixels", role: "img" });
  canvas.setAttribute("aria-label", image.caption);
  paint(canvas, image);
  return h("figure", { className: image.kind }, canvas, h("figcaption", {}, image.caption));
}

export default {
  async render({ model, el }) {
    const api = model.get("api");
    el.append(h("h1", {}, model.get("run")));
    const busy = h("p", { className: "status", role: "status" }, "Opening the model…");
    el.append(busy);
    const answer = await fetch(`${api}/abilities`);
    const known = await answer.json();
    const { trials } = known;
    if (!answer.ok || !trials.length) {
      busy.textContent = known.error ?? "This model takes no image: it only makes new ones.";
      return;
    }
    busy.textContent = `The model at ${known.images.toLocaleString("en")} images.`;
    const trial = () => (trials.includes(model.get("trial")) ? model.get("trial") : trials[0]);
    let image = null, running = 0;

    // ---- the image ------------------------------------------------------------------------------------
    const input = h("input", { type: "file", accept: "image/*", className: "away", id: "choose" });
    const preview = h("canvas", { className: "preview", hidden: true, role: "img" });
    const name = h("p", { className: "note" });
    const choose = h("label", { htmlFor: "choose", className: "button" }, "Choose an image");
    const zone = h("div", { className: "zone" },
      h("p", {}, "Drop an image here, paste one, or"), h("p", {}, input, choose), preview, name);
    const number = h("input", { type: "number", min: 0, step: 1, ariaLabel: "Number of a test image" });
    const remember = (text) => {
      number.value = text;
      model.set("number", text);
      model.save_changes();
    };
    const next = h("button", { type: "button" }, "Next test image");
    const tests = h("div", { className: "controls tests" }, h("label", { className: "field inline" }, h("span", {}, "or a test image:"), number), next);
    next.addEventListener("click", async () => {
      const count = await countTests();
      if (!count) return;
      remember(`${number.value === "" ? 0 : (+number.value + 1) % count || 0}`);
      takeTest();
    });
    number.addEventListener("change", () => {
      remember(number.value);
      takeTest();
    });

    // How many test images there are; null, and a message, where the data of the run cannot be read.
    const counts = {};
    async function countTests() {
      const key = trial();
      if (!(key in counts)) {
        let result;
        try {
          result = await (await fetch(`${api}/try/${encodeURIComponent(key)}/tests`)).json();
        } catch {
          result = { error: "the studio does not answer: is it still running?" };
        }
        if (result.error) {
          refuse(result.error);
          return null;
        }
        counts[key] = result.count;
      }
      return counts[key];
    }

    // The test image of that number, which a model of two domains takes from the domain that is translated.
    async function takeTest() {
      const text = model.get("number");
      if (!text) return;
      const count = await countTests();
      if (count === null || model.get("number") !== text) return;
      if (!/^\d+$/.test(text) || +text >= count) {
        refuse(`there are ${count.toLocaleString("en")} test images, numbered from 0: ${text.slice(0, 20)} is none`);
        return;
      }
      let answer, blob;
      try {
        answer = await fetch(`${api}/try/${encodeURIComponent(trial())}/tests/${text}.png`);
        blob = await (answer.ok ? answer.blob() : answer.json());
      } catch {
        blob = { error: "the studio does not answer: is it still running?" };
      }
      if (model.get("number") !== text) return;
      if (blob.error) refuse(blob.error);
      else take(blob, `test image ${text}`, true);
    }

    async function take(file, from, test = false) {
      if (!test) remember("");
      if (!file || !file.type.startsWith("image/")) {
        refuse("that is not an image");
        return;
      }
      if (file.size > LARGEST) {
        refuse(`the image has ${(file.size / 1e6).toFixed(0)} MB; the studio takes ${LARGEST / 1e6}`);
        return;
      }
      image = file;
      const mine = ++running;
      name.textContent = from;
      try {
        const bitmap = await createImageBitmap(file, { resizeHeight: 160, resizeQuality: "high" });
        Object.assign(preview, { width: bitmap.width, height: bitmap.height, hidden: false });
        preview.getContext("2d").drawImage(bitmap, 0, 0);
        preview.setAttribute("aria-label", test ? from : `your image, ${from}`);
      } catch {
        preview.hidden = true; // a format that the library reads and the browser does not
      }
      if (mine === running) run();
    }
    input.addEventListener("change", () => {
      if (input.files[0]) take(input.files[0], input.files[0].name);
      input.value = "";
    });
    zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      take(event.dataTransfer.files[0], event.dataTransfer.files[0]?.name);
    });
    const paste = (event) => {
      const file = [...event.clipboardData.files].find((f) => f.type.startsWith("image/"));
      if (file) take(file, "pasted");
    };
    document.addEventListener("paste", paste);

    // ---- a drawing ------------------------------------------------------------------------------------
    const board = h("canvas", { className: "board", width: SIDE, height: SIDE, role: "img", ariaLabel: "a place to draw on" });
    const pen = board.getContext("2d", { willReadFrequently: true });
    const dark = h("input", { type: "checkbox", checked: true });
    let last = null, drawn = false;
    const clear = () => {
      pen.fillStyle = dark.checked ? "black" : "white";
      pen.fillRect(0, 0, SIDE, SIDE);
      drawn = false;
    };
    const at = (event) => {
      const box = board.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
    };
    const stroke = (event) => {
      const [x, y] = at(event);
      pen.strokeStyle = dark.checked ? "white" : "black";
      pen.lineWidth = SIDE / 11;
      pen.lineCap = pen.lineJoin = "round";
      pen.beginPath();
      pen.moveTo(...(last ?? [x, y]));
      pen.lineTo(x, y);
      pen.stroke();
      last = [x, y];
      drawn = true;
    };
    board.addEventListener("pointerdown", (event) => {
      board.setPointerCapture(event.pointerId);
      last = null;
      stroke(event);
    });
    board.addEventListener("pointermove", (event) => last && stroke(event));
    board.addEventListener("pointerup", () => {
      last = null;
      if (drawn) useDrawing();
    });
    const useDrawing = () => board.toBlob((blob) => take(blob, "your drawing"), "image/png");
    dark.addEventListener("change", clear);
    clear();
    const drawing = h("div", { className: "drawing" }, h("p", {}, "or draw one:"), board,
      h("div", { className: "controls" }, h("label", { className: "field inline" }, dark, h("span", {}, "white on black")),
        h("button", { type: "button", onclick: clear }, "Clear")));

    // ---- what the model makes of it -------------------------------------------------------------------
    const choices = h("div", { className: "controls", role: "group", ariaLabel: "What to do" });
    const buttons = new Map();
    for (const each of trials) {
      const button = h("button", { type: "button" }, TITLES[each] ?? each);
      button.addEventListener("click", () => {
        model.set("trial", each);
        model.save_changes();
        mark();
        if (model.get("number") && each.startsWith("translate")) takeTest(); // of the other domain
        else run();
      });
      buttons.set(each, button);
      choices.append(button);
    }
    const mark = () => buttons.forEach((button, each) => button.setAttribute("aria-pressed", `${each === trial()}`));
    const results = h("section", { className: "results", ariaLive: "polite" }, h("p", { className: "note" }, "Give it an image."));

    function show(result) {
      if (result.error) {
        results.replaceChildren(h("p", { className: "problem", role: "alert" }, result.error));
        return;
      }
      results.replaceChildren(
        h("div", { className: "row" }, ...result.images.map(draw)),
        ...result.numbers.map((text) => h("p", { className: "number" }, text)),
        ...result.notes.map((text) => h("p", { className: "note" }, text)));
    }

    function refuse(error) {
      running++; // what comes of the image before is not shown any more
      show({ error });
    }

    async function run() {
      if (!image) return;
      const mine = ++running;
      results.replaceChildren(h("p", { className: "note" }, trial() === "invert" ? "Searching the code; this takes some seconds…" : "…"));
      let result;
      try {
        const reply = await fetch(`${api}/try/${encodeURIComponent(trial())}`, { method: "POST", body: image });
        result = await reply.json();
      } catch {
        result = { error: "the studio does not answer: is it still running?" };
      }
      if (mine === running) show(result);
    }
    model.on("change:trial", () => { mark(); });
    mark();
    model.on("change:number", () => {
      if (number.value === (model.get("number") ?? "")) return;
      number.value = model.get("number") ?? "";
      takeTest();
    });
    number.value = model.get("number") ?? "";
    takeTest();
    el.append(h("div", { className: "inputs" }, h("div", {}, zone, tests), drawing), h("h2", {}, "What the model makes of it"), choices, results);
    return () => document.removeEventListener("paste", paste);
  },
};
