// One update in slow motion: a batch, each loss, each move, with the numbers; a guess before each result.
import { ask, button, count, group, h, painted, row, short, state, statusLine } from "./kit.js";

const MOST_SKIPPED = 50;
const PARTS = { autoencoder: "autoencoder", "conv-autoencoder": "autoencoder", vae: "vae", gan: "gan", dcgan: "dcgan", cgan: "dcgan" };
const MARKS = { real: "● ", generated: "◆ " };
const TOO_LONG = "The gradient is right for a tiny step only; this one was too long, or Adam still followed earlier batches.";
const brief = (n) => short(n, 3, 1e-4);
const precise = (n) => short(n, 4, 0);

// Two numbers with as many digits as show that they differ.
function change(before, after) {
  if (before === null || after === null) return `${precise(before)} → ${precise(after)}`;
  let digits = 3;
  while (digits < 8 && +before.toPrecision(digits) === +after.toPrecision(digits)) digits++;
  return `${+before.toPrecision(digits)} → ${+after.toPrecision(digits)}`;
}

// A row of images of one kind, with lines of words under each.
function pictures(title, images, lines = () => []) {
  const { kind } = images[0];
  return h(`section.images.${kind}`, h("h3", h("span", { ariaHidden: "true" }, MARKS[kind]), title),
    h("div.figures", images.map((image, i) => h("figure", painted(image, `${title}, ${i + 1}`),
      h("figcaption", lines(i).map((line) => h("span", line)))))));
}

const table = (...rows) => h("table.numbers", h("tbody", rows.map((cells) => row(...cells))));

// How far the weights moved, under the first rows of a table.
const moveTable = (move, ...rows) => table(...rows, ["norm of the gradient", precise(move.gradient_norm)], ["learning rate", brief(move.rate)],
  ["the weights moved by", `${precise(move.step_norm)}, of a norm of ${precise(move.weight_norm)}`]);

// A step is { name, content, question }; `content` makes its elements, the question comes before they are shown.
// ---- the steps of a game -------------------------------------------------------------------------------
const REAL = "D(x)", FAKE = "D(G(z))";
const FORMULAS = {
  D: { "non-saturating": "J(D) = −½ mean log D(x) − ½ mean log(1 − D(G(z)))", minimax: "J(D) = −½ mean log D(x) − ½ mean log(1 − D(G(z)))" },
  G: { "non-saturating": "J(G) = −mean log D(G(z))", minimax: "J(G) = mean log(1 − D(G(z)))" },
};

function gameSteps({ moves, game, batch }) {
  const each = game.scale === "logit" ? "the probability that D gives it of being real" : "D's output for it";
  return moves.flatMap((move, at) => {
    const { before, after, optimizer: who } = move, x = before.images.x, fakes = before.images["G(z)"];
    const mean = (view, symbol) => view.values[symbol].mean;
    const outputs = (view, symbol) => (i) => [brief(view.values[symbol].each[i])];
    const outputsOfBoth = (symbol) => (i) => [...outputs(before, symbol)(i), `→ ${outputs(after, symbol)(i)}`];
    const judged = (symbol, images) => pictures(`${symbol}, on average ${brief(mean(before, symbol))}`, images, outputs(before, symbol));
    const moved = (symbol, images) => pictures(`${symbol}, on average ${change(mean(before, symbol), mean(after, symbol))}`, images, outputsOfBoth(symbol));
    const formula = (game.plain || who === "G" ? FORMULAS[who][game.loss] : undefined) ?? `The ${game.loss} loss of ${who}`;
    const loss = h("p.formula", `${formula} = ${precise(move.loss)}`);
    const question = (noise, why) => ({
      key: `guess${at}`, before: mean(before, FAKE), after: mean(after, FAKE), what: "mean D(G(z))", why,
      text: `${who} takes one step down the gradient of its loss; ${who === "D" ? "G" : "D"} stays. Will the mean D(G(z)) of ${noise} rise or fall?`,
    });
    const numbers = () => moveTable(move, ["loss of this batch", change(mean(before, "loss"), mean(after, "loss"))],
      ...Object.entries(move.terms).map(([term, value]) => [term, precise(value)]));
    if (who === "D") return [
      { name: "A batch", content: () => [
        h("p", `Training draws ${batch} images x, and ${batch} vectors of noise z, from which G makes as many images G(z). Here are the first ${x.length} of each.`),
        pictures("real images x", x), pictures("generated images G(z)", fakes)] },
      { name: "D's loss", content: () => [
        h("p", `Under each image, ${each}. D wants high numbers for x and low ones for G(z).`),
        judged(REAL, x), judged(FAKE, fakes), loss, h("p.note", "Means are over the whole batch, not only over these images.")] },
      { name: "D moves", content: () => [
        h("p", "The same images with the new D. Only D's weights changed."), moved(REAL, x), moved(FAKE, fakes), numbers()],
      question: question("this batch", {
        fall: mean(after, REAL) < mean(before, REAL) ? "D(x) fell too: this step made D stricter with all images." : "D learnt to give these images less, and real ones more.",
        rise: "A step follows the gradient of the whole loss. It can pay to lose a little here and to win more at D(x), and a step can also be too long." }) },
    ];
    return [
      { name: "G's loss", content: () => [
        h("p", `G gets fresh noise, and the new D judges its images: under each, ${each}. G wants D to be wrong.`), judged(FAKE, fakes), loss] },
      { name: "G moves", content: () => [
        h("p", "The same noise through the new G. The images change a little; D is the same."),
        pictures("G(z) before", fakes, outputs(before, FAKE)), pictures("G(z) after", after.images["G(z)"], outputs(after, FAKE)), numbers()],
      question: question("the same noise", { fall: TOO_LONG,
        rise: "The gradient went through D to the pixels and on to G: it says how each pixel must change for D to believe more." }) },
    ];
  });
}

// ---- the steps of an autoencoder -----------------------------------------------------------------------
const NOT_TERMS = ["mu", "sigma", "z", "error", "loss"];
const TERMS = { elbo: "ELBO", rec: "reconstruction, −log p(x|z), nats", kl: "KL(q(z|x) ‖ p(z)), nats", mse: "mean squared error, pixels in [0, 1]" };
const OF_SUM = "The step lowers the sum of both terms. Here ";

function codeSteps({ moves: [move], batch }) {
  const { before, after } = move, { values, images: { x, reconstruction } } = before;
  const isDrawn = "mu" in values, watched = isDrawn && "kl" in values ? "kl" : "error";
  const vector = (key, i) => {
    const numbers = values[key].each[i];
    return `(${numbers.slice(0, 3).map((n) => (n === null ? "not finite" : n.toFixed(2))).join(", ")}${numbers.length > 3 ? ", …" : ""})`;
  };
  const codes = (i) => (isDrawn ? [["μ", "mu"], ["σ", "sigma"], ["z", "z"]] : [["z", "z"]]).map(([letter, key]) => `${letter} ${vector(key, i)}`);
  const errors = (view) => (i) => [brief(view.values.error.each[i])];
  const terms = (text) => Object.keys(values).filter((name) => !NOT_TERMS.includes(name)).map((name) => [TERMS[name] ?? name, text(name)]);
  const changed = (name) => change(values[name].mean, after.values[name].mean);
  const what = watched === "kl" ? "mean KL divergence" : "mean squared error";
  return [
    { name: "A batch", content: () => [h("p", `Training draws ${batch} images x. Here are the first ${x.length}.`), pictures("images x", x)] },
    { name: "Code", content: () => [
      h("p", isDrawn ? "The encoder gives a mean μ and a deviation σ for each number of the code. Training draws ε from N(0, 1) and uses z = μ + σ ε." : "The encoder makes a few numbers of each image: its code z."),
      pictures(isDrawn ? "x, and its μ, σ and z" : "x, and its code z", x, codes)] },
    { name: "Reconstruction", content: () => [
      h("p", "The decoder makes an image of each code. Under it, its squared error: the mean over the pixels, which count from 0 to 1."),
      pictures("images x", x), pictures("reconstructions", reconstruction, errors(before))] },
    { name: "Loss", content: () => [
      h("p", isDrawn ? "The loss is the reconstruction term plus β times the KL divergence; with β = 1 it is minus the ELBO." : "The loss is the mean squared error, over pixels in [−1, 1]; on the scale [0, 1] it is a quarter."),
      table(["loss", precise(values.loss.mean)], ...terms((name) => precise(values[name].mean)), ["norm of the gradient", precise(move.gradient_norm)])] },
    { name: "The step", content: () => [
      h("p", isDrawn ? "The same batch and the same ε, with the new weights." : "The same batch with the new weights."),
      moveTable(move, ["loss", changed("loss")], ...terms(changed))],
    question: { key: "guess0", before: values[watched].mean, after: after.values[watched].mean, what,
      text: `All weights take one step down the gradient. With the same ${isDrawn ? "ε" : "images"}, will the ${what} of this batch rise or fall?`,
      why: watched === "kl"
        ? { rise: `${OF_SUM}it paid more nats for the code, to lose more in the reconstruction.`, fall: `${OF_SUM}the codes came nearer to the prior.` }
        : { rise: TOO_LONG, fall: "The gradient is of this batch's own error, and a short step along it lowers it." } } },
    { name: "The batch after it", content: () => [
      h("p", "One step changes little. Training takes thousands."), pictures("images x", x),
      pictures("reconstructions before", reconstruction, errors(before)), pictures("reconstructions after", after.images.reconstruction, errors(after))] },
  ];
}

// ---- the page ------------------------------------------------------------------------------------------
function drawAnswer({ before, after, what, why }, guess) {
  const direction = after > before ? "rise" : after < before ? "fall" : "none";
  const fact = { rise: "It rose", fall: "It fell", none: "It stayed as it was" }[direction];
  const verdict = guess === "none" || direction === "none" ? "" : guess === direction ? "Yes. " : "No. ";
  return h("p.answer", h("strong", `${verdict}${fact}: ${what} ${change(before, after)}. `), why[direction]);
}

export default {
  async render({ model, el }) {
    const { get, change: set, whole } = state(model);
    let steps = [], asked = -1;
    const skip = () => whole("skip", 0, 0, MOST_SKIPPED), at = () => whole("step", 1, 1, steps.length) - 1;
    const go = (i) => set({ step: i + 1 });
    const keys = () => steps.flatMap(({ question }) => question?.key ?? []);
    const busy = statusLine(), list = h("ol.steps"), stage = h("section.stage-of-update", { tabIndex: -1, ariaLive: "polite" });
    const back = button("Back", () => go(at() - 1)), next = button("Next", () => go(at() + 1));
    const another = button("The update after it", () =>
      set({ skip: Math.min(MOST_SKIPPED, skip() + 1), step: "", ...Object.fromEntries(keys().map((key) => [key, ""])) }));
    const why = h("a", { hidden: true }, "Why? The lecture explains it");
    el.append(h("h1", "One update in slow motion"), busy, list, stage, group("Steps", back, next, another), h("p", why));

    function drawGuess({ key, text }) {
      const guess = (label, value) => button(label, () => {
        set({ [key]: value });
        stage.focus({ preventScroll: true }); // the button that had it is gone
      });
      return [h("p.asked", text), group("Your guess", guess("It rises", "rise"), guess("It falls", "fall"), guess("Just show it", "none"))];
    }
    function draw() {
      if (!steps.length) return;
      const here = at(), { name, question, content } = steps[here], guess = question && get(question.key);
      [...list.querySelectorAll("button")].forEach((each, i) => { each.ariaCurrent = i === here ? "step" : null; });
      const parts = question && !guess ? drawGuess(question) : [question && drawAnswer(question, guess), ...content()];
      stage.replaceChildren(h("h2", `${here + 1}. ${name}`), ...parts.filter(Boolean));
      back.disabled = here === 0;
      next.disabled = here === steps.length - 1;
      another.disabled = skip() >= MOST_SKIPPED;
    }
    async function load() {
      const wanted = skip();
      if (asked === wanted) return;
      asked = wanted;
      busy.textContent = "A copy of the model takes the step…";
      const update = await ask(`${model.get("api")}/update?skip=${wanted}`);
      if (asked !== wanted) return;
      if (update.error) {
        busy.textContent = update.error;
        for (const part of [list, stage, back, next, another]) part.hidden = true;
        return;
      }
      keys().forEach((key) => model.off(`change:${key}`, draw));
      steps = update.game ? gameSteps(update) : codeSteps(update);
      keys().forEach((key) => model.on(`change:${key}`, draw));
      const which = wanted ? `as number ${wanted + 1}` : "next";
      busy.textContent = `${model.get("run")} at ${count(update.images)} images. This is the update that training would do ${which} after its last checkpoint, done by a copy: the run stays as it is.`;
      if (PARTS[update.model]) Object.assign(why, { hidden: false, href: `#lecture?part=${PARTS[update.model]}` });
      list.replaceChildren(...steps.map((step, i) => h("li", button(step.name, () => go(i)))));
      draw();
    }
    model.on("change:step", draw);
    model.on("change:skip", load);
    await load();
  },
};
