// Which view is open stands in the address after '#': #write?text=Once is a page that can be shared and reopened.
import { card, element, fail, forget, keyNeeded, say } from './page.js';

const VIEWS = ['chat', 'write', 'tokens', 'attention', 'layers', 'training', 'origins'];
const OF_A_CLASSIFIER = ['classify', 'training'];
const NAMES = { origins: 'Where from' };
const view = document.getElementById('view');
let leave = () => {};
let views = VIEWS;

function place() {
  const [name, query = ''] = decodeURI(location.hash.slice(1)).split(/\?(.*)/s);
  return { name: views.includes(name) ? name : views[0], params: new URLSearchParams(location.hash.split(/\?(.*)/s)[1] ?? query) };
}

async function open() {
  const { name, params } = place();
  leave();
  leave = () => {};
  for (const tab of document.querySelectorAll('#tabs a')) {
    const here = tab.dataset.view === name;
    if (here) tab.setAttribute('aria-current', 'page'); else tab.removeAttribute('aria-current');
  }
  try {
    const [module, model] = await Promise.all([import(`./${name}.js`), card()]);
    document.title = `${module.title} – Hornbook`;
    view.replaceChildren(element('h1', {}, module.title), element('p', { class: 'explain' }, module.explain));
    const root = element('div');
    view.append(root);
    if (model.waiting && name !== 'training') root.append(element('p', {}, model.waiting), element('p', {}, element('a', { href: '#training' }, 'See how it trains')));
    else leave = (await module.render(root, params, model)) ?? (() => {});
  } catch (error) {
    fail(view, error);
  }
}

async function start() {
  try {
    const model = await card();
    if (model.kind === 'classifier') views = OF_A_CLASSIFIER;
    if (model.waiting && !location.hash) location.replace('#training');
    const size = model.parameters ? `, ${model.parameters.toLocaleString('en')} parameters, context ${model.context_length}` : '';
    document.getElementById('model').textContent = `${model.name} (${model.kind}${size})`;
  } catch (error) {
    if (keyNeeded(error)) { askForKey(); return; }
    fail(view, error);
    return;
  }
  document.getElementById('tabs').replaceChildren(...views.map((name) =>
    element('li', {}, element('a', { href: `#${name}`, 'data-view': name }, NAMES[name] ?? name[0].toUpperCase() + name.slice(1)))));
  addEventListener('hashchange', open);
  await open();
}

function askForKey() {
  const field = element('input', { type: 'password', id: 'key', autocomplete: 'off', required: '' });
  const form = element('form', { class: 'row' }, element('label', { for: 'key' }, 'This server asks for its API key', field),
    element('button', { class: 'main' }, 'Open'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    sessionStorage.setItem('key', field.value);
    forget();
    say('');
    start();
  });
  view.replaceChildren(form);
  field.focus();
}

start();
