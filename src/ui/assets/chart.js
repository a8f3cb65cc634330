// The value under the pointer, and by the arrow keys, for charts and strips of days.
const day = 864e5;

const unit = (ms) => ms === '' ? '–' : texts.response(ms);

function setUp(image, count, tell) {
  if (image.tabIndex === 0) return;
  const text = image.getAttribute('aria-label');
  image.tabIndex = 0;
  image.setAttribute('role', 'slider');
  image.setAttribute('aria-valuemin', 0);
  image.setAttribute('aria-valuemax', count - 1);
  let at = count - 1;
  const go = (to) => {
    at = Math.max(0, Math.min(count - 1, to));
    image.setAttribute('aria-valuenow', at);
    image.setAttribute('aria-valuetext', tell(at));
  };
  const leave = () => tell(null, text);
  image.setAttribute('aria-valuenow', at);
  image.setAttribute('aria-valuetext', text);
  image.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: count - 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    go(step);
  });
  image.addEventListener('pointermove', (event) => {
    const box = image.getBoundingClientRect();
    go(Math.floor((event.clientX - box.left) / box.width * count));
  });
  image.addEventListener('pointerleave', leave);
  image.addEventListener('blur', leave);
}

function days(box) {
  const { days: letters, from } = box.dataset;
  const words = { u: 'no downtime', h: 'no downtime, partly watched', n: 'not watched',
    p: 'planned work' };
  const output = box.parentElement.querySelector('[data-day-text]');
  setUp(box.firstElementChild, letters.length, (nth, text) => {
    if (nth === null) return output.textContent = text;
    const at = new Date(Number(from) + nth * day);
    const listed = box.parentElement
      .querySelector(`[data-day="${at.toISOString().slice(0, 10)}"]`);
    const name = new Intl.DateTimeFormat(undefined,
      { day: 'numeric', month: 'short', timeZone: 'UTC' }).format(at);
    return output.textContent = listed?.textContent ?? `${name}: ${words[letters[nth]]}`;
  });
}

function chart(box) {
  const { chart, from, step } = box.dataset;
  const points = chart.split(',').map((field) => field.replace('!', '').split(' '));
  const wide = points.length * step > 2 * day;
  const output = box.querySelector('[data-chart-text]');
  const cross = box.querySelector('[data-cross]');
  const cells = ['l-50', 'l-90', 'l-99'].map((name) => box.querySelector(`[data-value=${name}]`));
  setUp(box.querySelector('svg'), points.length, (nth) => {
    cross.toggleAttribute('hidden', nth === null);
    cells.forEach((cell, line) => cell.textContent = nth === null ? '' : unit(points[nth][line]));
    if (nth === null) return output.textContent = '';
    cross.setAttribute('d', `M${nth} 0V200`);
    const down = chart.split(',')[nth].endsWith('!') ? ', down' : '';
    output.textContent = texts.time(Number(from) + nth * step, wide) + down;
    return `${output.textContent}: ${points[nth].map(unit).join(', ')}`;
  });
}

function all() {
  document.querySelectorAll('[data-days]').forEach(days);
  document.querySelectorAll('[data-chart]').forEach(chart);
}

all();
document.addEventListener('rows', all);
