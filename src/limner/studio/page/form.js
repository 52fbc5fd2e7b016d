// A form of settings, from their JSON schemas: each field with its help, its limits, and the mistake in it.
import { checkbox, checkedValues, count, h, say, words } from "./kit.js";

const LIMITS = {
  multipleOf: "a multiple of", minimum: "at least", exclusiveMinimum: "above", maximum: "at most", exclusiveMaximum: "below",
};

function limits(schema) {
  const number = (n) => (Number.isInteger(n) ? count(n) : `${+n.toPrecision(4)}`);
  return Object.entries(LIMITS).filter(([key]) => schema[key] !== undefined).map(([key, text]) => `${text} ${number(schema[key])}`).join(", ");
}

// What every setting of a form has: its title, its control, notes, and a place for a mistake.
export const setting = (id, title, control, ...children) => h("div.setting", h("label", { htmlFor: id }, title), control, children);

export class Field {
  // key: "option.latent_dim"; change: called with the text of the value, "" for the default
  constructor(key, schema, change) {
    this.key = key;
    this.default = schema.default ?? "";
    this.id = `field-${key.replace(".", "-")}`;
    this.send = (text) => change(text === this.default ? "" : text);
    this.problem = h("p.problem", { id: `${this.id}-problem`, hidden: true });
    const kind = schema.anyOf?.find((each) => each.type !== "null") ?? schema, items = kind.items ?? kind;
    const title = words(key.slice(key.indexOf(".") + 1)), isOneOfTwo = kind.type === "boolean";
    const help = [schema.description, !items.enum && limits(items)].filter(Boolean).join("; ");
    const note = h("p.note", { id: `${this.id}-help` }, help);
    if (kind.items?.enum) this.choices(title, kind.items.enum);
    else if (kind.enum) this.select([...(schema.anyOf ? [""] : []), ...kind.enum.map(String)]);
    else if (isOneOfTwo) this.box();
    else this.text(kind.type, items.type);
    this.control.setAttribute("aria-describedby", `${this.id}-help ${this.id}-problem`);
    this.node = setting(this.id, title, this.control, note, this.problem);
    if (kind.items?.enum) this.node.firstChild.replaceWith(h("span", title)); // a group has its name itself
    if (!isOneOfTwo) return;
    this.node.classList.add("inline");
    this.node.prepend(h("div", this.control, this.node.firstChild));
  }

  text(type, itemType) {
    const inputMode = type === "array" || type === "string" ? "text" : itemType === "integer" ? "numeric" : "decimal";
    const input = this.control = h("input", { type: "text", id: this.id, autocomplete: "off", spellcheck: false, placeholder: "default", inputMode,
      oninput: () => this.send(input.value.trim()),
      onblur: () => { input.value = input.value.trim() || this.default; } });
    this.show = (text) => { if (document.activeElement !== input) input.value = text || this.default; };
  }

  select(values) {
    this.control = h("select", { id: this.id, onchange: () => this.send(this.control.value) },
      values.map((value) => h("option", { value }, value || "default")));
    this.show = (text) => { this.control.value = text || this.default; };
  }

  box() {
    this.control = checkbox("", () => this.send(`${this.control.checked}`), { id: this.id });
    this.show = (text) => { this.control.checked = (text || this.default) === "true"; };
  }

  choices(ariaLabel, values) {
    const boxes = values.map((value) => checkbox(value, () => this.send(checkedValues(boxes).join(", ") || "none")));
    this.control = h("div.choices", { role: "group", ariaLabel }, boxes.map((box) => h("label", box, ` ${box.value}`)));
    this.show = (text) => {
      const on = (text || this.default).split(/[,\s]+/);
      for (const box of boxes) box.checked = on.includes(box.value);
    };
  }

  say(text) {
    say(this.problem, text);
    if (this.control.id) this.control.ariaInvalid = `${Boolean(text)}`;
  }
}

// Fields that are folded away until one of them is wrong; the title says how many were changed.
export class Fold {
  constructor(title, fields) {
    Object.assign(this, { title, fields, summary: h("summary") });
    this.node = h("details", this.summary, h("div.settings-grid", fields.map((field) => field.node)));
  }

  show(get, mistakes) {
    const changed = this.fields.filter(({ key }) => get(key)).length;
    this.summary.textContent = `${this.title} (${this.fields.length}${changed ? `, ${changed} changed` : ""})`;
    if (this.fields.some(({ key }) => mistakes[key])) this.node.open = true;
  }
}
