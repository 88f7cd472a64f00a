// A run, followed while it trains: its records are asked for from where the last answer ended.
import { get } from './page.js';

export const listed = () => get('/view/runs');
const path = (name, rest = '') => `/view/runs/${encodeURIComponent(name)}${rest}`;

export class Run {
  constructor(name) {
    this.name = name;
    this.changed = 0;
    this.forget();
  }

  forget() {
    Object.assign(this, { offset: 0, mark: '', steps: [], evaluations: [], samples: [], rates: [], speeds: [], planned: undefined, incident: undefined });
  }

  // Its settings, and the line to beat, which may take a while; `again` where a new checkpoint or the end may have come.
  async open(again, heard) {
    this.facts = await get(path(this.name));
    if (!again) get(path(this.name, '/bigram')).then((bigram) => { this.bigram = bigram; this.changed += 1; heard(); }, () => {});
    this.changed += 1;
  }

  // Whether anything new came.
  async look() {
    const news = await get(path(this.name, `/records?offset=${this.offset}&mark=${encodeURIComponent(this.mark)}`));
    this.quiet = news.quiet_seconds;
    const { offset, mark, records, anew, more } = news;
    if (anew) this.forget();
    Object.assign(this, { offset, mark });
    records.forEach((record) => this.add(record));
    if (anew || records.length) this.changed += 1;
    if (anew || records.some((record) => record.kind === 'evaluation')) this.stale = true;
    return more;
  }

  add(record) {
    const { step } = record;
    const keep = (list, value) => { if (value !== null && value !== undefined) list.push([step, value]); };
    if (record.kind === 'step') {
      keep(this.steps, record.loss);
      keep(this.rates, record.learning_rate);
      keep(this.speeds, record.tokens_per_second);
    } else if (record.kind === 'evaluation') keep(this.evaluations, record.validation_loss);
    else if (record.kind === 'sample') this.samples.push({ step, texts: record.texts ?? [] });
    else if (record.kind === 'plan') this.planned = record.steps;
    else if (record.kind === 'incident') this.incident = { step, what: record.what };
  }

  get last() { return Math.max(this.steps.at(-1)?.[0] ?? 0, this.evaluations.at(-1)?.[0] ?? 0); }
  get length() { return this.planned ?? this.facts?.steps ?? 0; }
  get finished() { return Boolean(this.facts?.finished) && this.last > 0 && this.last <= (this.facts.done ?? this.last); }
  get live() { return !this.finished && this.quiet !== null && this.quiet < 60; }
}
