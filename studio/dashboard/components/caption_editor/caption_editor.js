// Tells what is typed a moment after the last key, so that the page can count while one writes, and at
// once when the field is left.

const PAUSE_MS = 250;
const started = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const field = parentElement.querySelector("textarea");
  const known = started.get(field);
  if (known) {
    known.send = setStateValue;
    return;
  }
  const own = { send: setStateValue, timer: 0, sent: data.text };
  started.set(field, own);
  field.value = data.text;
  field.maxLength = data.most;
  const tell = () => {
    clearTimeout(own.timer);
    if (field.value === own.sent) return;
    own.sent = field.value;
    own.send("text", field.value);
  };
  field.addEventListener("input", () => {
    clearTimeout(own.timer);
    own.timer = setTimeout(tell, PAUSE_MS);
  });
  field.addEventListener("blur", tell);
  // "k" is a letter here, and not the page's key for keeping the picture.
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") event.stopPropagation();
    // The page closes on it, and the field is gone before it is left.
    else tell();
  });
}
