// The frame of the studio: which view is shown, and the address that says so. Views know nothing of it.
import { h, runApi } from "./kit.js";
import { Model } from "./model.js";

// The views by the names of their modules, with their titles in the bar; those of one run have its name in the address.
const VIEWS = { home: "Runs", compare: "Compare", new: "New run", lecture: "Lecture" };
const RUN_VIEWS = { train: "Training", latent: "Codes", map: "Map", try: "Try an image", update: "One update" };
const PAUSE = 100; // milliseconds without a change before the address is written: browsers refuse hundreds
const [pages, tabs, el] = ["pages", "tabs", "view"].map((id) => document.getElementById(id));
let shown = { key: "", model: null, leave: null };
let writing = 0; // the timer of an address that is to be written

// #train/vae-digits-0001?images=5000 -> { view, run, state }
function readAddress() {
  const [path, query = ""] = location.hash.slice(1).split("?");
  const [view, run = ""] = path.split("/");
  const isKnown = run ? Object.hasOwn(RUN_VIEWS, view) : Object.hasOwn(VIEWS, view);
  return isKnown ? { view, run: safeDecode(run), state: Object.fromEntries(new URLSearchParams(query)) } : { view: "home", run: "", state: {} };
}

function safeDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function address(view, run, state = {}) {
  const query = new URLSearchParams(Object.entries(state).filter(([, value]) => value !== "" && value != null));
  return `#${view}${run && `/${encodeURIComponent(run)}`}${query.size ? `?${query}` : ""}`;
}

function drawTabs(view, run) {
  const links = (titles, of) => Object.entries(titles).map(([name, title]) =>
    h("a", { href: address(name, of), ariaCurrent: name === view ? "page" : null }, title));
  pages.replaceChildren(...links(VIEWS, ""));
  tabs.replaceChildren(...(run ? links(RUN_VIEWS, run) : []));
}

async function show() {
  clearTimeout(writing);
  const { view, run, state } = readAddress();
  const key = `${view}/${run}`;
  if (key === shown.key) {
    shown.model.replace(state);
    return;
  }
  const before = shown;
  const save = (values) => {
    clearTimeout(writing);
    writing = setTimeout(() => history.replaceState(null, "", address(view, run, values)), PAUSE);
  };
  const model = new Model({ run, api: run ? runApi(run) : "/api" }, state, save);
  shown = { key, model, leave: null };
  before.leave?.();
  before.model?.close();
  const module = (await import(`./${view}.js`)).default;
  if (shown.model !== model) return; // another view was chosen meanwhile
  const box = h(`div.view.view-${view}`);
  el.replaceChildren(box);
  document.title = run ? `${run} – Limner studio` : "Limner studio";
  drawTabs(view, run);
  shown.leave = await module.render({ model, el: box });
  if (before.key) el.focus({ preventScroll: true });
  scrollTo(0, 0);
}

if (location.search) history.replaceState(null, "", `/${location.hash}`); // the token is in a cookie now
addEventListener("hashchange", show);
show();
