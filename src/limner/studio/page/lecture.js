// The lecture: a text for each part, small runs that are trained on first use, links that set the studio, questions.
const h = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const count = (n) => n.toLocaleString("en");
const about = (seconds) => (seconds < 90 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`);

export default {
  async render({ model, el }) {
    const contents = h("ol", { className: "contents" });
    const article = h("article", { tabIndex: -1 });
    const runs = h("section", { className: "runs" });
    const text = h("div", { className: "text" });
    const problem = h("p", { className: "problem", role: "alert", hidden: true });
    const onward = h("nav", { className: "onward", ariaLabel: "Parts before and after" });
    const lost = h("p", { className: "lost", hidden: true }, "The studio does not answer: is it still running?");
    article.append(lost, text, onward);
    el.append(h("nav", { ariaLabel: "Parts of the lecture" }, contents), article);

    let parts = await (await fetch("/api/lecture")).json();
    let shown = "", links = [];
    const name = () => (parts.some((part) => part.name === model.get("part")) ? model.get("part") : parts[0].name);
    const current = () => parts.find((part) => part.name === name());
    const all = () => new Map(parts.flatMap((part) => part.runs.map((run) => [run.id, run])));
    const ready = (run) => run?.status === "finished";

    function link(part, words) {
      const node = h("a", { href: `#lecture?part=${part.name}` }, words);
      if (part.name === name() && words === part.title) node.setAttribute("aria-current", "page");
      return node;
    }

    function drawFrame() {
      contents.replaceChildren(...parts.map((part) => h("li", {}, link(part, part.title))));
      const at = parts.indexOf(current());
      onward.replaceChildren();
      if (at > 0) onward.append(link(parts[at - 1], `← ${parts[at - 1].title}`));
      if (at < parts.length - 1) onward.append(link(parts[at + 1], `${parts[at + 1].title} →`));
    }

    // ---- the small runs -------------------------------------------------------------------------------
    async function train(id) {
      problem.hidden = true;
      try {
        const answer = await fetch(`/api/lecture/runs/${id}`, { method: "POST", body: "" });
        if (!answer.ok) say((await answer.json()).error);
      } catch {
        say("the studio does not answer");
      }
    }
    const say = (words) => Object.assign(problem, { hidden: false, textContent: words });

    const boxes = new Map();
    function drawRun(run) {
      if (!boxes.has(run.id)) {
        const words = h("p", { role: "status" }), more = h("p", { className: "note" });
        const bar = h("progress", { max: 1, ariaLabel: `progress of ${run.id}` });
        const button = h("button", { type: "button", onclick: () => train(run.id) });
        const watch = h("a", { href: `#train/${run.id}` }, "Watch it");
        const command = h("code", {}, run.command);
        const buttons = h("p", { className: "controls" }, button, watch);
        const node = h("div", { className: "small" }, words, bar, buttons, more,
          h("details", {}, h("summary", {}, "What is trained"), command));
        boxes.set(run.id, { node, words, more, bar, button, watch });
      }
      const box = boxes.get(run.id);
      const goes = ["training", "starting", "waiting", "paused", "pausing", "stopping"].includes(run.status);
      const again = run.status === "killed" || run.status === "stopped";
      const done = run.target ? Math.min(1, run.images / run.target) : 0;
      const seen = `${count(run.images)} of ${count(run.target)} images`;
      const texts = {
        absent: "The links of this part need a small run, which is not here yet.",
        finished: `${run.id} is trained: ${count(run.images)} images.`,
        starting: `${run.id} starts…`,
        waiting: `${run.id} waits until ${run.behind} is trained.`,
        killed: `${run.id} was killed at ${seen}. It can go on from there.`,
        stopped: `${run.id} was stopped at ${seen}. It can go on from there.`,
      };
      const words = run.problem || (texts[run.status] ?? `${run.id}: ${run.status}, ${seen}`);
      if (box.words.textContent !== words) box.words.textContent = words;
      box.more.hidden = !run.failure;
      box.more.textContent = run.failure;
      box.more.className = "problem";
      box.bar.hidden = !goes && !again;
      box.bar.value = done;
      box.button.hidden = goes || ready(run) || Boolean(run.problem);
      box.button.textContent = again ? "Go on with this run" : `Train the run for this part (about ${about(run.seconds)})`;
      box.watch.hidden = ["absent", "starting", "foreign", "unreadable"].includes(run.status);
      box.watch.textContent = goes ? "Watch it" : "Its training";
      return box.node;
    }

    function drawRuns() {
      const nodes = current().runs.map(drawRun);
      if (runs.childElementCount !== nodes.length || nodes.some((node, i) => runs.children[i] !== node)) runs.replaceChildren(...nodes);
      const known = all();
      for (const { node, href, run } of links) {
        const active = ready(known.get(run));
        node.toggleAttribute("data-waits", !active);
        if (active) node.href = href;
        else node.removeAttribute("href");
        node.ariaDisabled = `${!active}`;
        if (active) node.removeAttribute("aria-disabled");
        node.title = active ? "" : `needs ${run}: train it first`;
      }
      waits.hidden = !links.some(({ run }) => !ready(known.get(run)));
    }
    const waits = h("p", { className: "note waits" }, "Links in grey open when the run they show is trained.");

    // ---- the text -------------------------------------------------------------------------------------
    async function drawText() {
      const part = name();
      if (shown === part) return;
      shown = part;
      const answer = await fetch(`/api/lecture/texts/${part}`);
      const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (shown !== part) return;
      text.replaceChildren(...parsed.body.childNodes);
      links = [...text.querySelectorAll("a")].map((node) => {
        const href = node.getAttribute("href");
        return { node, href, run: href.split("?")[0].split("/")[1] };
      }).filter(({ run }) => run);
      text.querySelector("h1").after(problem, runs, waits); // after the links, which are those of the text
      text.querySelectorAll(".question").forEach(drawQuestion);
      drawFrame();
      drawRuns();
    }

    // A question of the text, .question[data-answer] > p, ul, p: choices to answer before the reason is shown.
    function drawQuestion(box, at) {
      const [asked, list, reason] = box.children;
      const right = +box.dataset.answer, key = `q${at + 1}`;
      const radios = [...list.children].map((item, i) => {
        const radio = h("input", { type: "radio", name: key, value: i });
        return { radio, node: h("label", { className: "choice" }, radio, h("span", {}, ...item.childNodes)) };
      });
      const button = h("button", { type: "button", disabled: true }, "Show the answer");
      const verdict = h("p", { className: "verdict-line" });
      const reveal = h("div", { ariaLive: "polite" });
      const draw = () => {
        const choice = model.get(key);
        reveal.replaceChildren();
        if (choice === "" || !radios[choice]) return;
        radios[choice].radio.checked = true;
        button.disabled = false;
        verdict.textContent = +choice === right ? "Yes." : `No: ${radios[right].node.textContent.trim()}`;
        reveal.append(verdict, reason);
      };
      radios.forEach(({ radio }) => radio.addEventListener("change", () => { button.disabled = false; }));
      button.addEventListener("click", () => {
        model.set(key, `${radios.findIndex(({ radio }) => radio.checked)}`);
        model.save_changes();
        draw();
      });
      box.replaceChildren(h("fieldset", {}, h("legend", {}, ...asked.childNodes), ...radios.map(({ node }) => node), button, reveal));
      draw();
    }

    model.on("change:part", async () => {
      problem.hidden = true;
      await drawText();
      scrollTo(0, 0);
      article.focus({ preventScroll: true });
    });
    await drawText();
    const events = new EventSource("/api/lecture/live");
    events.addEventListener("parts", ({ data }) => {
      parts = JSON.parse(data);
      drawRuns();
    });
    events.onerror = () => { lost.hidden = false; };
    events.onopen = () => { lost.hidden = true; };
    return () => events.close();
  },
};
