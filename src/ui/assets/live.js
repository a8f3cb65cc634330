// Keeps a page fresh: by the stream of changes, and by polling where there is no place for one.
const body = document.body;
const fresh = document.getElementById('fresh');
const notices = document.getElementById('notices');
const said = document.getElementById('said');
const colours = { up: 'up', down: 'down', flapping: 'degraded', maintenance: 'planned' };
const POLL = 10e3, STALE = 45e3, RETRY = 2e3, GAP = 2e3, SPEAK = 5e3;
const rows = window.trustedTypes?.createPolicy('rows', { createHTML: (text) => text })
  ?? { createHTML: (text) => text };

let heard = Date.now(), since = body.dataset.since, stop, polling, stale;

function hear(mode) {
  heard = Date.now();
  if (mode) fresh.dataset.live = mode;
  const text = fresh.querySelector('[data-field=fresh]');
  const how = fresh.dataset.live === 'on' ? 'live' : 'every 10 s';
  text.textContent = `${how}, ${texts.clock(heard)}`;
  stale?.remove();
  stale = null;
}

// The notice that nothing was heard.
setInterval(() => {
  if (document.hidden || !body.dataset.stream || stale || Date.now() - heard < STALE) return;
  delete fresh.dataset.live;
  stale = document.createElement('div');
  stale.className = 'note bad';
  stale.setAttribute('role', 'alert');
  stale.dataset.stale = '';
  stale.textContent =
    `Nothing heard since ${texts.clock(heard)}: what stands here may be old. Trying again.`;
  notices.append(stale);
  stop?.abort();
}, 1e3);

// One sentence at a time.
const changes = new Map();
let speaking;
function speak(name, state) {
  changes.set(name, state);
  speaking ??= setTimeout(() => {
    speaking = null;
    const down = [...changes].filter(([, state]) => state === 'down').length;
    const [name, state] = [...changes][0];
    said.textContent = changes.size === 1 ? `${name} is ${state}`
      : `${changes.size} services changed, ${down} are down`;
    changes.clear();
  }, said.textContent ? SPEAK : 0);
}

function field(row, name) { return row.querySelector(`[data-field=${name}]`); }
function write(row, name, text) {
  const cell = field(row, name);
  if (cell && text != null && cell.textContent !== text) cell.textContent = text;
}
function age(cell, ms) {
  if (!cell) return;
  const time = cell.querySelector('time') ?? document.createElement('time');
  cell.replaceChildren(time);
  time.dataset.t = 'age';
  time.dateTime = new Date(ms).toISOString();
}

function paint(row, state) {
  if (row.dataset.state === state) return false;
  row.dataset.state = state;
  const colour = `s-${colours[state] ?? 'none'}`;
  const icon = field(row, 'icon')?.querySelector('svg');
  if (icon) {
    const use = icon.firstElementChild;
    use.setAttribute('href', `${use.getAttribute('href').split('#')[0]}#${state}`);
    icon.setAttribute('class', `icon ${colour}`);
  }
  const word = field(row, 'state')?.firstElementChild;
  if (word) {
    word.className = colour;
    word.textContent = state;
  }
  row.classList.remove('flash');
  void row.offsetWidth;
  row.classList.add('flash');
  return true;
}

const handlers = {
  reset: refresh,
  many: refresh,
  counts: refresh,
  gone: refresh,
  alerts({ open }) {
    if (open != (field(document, 'open')?.textContent ?? 0)) refresh();
  },
  state(change) {
    const row = document.querySelector(`[data-id="${change.id}"]`);
    if (row && paint(row, change.state)) {
      write(row, 'reason', change.detail || change.reason?.replaceAll('_', ' ') || '');
      if (change.since_ms) age(field(row, 'since'), change.since_ms);
      speak(change.name, change.state);
      // The flash ends before the row is replaced.
      last = Date.now() - GAP + 700;
    }
    refresh();
    document.dispatchEvent(new Event('rows'));
  },
  ticks(ticks) {
    for (const [id, , ms] of ticks) {
      const row = document.querySelector(`[data-id="${id}"]`);
      if (!row) continue;
      if (ms != null) write(row, 'ms', texts.response(ms));
      age(field(row, 'checked'), texts.now());
    }
  },
};

// Fetches the page again and replaces what may change: at once, then every 2 s at most.
let last = 0, waiting, again;
function refresh() {
  // A page that is under way may be older than this change.
  again = true;
  waiting ??= setTimeout(async () => {
    last = Date.now();
    again = false;
    // The notice shows the error.
    try { await fetchRows(); } catch {}
    waiting = null;
    if (again) refresh();
  }, Math.max(0, last + GAP - Date.now()));
}

async function fetchRows() {
  const answer = await fetch(location.href, { cache: 'no-store' });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser()
    .parseFromString(rows.createHTML(await answer.text()), 'text/html');
  hear();
  for (const part of document.querySelectorAll('[data-live][id]')) {
    const other = page.getElementById(part.id);
    if (other) replace(part, other);
  }
  document.title = page.title;
  // The first one is the icon.
  document.querySelector('link').href = page.querySelector('link').href;
  const { stream } = page.body.dataset;
  if (stream && stream !== body.dataset.stream) {
    body.dataset.stream = stream;
    since = page.body.dataset.since;
    stop?.abort();
  }
  document.dispatchEvent(new Event('rows'));
}

// Keeps focus and what is unfolded; a part that is being used stays.
function replace(part, other) {
  // Screen readers announce a notice again whenever it is put in.
  if (part.innerHTML === other.innerHTML) return;
  if (part.querySelector('form :focus, [role=slider]:focus, details[open] form')) return;
  const focus = part.contains(document.activeElement) ? document.activeElement : null;
  const key = focus?.getAttribute('href') ?? focus?.textContent;
  const open = [...part.querySelectorAll('details')].map((one) => one.open);
  part.replaceChildren(...other.childNodes);
  part.querySelectorAll('details').forEach((one, nth) => one.open = open[nth] ?? one.open);
  if (other.dataset.state) part.dataset.state = other.dataset.state;
  if (key != null) {
    [...part.querySelectorAll('a, button, summary')]
      .find((one) => (one.getAttribute('href') ?? one.textContent) === key)?.focus();
  }
}

// Reads the stream by fetch: EventSource hides comments and the status of a refusal.
async function listen() {
  stop = new AbortController();
  const url = new URL(body.dataset.stream, location.origin);
  if (since) url.searchParams.set('since', since);
  const answer = await fetch(url, { signal: stop.signal, cache: 'no-store' });
  if (answer.status === 503 || answer.status === 429) return poll();
  if (!answer.ok) throw answer;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  hear('on');
  for (let rest = ''; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    hear('on');
    const events = (rest + value).split('\n\n');
    rest = events.pop();
    events.forEach(take);
  }
}

function take(block) {
  let name = 'message', data = '';
  for (const line of block.split('\n')) {
    const [, key, text] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (key === 'event') name = text;
    if (key === 'data') data += text;
    if (key === 'id') since = text;
  }
  handlers[name]?.(data ? JSON.parse(data) : null);
}

async function poll() {
  polling = true;
  fresh.dataset.live = 'poll';
  for (let rounds = 0; rounds < 3 && !document.hidden; rounds++) {
    // The notice shows the error.
    try { await fetchRows(); } catch {}
    await new Promise((done) => setTimeout(done, POLL));
  }
  polling = false;
}

async function run() {
  for (;;) {
    if (document.hidden) {
      await new Promise((done) => {
        document.addEventListener('visibilitychange', done, { once: true });
      });
      continue;
    }
    // Tried again below.
    try { await listen(); } catch {}
    await new Promise((done) => setTimeout(done, RETRY));
  }
}
document.addEventListener('visibilitychange', () => {
  if (document.hidden) stop?.abort();
  else if (Date.now() - heard > GAP) refresh();
});
if (body.dataset.stream && fresh) run();

// Keyboard: single keys can be switched off.
const help = document.getElementById('help');
const hasKeys = () => localStorage.getItem('keys') !== 'off';
const box = help?.querySelector('input');
if (box) {
  box.checked = hasKeys();
  box.onchange = () => localStorage.setItem('keys', box.checked ? 'on' : 'off');
  for (const button of document.querySelectorAll('[data-help]')) {
    button.hidden = false;
    button.onclick = () => help.showModal();
  }
}
document.addEventListener('keydown', (event) => {
  const busy = event.target.closest?.('input, select, textarea, dialog');
  if (busy || event.ctrlKey || event.metaKey || event.altKey || !hasKeys()) return;
  if (event.key === '/') {
    event.preventDefault();
    document.getElementById('search')?.focus();
  } else if (event.key === '?') {
    help?.showModal();
  } else if (event.key === 'j' || event.key === 'k') {
    const links = [...document.querySelectorAll('tbody th a, .tiles a')];
    const at = links.indexOf(document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, at + (event.key === 'j' ? 1 : -1)))]?.focus();
  }
});

for (const button of document.querySelectorAll('[data-copy]')) {
  button.hidden = !navigator.clipboard;
  button.onclick = async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector('pre').textContent);
    button.textContent = 'Copied';
  };
}
