// Times in the reader's zone and language. The server writes UTC.
const styles = {
  clock: { timeStyle: 'medium' },
  minute: { timeStyle: 'short' },
  moment: { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' },
  day: { day: 'numeric', month: 'short' },
  full: { dateStyle: 'full', timeStyle: 'long' },
};
const cache = {};
const year = new Date().getFullYear();

function text(style, at) {
  const other = style === 'moment' && at.getFullYear() !== year;
  const key = style + other;
  cache[key] ??= new Intl.DateTimeFormat(undefined,
    other ? { ...styles[style], year: 'numeric' } : styles[style]);
  return cache[key].format(at);
}

// As `response` of src/ui/html/text.rs writes it. The other modules run after this one.
globalThis.texts = {
  now: () => Date.now() + skew,
  clock: (at) => text('clock', new Date(at)),
  time: (at, wide) => text(wide ? 'moment' : 'minute', new Date(at)),
  response: (ms) => ms < 10 ? `${Number(ms).toFixed(1)} ms` : ms < 1e3 ? `${Math.round(ms)} ms`
    : `${(ms / 1e3).toFixed(2)} s`,
};

// As `span` of src/ui/html/text.rs writes it.
function span(s) {
  const two = (a, x, b, y) => `${a} ${x}` + (b ? ` ${b} ${y}` : '');
  const n = Math.floor;
  if (s < 60) return `${n(s)} s`;
  if (s < 3600) return `${n(s / 60)} min`;
  if (s < 86400) return two(n(s / 3600), 'h', n(s % 3600 / 60), 'min');
  return s < 8640000 ? two(n(s / 86400), 'd', n(s % 86400 / 3600), 'h') : `${n(s / 86400)} d`;
}

// The clocks of server and reader may differ: ages count from the moment the page was made.
const skew = Number(document.body.dataset.made) - Date.now();

function localize(all) {
  for (const element of document.querySelectorAll('time[data-t]')) {
    const at = new Date(element.dateTime);
    if (element.dataset.t === 'age') {
      const age = span(Math.max(0, (texts.now() - at) / 1000));
      if (element.textContent !== age) element.textContent = age;
    } else if (all) {
      element.textContent = text(element.dataset.t, at);
    }
    if (all) element.title = text('full', at);
  }
}

const zone = document.getElementById('zone');
if (zone) zone.textContent = `Times are in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
localize(true);
document.addEventListener('rows', () => localize(true));
setInterval(localize, 1000);
