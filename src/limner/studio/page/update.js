// One update in slow motion: a batch, each loss, each move, with the numbers; a guess before each result.
const h = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const short = (n) => (n === null ? "not finite" : Math.abs(n) >= 1e5 || (n && Math.abs(n) < 1e-4) ? n.toExponential(1) : `${+n.toPrecision(3)}`);
const precise = (n) => (n === null ? "not finite" : `${+n.toPrecision(4)}`);
const MOST_SKIPPED = 50;
const PARTS = { autoencoder: "autoencoder", "conv-autoencoder": "autoencoder", vae: "vae", gan: "gan", dcgan: "dcgan", cgan: "dcgan" };

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

// A row of images of one kind, with lines of words under each.
function row(title, images, words) {
  const marks = { real: "●", generated: "◆" };
  const figures = images.map((image, i) => {
    const lines = words(i);
    const canvas = h("canvas", { className: "pixels", role: "img", ariaLabel: `${title}, ${i + 1}` });
    paint(canvas, image);
    return h("figure", {}, canvas, h("figcaption", {}, ...lines.map((line) => h("span", {}, line))));
  });
  const kind = images[0].kind;
  return h("section", { className: `images ${kind}` },
    h("h3", {}, h("span", { ariaHidden: "true" }, `${marks[kind]} `), title), h("div", { className: "figures" }, ...figures));
}

const table = (...rows) => h("table", { className: "numbers" }, h("tbody", {},
  ...rows.map(([name, ...values]) => h("tr", {}, h("th", { scope: "row" }, name), ...values.map((value) => h("td", {}, value))))));
// Two numbers with as many digits as show that they differ.
function change(before, after) {
  if (before === null || after === null) return `${precise(before)} → ${precise(after)}`;
  let digits = 3;
  while (digits < 8 && +before.toPrecision(digits) === +after.toPrecision(digits)) digits++;
  return `${+before.toPrecision(digits)} → ${+after.toPrecision(digits)}`;
}

// ---- the steps of a game -------------------------------------------------------------------------------
function gameSteps({ moves, game, batch }) {
  const probability = game.scale === "logit";
  const means = (symbol) => (probability ? `the probability that D gives ${symbol} of being real` : `D's output for ${symbol}`);
  const formulas = {
    D: { "non-saturating": "J(D) = −½ mean log D(x) − ½ mean log(1 − D(G(z)))", minimax: "J(D) = −½ mean log D(x) − ½ mean log(1 − D(G(z)))" },
    G: { "non-saturating": "J(G) = −mean log D(G(z))", minimax: "J(G) = mean log(1 − D(G(z)))" },
  };
  const formula = (who) => (game.plain || who === "G" ? formulas[who][game.loss] : undefined) ?? `The ${game.loss} loss of ${who}`;
  const outputs = (view, symbol) => (i) => [short(view.values[symbol].each[i])];
  const both = (move, symbol) => (i) => [short(move.before.values[symbol].each[i]), `→ ${short(move.after.values[symbol].each[i])}`];
  const step = (move) => table(
    ["loss of this batch", change(move.before.values.loss.mean, move.after.values.loss.mean)],
    ...Object.entries(move.terms).map(([term, value]) => [term, precise(value)]),
    ["norm of the gradient", precise(move.gradient_norm)], ["learning rate", short(move.rate)],
    ["the weights moved by", `${precise(move.step_norm)}, of a norm of ${precise(move.weight_norm)}`]);
  const steps = [];
  moves.forEach((move, at) => {
    const { before, after } = move, values = before.values;
    if (move.optimizer === "D") {
      steps.push({ name: "A batch", content: () => [
        h("p", {}, `Training draws ${batch} images x, and ${batch} vectors of noise z, from which G makes as many images G(z). Here are the first ${before.images.x.length} of each.`),
        row("real images x", before.images.x, () => []), row("generated images G(z)", before.images["G(z)"], () => [])] });
      steps.push({ name: "D's loss", content: () => [
        h("p", {}, `Under each image, ${means("it")}. D wants high numbers for x and low ones for G(z).`),
        row(`D(x), on average ${short(values["D(x)"].mean)}`, before.images.x, outputs(before, "D(x)")),
        row(`D(G(z)), on average ${short(values["D(G(z))"].mean)}`, before.images["G(z)"], outputs(before, "D(G(z))")),
        h("p", { className: "formula" }, `${formula("D")} = ${precise(move.loss)}`),
        h("p", { className: "note" }, "Means are over the whole batch, not only over these images.")] });
      steps.push({ name: "D moves", asks: { key: `guess${at}`, text: "D takes one step down the gradient of its loss; G stays. Will the mean D(G(z)) of this batch rise or fall?",
        before: values["D(G(z))"].mean, after: after.values["D(G(z))"].mean, what: "mean D(G(z))",
        why: { fall: after.values["D(x)"].mean < values["D(x)"].mean ? "D(x) fell too: this step made D stricter with all images." : "D learnt to give these images less, and real ones more.", rise: "A step follows the gradient of the whole loss. It can pay to lose a little here and to win more at D(x), and a step can also be too long." } },
      content: () => [
        h("p", {}, "The same images with the new D. Only D's weights changed."),
        row(`D(x), on average ${change(values["D(x)"].mean, after.values["D(x)"].mean)}`, before.images.x, both(move, "D(x)")),
        row(`D(G(z)), on average ${change(values["D(G(z))"].mean, after.values["D(G(z))"].mean)}`, before.images["G(z)"], both(move, "D(G(z))")), step(move)] });
    } else {
      steps.push({ name: "G's loss", content: () => [
        h("p", {}, `G gets fresh noise, and the new D judges its images: under each, ${means("it")}. G wants D to be wrong.`),
        row(`D(G(z)), on average ${short(values["D(G(z))"].mean)}`, before.images["G(z)"], outputs(before, "D(G(z))")),
        h("p", { className: "formula" }, `${formula("G")} = ${precise(move.loss)}`)] });
      steps.push({ name: "G moves", asks: { key: `guess${at}`, text: "G takes one step down the gradient of its loss; D stays. Will the mean D(G(z)) of the same noise rise or fall?",
        before: values["D(G(z))"].mean, after: after.values["D(G(z))"].mean, what: "mean D(G(z))",
        why: { rise: "The gradient went through D to the pixels and on to G: it says how each pixel must change for D to believe more.", fall: "The gradient is right for a tiny step only; this one was too long, or Adam still followed earlier batches." } },
      content: () => [
        h("p", {}, "The same noise through the new G. The images change a little; D is the same."),
        row("G(z) before", before.images["G(z)"], outputs(before, "D(G(z))")), row("G(z) after", after.images["G(z)"], outputs(after, "D(G(z))")), step(move)] });
    }
  });
  return steps;
}

// ---- the steps of an autoencoder -----------------------------------------------------------------------
function codeSteps({ moves, batch }) {
  const [move] = moves, { before, after } = move, values = before.values;
  const vector = (value, i) => `(${value.each[i].slice(0, 3).map((n) => (n === null ? "not finite" : n.toFixed(2))).join(", ")}${value.each[i].length > 3 ? ", …" : ""})`;
  const drawn = "mu" in values;
  const skip = new Set(["mu", "sigma", "z", "error", "loss"]);
  const names = { elbo: "ELBO", rec: "reconstruction, −log p(x|z), nats", kl: "KL(q(z|x) ‖ p(z)), nats", mse: "mean squared error, pixels in [0, 1]" };
  const terms = Object.keys(values).filter((name) => !skip.has(name));
  const watched = drawn && "kl" in values ? "kl" : "error";
  const what = watched === "kl" ? "mean KL divergence" : "mean squared error";
  const why = watched === "kl"
    ? { rise: "The step lowers the sum of both terms. Here it paid more nats for the code, to lose more in the reconstruction.", fall: "The step lowers the sum of both terms. Here the codes came nearer to the prior." }
    : { fall: "The gradient is of this batch's own error, and a short step along it lowers it.", rise: "The gradient is right for a tiny step only; this one was too long, or Adam still followed earlier batches." };
  return [
    { name: "A batch", content: () => [h("p", {}, `Training draws ${batch} images x. Here are the first ${before.images.x.length}.`), row("images x", before.images.x, () => [])] },
    { name: "Code", content: () => [
      h("p", {}, drawn ? "The encoder gives a mean μ and a deviation σ for each number of the code. Training draws ε from N(0, 1) and uses z = μ + σ ε." : "The encoder makes a few numbers of each image: its code z."),
      row(drawn ? "x, and its μ, σ and z" : "x, and its code z", before.images.x, (i) => (drawn
        ? [`μ ${vector(values.mu, i)}`, `σ ${vector(values.sigma, i)}`, `z ${vector(values.z, i)}`] : [`z ${vector(values.z, i)}`]))] },
    { name: "Reconstruction", content: () => [
      h("p", {}, "The decoder makes an image of each code. Under it, its squared error: the mean over the pixels, which count from 0 to 1."),
      row("images x", before.images.x, () => []), row("reconstructions", before.images.reconstruction, (i) => [short(values.error.each[i])])] },
    { name: "Loss", content: () => [
      h("p", {}, drawn ? "The loss is the reconstruction term plus β times the KL divergence; with β = 1 it is minus the ELBO." : "The loss is the mean squared error, over pixels in [−1, 1]; on the scale [0, 1] it is a quarter."),
      table(["loss", precise(values.loss.mean)], ...terms.map((name) => [names[name] ?? name, precise(values[name].mean)]),
        ["norm of the gradient", precise(move.gradient_norm)])] },
    { name: "The step", asks: { key: "guess0", text: `All weights take one step down the gradient. With the same ${drawn ? "ε" : "images"}, will the ${what} of this batch rise or fall?`,
      before: values[watched].mean, after: after.values[watched].mean, what, why },
    content: () => [
      h("p", {}, drawn ? "The same batch and the same ε, with the new weights." : "The same batch with the new weights."),
      table(["loss", change(values.loss.mean, after.values.loss.mean)], ...terms.map((name) => [names[name] ?? name, change(values[name].mean, after.values[name].mean)]),
        ["norm of the gradient", precise(move.gradient_norm)], ["learning rate", short(move.rate)],
        ["the weights moved by", `${precise(move.step_norm)}, of a norm of ${precise(move.weight_norm)}`])] },
    { name: "The batch after it", content: () => [
      h("p", {}, "One step changes little. Training takes thousands."), row("images x", before.images.x, () => []),
      row("reconstructions before", before.images.reconstruction, (i) => [short(values.error.each[i])]),
      row("reconstructions after", after.images.reconstruction, (i) => [short(after.values.error.each[i])])] },
  ];
}

export default {
  async render({ model, el }) {
    const busy = h("p", { className: "status", role: "status" });
    const list = h("ol", { className: "steps" });
    const stage = h("section", { className: "stage-of-update", tabIndex: -1, ariaLive: "polite" });
    const back = h("button", { type: "button", onclick: () => go(at() - 1) }, "Back");
    const next = h("button", { type: "button", onclick: () => go(at() + 1) }, "Next");
    const another = h("button", { type: "button" }, "The update after it");
    another.addEventListener("click", () => set({ skip: `${Math.min(MOST_SKIPPED, skip() + 1)}`, step: "", ...Object.fromEntries(steps.filter(({ asks }) => asks).map(({ asks }) => [asks.key, ""])) }));
    const why = h("a", { hidden: true }, "Why? The lecture explains it");
    el.append(h("h1", {}, "One update in slow motion"), busy, list, stage,
      h("div", { className: "controls", role: "group", ariaLabel: "Steps" }, back, next, another), h("p", {}, why));
    let update = null, steps = [], asked = -1;
    const listens = new Set();
    const skip = () => Math.min(MOST_SKIPPED, Math.max(0, Math.round(+model.get("skip")) || 0));
    const at = () => Math.min(steps.length - 1, Math.max(0, (Math.round(+model.get("step")) || 1) - 1));
    const set = (values) => {
      for (const [key, value] of Object.entries(values)) model.set(key, value);
      model.save_changes();
    };
    const go = (i) => set({ step: `${i + 1}` });

    function drawGuess(ask) {
      const say = (guess) => () => {
        set({ [ask.key]: guess });
        stage.focus({ preventScroll: true }); // the button that had it is gone
      };
      return [h("p", { className: "asked" }, ask.text), h("div", { className: "controls", role: "group", ariaLabel: "Your guess" },
        h("button", { type: "button", onclick: say("rise") }, "It rises"), h("button", { type: "button", onclick: say("fall") }, "It falls"),
        h("button", { type: "button", onclick: say("none") }, "Just show it"))];
    }
    function drawAnswer(ask, guess) {
      const direction = ask.after > ask.before ? "rise" : ask.after < ask.before ? "fall" : "none";
      const words = direction === "none" ? "It stayed as it was" : `It ${direction === "rise" ? "rose" : "fell"}`;
      const verdict = guess === "none" || direction === "none" ? "" : guess === direction ? "Yes. " : "No. ";
      return h("p", { className: "answer" }, h("strong", {}, `${verdict}${words}: ${ask.what} ${change(ask.before, ask.after)}. `), ask.why[direction] ?? "");
    }
    function draw() {
      if (!update) return;
      const here = at(), { name, asks, content } = steps[here];
      [...list.querySelectorAll("button")].forEach((button, i) => {
        if (i === here) button.setAttribute("aria-current", "step");
        else button.removeAttribute("aria-current");
      });
      const guess = asks ? model.get(asks.key) : "none";
      const parts = asks && guess === "" ? drawGuess(asks) : [...(asks ? [drawAnswer(asks, guess)] : []), ...content()];
      stage.replaceChildren(h("h2", {}, `${here + 1}. ${name}`), ...parts);
      back.disabled = here === 0;
      next.disabled = here === steps.length - 1;
      another.disabled = skip() >= MOST_SKIPPED;
    }
    async function load() {
      const wanted = skip();
      if (asked === wanted) return;
      asked = wanted;
      busy.textContent = "A copy of the model takes the step…";
      const answer = await fetch(`${model.get("api")}/update?skip=${wanted}`);
      const content = await answer.json();
      if (asked !== wanted) return;
      if (!answer.ok) {
        busy.textContent = content.error;
        for (const part of [list, stage, back, next, another]) part.hidden = true;
        return;
      }
      update = content;
      steps = update.game ? gameSteps(update) : codeSteps(update);
      for (const { asks } of steps) if (asks && !listens.has(asks.key)) model.on(`change:${asks.key}`, draw), listens.add(asks.key);
      const which = wanted ? `as number ${wanted + 1}` : "next";
      busy.textContent = `${model.get("run")} at ${update.images.toLocaleString("en")} images. This is the update that training would do ${which} after its last checkpoint, done by a copy: the run stays as it is.`;
      if (PARTS[update.model]) Object.assign(why, { hidden: false, href: `#lecture?part=${PARTS[update.model]}` });
      list.replaceChildren(...steps.map((step, i) => h("li", {}, h("button", { type: "button", onclick: () => go(i) }, step.name))));
      draw();
    }
    model.on("change:step", draw);
    model.on("change:skip", load);
    await load();
  },
};
