import { element, fail, lookingAt, post, remember, slider, visible } from './page.js';

export const title = 'Tokens';
export const explain = 'A model reads numbers, each of which stands for a piece of text: type, and see the pieces and numbers of this model’s vocabulary. Below, the same text in the vocabulary as it grew, as letters, bytes and words, and in other vocabularies.';

export function render(root, params) {
  const below = element('div');
  let size = Number(params.get('size') ?? 512);

  const looking = lookingAt('tokens', params, 'One morning Nora left the rope by the fountain.', async (text, signal) => {
    const keep = () => remember('tokens', { text, size });
    keep();
    const found = await post('/view/tokens', { text }, signal);
    compare(text, signal, keep);
    const { letters, words, bytes, tokens } = found.counts;
    return [element('p', {}, `${letters} letters, ${words} words, ${bytes} bytes, ${tokens} tokens${rate(letters, tokens)}`), drawn(found.tokens)];
  });

  async function compare(text, signal, keep) {
    try {
      const found = await post('/view/vocabularies', { text }, signal);
      const part = found.letters < [...text].length ? [element('p', { class: 'quiet' }, `Compared are the first ${found.letters.toLocaleString('en')} letters.`)] : [];
      below.replaceChildren(...part, ...(found.sizes.length ? [growing(found, keep)] : []), element('h2', {}, 'Cut otherwise'),
        ...found.rows.map((row) => section(`${row.name}: ${counted(row.tokens, found.letters)}`, row.about, drawn(row.tokens))));
    } catch (error) {
      if (error.name === 'AbortError') return;
      below.replaceChildren();
      fail(below, error);
    }
  }

  // A slider over the sizes that the vocabulary had; the pieces that a size brought are marked.
  function growing({ sizes, letters }, keep) {
    const nearest = sizes.findLastIndex((one) => one.pieces <= size);
    const chosen = slider('pieces in the vocabulary:', { min: 0, max: sizes.length - 1, step: 1, value: Math.max(0, nearest), shown: (place) => sizes[place].pieces.toLocaleString('en') });
    const said = element('p', { role: 'status' });
    const row = element('div');
    function draw() {
      const place = chosen.read(), { pieces, tokens } = sizes[place];
      const before = new Set(sizes[Math.max(0, place - 1)].tokens.map((token) => token.id));
      chosen.field.setAttribute('aria-valuetext', `${pieces} pieces`);
      said.textContent = `With ${pieces.toLocaleString('en')} pieces: ${counted(tokens, letters)}`;
      row.replaceChildren(drawn(tokens, (token) => !before.has(token.id)));
    }
    chosen.field.addEventListener('input', () => { size = sizes[chosen.read()].pieces; draw(); keep(); });
    draw();
    return element('section', {}, element('h2', {}, 'As the vocabulary grew'),
      element('p', { class: 'quiet' }, 'It began with single letters or bytes and joined the commonest pairs, again and again. Marked are the pieces that this size brought.'),
      chosen.node, said, row);
  }

  root.append(...looking.nodes, below);
  looking.ask();
  return looking.leave;
}

const rate = (letters, tokens) => (tokens ? ` – ${(letters / tokens).toFixed(1)} letters to a token` : '');
const counted = (tokens, letters) => `${tokens.length.toLocaleString('en')} pieces${tokens.length ? `, ${(letters / tokens.length).toFixed(1)} letters each` : ''}`;
const section = (heading, about, row) => element('section', {}, element('h3', {}, heading), element('p', { class: 'quiet' }, about), row);

function drawn(tokens, fresh = () => false) {
  return element('div', { class: 'tokens stacked' }, ...tokens.map((token) => element('span', {
    class: fresh(token) ? 'token fresh' : 'token', title: token.id === null ? undefined : `token ${token.id}`,
  }, visible(token.text), token.id === null ? undefined : element('small', {}, String(token.id)))));
}
