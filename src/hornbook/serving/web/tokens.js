import { element, lookingAt, post, remember, visible } from './page.js';

export const title = 'Tokens';
export const explain = 'A model reads numbers, each of which stands for a piece of text. Type, and see the pieces and their numbers in this model’s vocabulary.';

export function render(root, params) {
  const looking = lookingAt('tokens', params, 'One morning Nora left the rope by the fountain.', async (text, signal) => {
    remember('tokens', { text });
    const found = await post('/view/tokens', { text }, signal);
    const { letters, words, bytes, tokens } = found.counts;
    const rate = tokens ? ` – ${(letters / tokens).toFixed(1)} letters to a token` : '';
    return [
      element('p', {}, `${letters} letters, ${words} words, ${bytes} bytes, ${tokens} tokens${rate}`),
      element('div', { class: 'tokens stacked' }, ...found.tokens.map((token) =>
        element('span', { class: 'token', title: `token ${token.id}` }, visible(token.text), element('small', {}, String(token.id))))),
    ];
  });
  root.append(...looking.nodes);
  looking.ask();
  return looking.leave;
}
