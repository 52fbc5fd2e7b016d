// The `model` of the anywidget contract, over the studio's address and sockets.
// get, set, save_changes, on, off and send are what a view may use, in a notebook too.
export class Model {
  // fixed: what never changes; state: what the address holds; save: writes the address
  constructor(fixed, state, save) {
    this.fixed = fixed;
    this.state = { ...state };
    this.saved = { ...state };
    this.save = save;
    this.listeners = new Map();
    this.socket = null;
    this.waiting = null;
  }

  get(key) {
    return key in this.fixed ? this.fixed[key] : (this.state[key] ?? "");
  }

  set(key, value) {
    this.state[key] = value;
  }

  save_changes() {
    const changed = Object.keys(this.state).filter((key) => this.state[key] !== this.saved[key]);
    this.saved = { ...this.state };
    this.save(this.state);
    for (const key of changed) this.fire(`change:${key}`);
  }

  // The address was changed from outside: a link, or back and forward.
  replace(state) {
    const keys = new Set([...Object.keys(this.state), ...Object.keys(state)]);
    const changed = [...keys].filter((key) => (this.state[key] ?? "") !== (state[key] ?? ""));
    this.state = { ...state };
    this.saved = { ...state };
    for (const key of changed) this.fire(`change:${key}`);
    if (changed.length) this.fire("change");
  }

  on(event, listener) {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
  }

  off(event, listener) {
    this.listeners.set(event, (this.listeners.get(event) ?? []).filter((other) => other !== listener));
  }

  fire(event, ...values) {
    for (const listener of this.listeners.get(event) ?? []) listener(...values);
  }

  send(message) {
    this.waiting = JSON.stringify(message);
    const socket = this.open();
    if (socket.readyState === WebSocket.OPEN) this.flush();
  }

  flush() {
    if (this.waiting === null) return;
    this.socket.send(this.waiting);
    this.waiting = null;
  }

  open() {
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) return this.socket;
    this.socket = new WebSocket(`ws://${location.host}${this.fixed.api}/decode`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.flush();
    this.socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.fire("msg:custom", JSON.parse(data), []);
      else this.fire("msg:custom", { kind: "pixels" }, [new DataView(data)]);
    };
    this.socket.onclose = () => {
      this.socket = null;
      if (this.listeners.size) this.fire("msg:custom", { kind: "closed" }, []);
    };
    return this.socket;
  }

  close() {
    this.listeners.clear();
    const { socket } = this;
    if (socket?.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
    else socket?.close();
  }
}
