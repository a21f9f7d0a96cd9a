// A page of pictures. What is decided shows at once and is sent until the page says that it arrived:
// of two messages on their way, the server may see the later one only.

const galleries = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  if (!galleries.has(root)) galleries.set(root, new Gallery(root));
  galleries.get(root).update(data, (asked) => setTriggerValue("asked", asked));
}

class Gallery {
  constructor(root) {
    this.root = root;
    this.tiles = new Map();
    this.pending = new Map();
    this.number = Date.now();
    root.addEventListener("keydown", (event) => this.pressed(event));
    root.addEventListener("click", (event) => this.clicked(event));
  }

  update(data, send) {
    this.send = send;
    for (const [name, { number }] of this.pending) {
      if (number <= data.arrived) this.pending.delete(name);
    }
    const at = this.focused();
    const hadFocus = at >= 0;
    const before = this.tiles;
    this.tiles = new Map(data.tiles.map((tile) => [tile.name, before.get(tile.name) ?? newTile()]));
    for (const tile of data.tiles) {
      const shown = this.tiles.get(tile.name);
      shown.facts = tile;
      this.draw(shown);
    }
    const elements = [...this.tiles.values()].map((tile) => tile.element);
    const isSame =
      elements.length === this.root.children.length &&
      elements.every((element, index) => element === this.root.children[index]);
    if (!isSame) this.root.replaceChildren(...elements);
    if (hadFocus && this.focused() < 0) this.focus(Math.min(at, elements.length - 1));
    if (!elements.some((element) => element.tabIndex === 0) && elements.length) {
      elements[0].tabIndex = 0;
    }
  }

  draw(tile) {
    const { facts, element } = tile;
    const word = this.wordOn(facts);
    const kept = facts.can_be_kept && (word ?? facts.by_checks);
    element.classList.toggle("dropped", !kept);
    element.setAttribute("aria-label", `${facts.name}, ${kept ? "kept" : "dropped"}. ${facts.badge}`);
    element.dataset.name = facts.name;
    tile.name.textContent = facts.name;
    tile.name.title = facts.name;
    tile.badge.textContent = facts.badge;
    tile.badge.className = `badge ${facts.severity}`;
    tile.state.textContent = (kept ? "kept" : "dropped") + (word === null ? "" : " by you");
    tile.turn.textContent = kept ? "Drop" : "Keep";
    tile.turn.disabled = !facts.can_be_kept;
    tile.turn.setAttribute("aria-label", `${kept ? "Drop" : "Keep"} ${facts.name}`);
    drawPrint(tile);
  }

  wordOn(facts) {
    return this.pending.has(facts.name) ? this.pending.get(facts.name).word : facts.word;
  }

  decide(tile, word) {
    if (!tile.facts.can_be_kept) return;
    this.number += 1;
    this.pending.set(tile.facts.name, { word, number: this.number });
    this.draw(tile);
    this.ask("");
  }

  open(tile) {
    this.number += 1;
    this.ask(tile.facts.name);
  }

  ask(opened) {
    const words = Object.fromEntries([...this.pending].map(([name, { word }]) => [name, word]));
    this.send({ number: this.number, words, opened });
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.focused();
    if (at < 0) return;
    const tile = [...this.tiles.values()][at];
    const onButton = event.target === tile.turn;
    const across = this.columns();
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
    const key = event.key.toLowerCase();
    if (event.key in steps) this.focus(at + steps[event.key]);
    else if (event.key === "Home") this.focus(0);
    else if (event.key === "End") this.focus(this.tiles.size - 1);
    else if (key === "k") this.decide(tile, true);
    else if (key === "d") this.decide(tile, false);
    else if (key === "u") this.decide(tile, null);
    else if (event.key === "Enter" && !onButton) this.open(tile);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  clicked(event) {
    const element = event.target.closest(".tile");
    const tile = element && this.tiles.get(element.dataset.name);
    if (!tile) return;
    if (event.target === tile.turn) {
      this.decide(tile, tile.element.classList.contains("dropped"));
    } else {
      this.open(tile);
    }
  }

  focused() {
    const active = this.root.getRootNode().activeElement;
    const element = active && active.closest(".tile");
    return element ? [...this.tiles.values()].findIndex((tile) => tile.element === element) : -1;
  }

  focus(index) {
    const elements = [...this.tiles.values()].map((tile) => tile.element);
    if (index < 0 || index >= elements.length) return;
    for (const element of elements) element.tabIndex = -1;
    elements[index].tabIndex = 0;
    elements[index].focus();
  }

  columns() {
    return getComputedStyle(this.root).gridTemplateColumns.split(" ").length;
  }
}

function newTile() {
  const element = made("div", "tile");
  element.setAttribute("role", "option");
  element.tabIndex = -1;
  const [edge, row] = [made("div", "edge"), made("div", "row")];
  const tile = {
    element,
    print: made("div", "print none"),
    name: made("div", "name"),
    badge: made("div", "badge"),
    state: made("span", "state"),
    turn: made("button", "turn"),
  };
  tile.turn.type = "button";
  tile.turn.tabIndex = -1;
  row.append(tile.state, tile.turn);
  edge.append(tile.name, tile.badge, row);
  element.append(tile.print, edge);
  return tile;
}

// The same picture is left alone, so that nothing flickers.
function drawPrint(tile) {
  if (tile.url === tile.facts.url) return;
  tile.url = tile.facts.url;
  const print = tile.url ? made("img", "print") : made("div", "print none");
  if (tile.url) {
    print.loading = "lazy";
    print.decoding = "async";
    print.src = tile.url;
    print.alt = tile.facts.alt;
    print.addEventListener("error", () => noPrint(tile, print));
  } else {
    print.textContent = "nothing to show";
  }
  tile.print.replaceWith(print);
  tile.print = print;
}

function noPrint(tile, failed) {
  if (tile.print !== failed) return;
  tile.print = made("div", "print none");
  tile.print.textContent = "changed or gone";
  failed.replaceWith(tile.print);
}

function made(kind, classes) {
  const element = document.createElement(kind);
  element.className = classes;
  return element;
}
