// Tells what is typed a moment after the last key, so that the page can count while one writes.

const PAUSE_MS = 250;
const started = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const field = parentElement.querySelector("textarea");
  const known = started.get(field);
  if (known) {
    known.send = setStateValue;
    return;
  }
  const own = { send: setStateValue, timer: 0 };
  started.set(field, own);
  field.value = data.text;
  field.maxLength = data.most;
  field.addEventListener("input", () => {
    clearTimeout(own.timer);
    own.timer = setTimeout(() => own.send("text", field.value), PAUSE_MS);
  });
  field.addEventListener("blur", () => {
    clearTimeout(own.timer);
    own.send("text", field.value);
  });
  // "k" is a letter here, and not the page's key for keeping the picture.
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") event.stopPropagation();
  });
}
