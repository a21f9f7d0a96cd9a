// A list whose rows are dragged by mouse or finger, or moved with the arrow keys. It tells Python of
// every new place and shows what Python answers: the queue itself decides.

const rowOf = (target) => target.closest('li');

function row(job, count) {
  const item = document.createElement('li');
  item.tabIndex = 0;
  item.dataset.id = job.id;
  item.setAttribute('aria-label', `${job.name}, ${job.place} of ${count}; move with the arrow keys`);
  const grip = document.createElement('span');
  grip.className = 'grip';
  grip.textContent = '⠿';
  grip.setAttribute('aria-hidden', 'true');
  const name = document.createElement('span');
  name.className = 'name';
  name.textContent = job.name;
  const place = document.createElement('span');
  place.className = 'place';
  place.textContent = `job ${job.id}`;
  item.append(grip, name, place);
  return item;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector('ol');
  if (list.querySelector('.dragged')) return; // not under somebody's hand; the next look is soon
  const status = parentElement.querySelector('[role=status]');
  const focused = list.getRootNode().activeElement?.dataset?.id;
  const count = data.jobs.length;
  list.replaceChildren(...data.jobs.map((job, i) => row({ ...job, place: i + 1 }, count)));
  if (focused) list.querySelector(`[data-id="${focused}"]`)?.focus();

  const placeOf = (item) => [...list.children].indexOf(item) + 1;
  const told = (item) => {
    status.textContent = `${item.querySelector('.name').textContent} is number ${placeOf(item)} now`;
    setTriggerValue('moved', { job: Number(item.dataset.id), place: placeOf(item) });
  };

  list.onkeydown = (event) => {
    const item = rowOf(event.target);
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!item || !step) return;
    event.preventDefault();
    const other = step < 0 ? item.previousElementSibling : item.nextElementSibling;
    if (!other) return;
    if (step < 0) other.before(item);
    else other.after(item);
    item.focus();
    told(item);
  };

  // Pointer events rather than drag and drop: those do not exist for fingers. The list captures the pointer,
  // for a row that moves among its neighbours would lose it.
  list.onpointerdown = (event) => {
    const item = rowOf(event.target);
    if (!item || event.button !== 0) return;
    const before = placeOf(item);
    item.classList.add('dragged');
    list.setPointerCapture(event.pointerId);
    list.onpointermove = (move) => {
      const over = [...list.children].find((other) => {
        const box = other.getBoundingClientRect();
        return other !== item && move.clientY >= box.top && move.clientY <= box.bottom;
      });
      if (!over) return;
      if (placeOf(over) < placeOf(item)) over.before(item);
      else over.after(item);
    };
    list.onpointerup = list.onpointercancel = () => {
      item.classList.remove('dragged');
      list.onpointermove = list.onpointerup = list.onpointercancel = null;
      item.focus();
      if (placeOf(item) !== before) told(item);
    };
  };
}
