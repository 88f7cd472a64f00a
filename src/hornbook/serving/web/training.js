import { element, fail, remember } from './page.js';
import { chart, runningMean } from './curves.js';
import { replay } from './replay.js';
import { listed, Run } from './runs.js';

export const title = 'Training';
export const explain = 'How a model learns: its loss falls, on the text that it trains on and on text that it never sees, and what it writes gets better. The dashed line is what counting pairs of tokens reaches; the slider below lets the same prompt be written by the model as it was at each checkpoint.';

const LIVE_SECONDS = 1, QUIET_SECONDS = 5, LOOKS = 3, SAMPLES = 3, ROWS = 30;

export async function render(root, params, model) {
  const known = await listed();
  if (!known.runs.length && model.waiting) return soon(root, () => render(root, params, model));
  if (!known.runs.length) {
    root.append(element('p', {}, 'This model does not lie in a folder of runs, so nothing is known of its training. hornbook serve RUN, with the folder of a training, shows it.'));
    return undefined;
  }
  const asked = params.get('run'), other = params.get('beside');
  const first = known.runs.includes(asked) ? asked : known.shown;
  let runs = [new Run(first), ...(known.runs.includes(other) && other !== first ? [new Run(other)] : [])];
  const names = [...new Set([first, ...known.runs])];
  const choose = element('select', { id: 'run' });
  const beside = element('select', { id: 'beside' });
  const second = element('label', { for: 'beside' }, 'Beside it', beside);
  const log = element('input', { type: 'checkbox', id: 'log', checked: params.get('x') === 'log' });
  const trouble = element('div');
  const status = element('div', { class: 'status' });
  const losses = chart('Loss in nats per token', { legend: true });
  const speeds = chart('Tokens per second', { height: 150, digits: null });
  const rates = chart('Learning rate', { height: 150, digits: null });
  const numbers = element('div', { class: 'beside' });
  const samples = element('div', { class: 'beside' });
  const again = replay(params, () => runs, address);
  root.append(
    element('div', { class: 'row' }, element('label', { for: 'run' }, 'Run', choose),
      second, element('label', { class: 'tick' }, log, ' stretch the first steps (logarithm)')),
    trouble, status, losses.node, element('div', { class: 'beside' }, speeds.node, rates.node),
    element('details', {}, element('summary', {}, 'The numbers as a table'), numbers),
    element('h2', {}, 'What it writes on the way'), samples, again.node);
  let timer, left = false, drawn = '', looks = 0, following = !asked;

  function options() {
    second.hidden = names.length < 2;
    choose.replaceChildren(...names.map((name) => element('option', { value: name, selected: name === runs[0].name }, name)));
    beside.replaceChildren(element('option', { value: '' }, 'nothing'), ...names.filter((name) => name !== runs[0].name)
      .map((name) => element('option', { value: name, selected: name === runs[1]?.name }, name)));
  }
  function address() {
    remember('training', { run: runs[0].name === known.shown ? '' : runs[0].name, beside: runs[1]?.name ?? '', x: log.checked ? 'log' : '', ...again.address() });
  }
  // Runs that have begun since; the page goes on to one, unless the reader has chosen another.
  async function begun() {
    const found = await listed();
    const fresh = found.runs.filter((name) => !names.includes(name));
    if (left || !fresh.length) return;
    names.push(...fresh);
    known.shown = found.shown;
    if (following && fresh.includes(found.shown)) runs = [new Run(found.shown), ...runs.slice(1)];
    options();
    address();
  }
  async function look() {
    clearTimeout(timer);
    if (left || !root.isConnected) return;
    if (!document.hidden) {
      try {
        looks += 1;
        if (looks % LOOKS === 0) await begun();
        for (const run of [...runs]) {
          if (!run.facts || run.stale) { run.stale = false; await run.open(Boolean(run.facts), draw); }
          while (await run.look());
        }
        trouble.replaceChildren();
        draw();
      } catch (error) {
        trouble.replaceChildren();
        fail(trouble, error instanceof TypeError ? new Error('The server no longer answers. What it said last is still here; hornbook serve RUN opens it again.') : error);
      }
    }
    clearTimeout(timer);
    if (!left) timer = setTimeout(look, 1000 * (trouble.childElementCount || !runs.some((run) => run.live) ? QUIET_SECONDS : LIVE_SECONDS));
  }
  function draw() {
    if (left) return;
    status.replaceChildren(...runs.map((run) => element('p', {}, element('strong', {}, run.name), ` ${state(run)}`)));
    const now = runs.map((run) => `${run.name} ${run.changed}`).join() + log.checked;
    if (now === drawn) return;
    drawn = now;
    losses.draw({ lines: runs.flatMap((run, place) => lines(run, place, runs.length > 1)), levels: levels(runs), log: log.checked });
    const plain = (kind, word) => runs.map((run, place) => ({ name: runs.length > 1 ? run.name : word, points: run[kind], form: `line-${place}` }));
    speeds.draw({ lines: plain('speeds', 'tokens per second'), levels: [], log: log.checked });
    rates.draw({ lines: plain('rates', 'learning rate'), levels: [], log: log.checked });
    numbers.replaceChildren(...runs.map(table));
    samples.replaceChildren(...runs.map(written));
    again.refresh();
  }
  function change(next) {
    runs = next;
    options();
    address();
    look();
  }
  choose.addEventListener('change', () => { following = false; change([new Run(choose.value), ...runs.slice(1).filter((run) => run.name !== choose.value)]); });
  beside.addEventListener('change', () => { following = false; change([runs[0], ...(beside.value ? [new Run(beside.value)] : [])]); });
  log.addEventListener('change', () => { address(); draw(); });
  document.addEventListener('visibilitychange', look);
  options();
  look();
  return () => {
    left = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', look);
    [losses, speeds, rates, again].forEach((one) => one.leave());
  };
}

// Before the first run is there: its text is being made ready.
function soon(root, again) {
  let timer, leave = () => {}, left = false;
  root.append(element('p', { role: 'status' }, 'Nothing trains here yet: the text is being made ready. This page goes on by itself.'));
  async function look() {
    const found = await listed().catch(() => ({ runs: [] }));
    if (left) return;
    if (!found.runs.length) { timer = setTimeout(look, 1000 * LIVE_SECONDS); return; }
    root.replaceChildren();
    const next = (await again()) ?? (() => {});
    if (left) next(); else leave = next;
  }
  look();
  return () => { left = true; clearTimeout(timer); leave(); };
}

const number = (value, digits) => value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

function lines(run, place, named) {
  const name = (word) => (named ? `${run.name} ${word}` : word);
  const mean = runningMean(run.steps), colour = named ? `line-${place}` : 'line-quiet';
  return [
    { points: run.steps, form: `faint ${colour}` },
    { name: name('training'), points: mean, form: `thin ${colour}` },
    { name: name('validation'), points: run.evaluations, form: `strong line-${place}`, dots: true },
  ];
}

function levels(runs) {
  const found = new Map(runs.filter((run) => run.bigram).map((run) => [run.bigram.loss.toFixed(3), { name: 'bigram', y: run.bigram.loss }]));
  return [...found.values()];
}

function state(run) {
  if (!run.last) return run.quiet === null ? '– nothing is recorded yet' : '– before its first step';
  const loss = runningMean(run.steps).at(-1), held = run.evaluations.at(-1), speed = run.speeds.at(-1), rate = run.rates.at(-1);
  const words = [`step ${number(run.last, 0)} of ${number(Math.max(run.last, run.length), 0)}`];
  if (loss) words.push(`training loss ${number(loss[1], 3)}`);
  if (held) words.push(`validation loss ${number(held[1], 3)} at step ${number(held[0], 0)}`);
  if (speed) words.push(`${number(speed[1], 0)} tokens/s`);
  if (rate && !run.finished) words.push(`learning rate ${rate[1].toPrecision(3)}`);
  if (run.incident && run.incident.step >= run.last) words.push(`stopped at step ${number(run.incident.step, 0)}: ${run.incident.what}`);
  return `– ${words.join(', ')} – ${run.finished ? 'finished' : run.quiet < 10 ? 'training now' : `nothing new for ${ago(run.quiet)}`}${run.bigram ? `. Bigram ${number(run.bigram.loss, 3)}: ${run.bigram.from}` : ''}`;
}

const ago = (seconds) => (seconds < 90 ? `${Math.round(seconds)} seconds` : seconds < 5400 ? `${Math.round(seconds / 60)} minutes` : seconds < 172800 ? `${Math.round(seconds / 3600)} hours` : `${Math.round(seconds / 86400)} days`);

// The evaluations, the newest first, and the last step above them.
function table(run) {
  const mean = runningMean(run.steps);
  const at = (list, step) => list.findLast((one) => one[0] <= step)?.[1];
  const steps = [...new Set([run.last, ...run.evaluations.map((one) => one[0]).reverse()])].filter(Boolean).slice(0, ROWS);
  const held = new Map(run.evaluations);
  const cells = (step) => [number(step, 0), at(mean, step)?.toFixed(3), held.get(step)?.toFixed(3), at(run.speeds, step)?.toLocaleString('en'), at(run.rates, step)?.toPrecision(3)];
  return element('div', { class: 'scroll' }, element('table', {}, element('caption', {}, run.name),
    element('thead', {}, element('tr', {}, ...['step', 'training', 'validation', 'tokens/s', 'learning rate'].map((word) => element('th', { scope: 'col' }, word)))),
    element('tbody', {}, ...steps.map((step) => element('tr', {}, ...cells(step).map((cell) => element('td', {}, cell ?? '')))))));
}

function written(run) {
  const item = (sample) => element('li', {}, element('p', { class: 'who' }, `step ${number(sample.step, 0)}`), ...sample.texts.map((text) => element('p', { class: 'what' }, text)));
  const newest = [...run.samples].reverse();
  const more = newest.slice(SAMPLES);
  return element('div', {}, element('p', { class: 'who' }, run.name),
    newest.length ? element('ol', { class: 'talk' }, ...newest.slice(0, SAMPLES).map(item)) : element('p', { class: 'quiet' }, 'It has written nothing yet: samples come with the evaluations.'),
    more.length ? element('details', {}, element('summary', {}, `${more.length} older`), element('ol', { class: 'talk' }, ...more.map(item))) : undefined);
}
