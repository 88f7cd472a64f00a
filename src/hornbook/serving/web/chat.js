import { address, element, events, fail, post, remember, samplers, say } from './page.js';

export const title = 'Chat';
export const explain = 'A conversation with the model, each turn read together with those before it. A model that was never taught to converse simply writes on from your text.';

export function render(root, params, model) {
  let turns = [], running;
  const system = element('textarea', { id: 'system', rows: 2 });
  system.value = params.get('system') ?? '';
  const sampling = samplers(params);
  const list = element('ol', { class: 'talk', 'aria-label': 'The conversation', 'aria-live': 'polite' });
  const field = element('textarea', { id: 'message', rows: 3, placeholder: model.chat ? 'Your message' : 'The beginning of a text' });
  field.value = params.get('message') ?? '';
  const send = element('button', { class: 'main' }, 'Send');
  const stop = element('button', { type: 'button', disabled: true }, 'Stop');
  const retry = element('button', { type: 'button', disabled: true }, 'Retry');
  const clear = element('button', { type: 'button' }, 'New');
  const save = element('button', { type: 'button' }, 'Save');
  const load = element('input', { type: 'file', id: 'load', accept: 'application/json' });
  const trouble = element('div');
  const form = element('form', {}, element('label', { for: 'message' }, 'Message (Enter sends, Shift+Enter begins a new line)', field),
    element('div', { class: 'row' }, send, stop, retry, clear, save, load, element('label', { class: 'button', for: 'load', style: undefined }, 'Load')));
  const settings = element('details', {}, element('summary', {}, 'Settings'),
    model.chat ? element('label', { for: 'system' }, 'System text', system) : undefined, sampling.node);
  root.append(list, trouble, form, settings);

  function draw() {
    list.replaceChildren(...turns.map((turn, place) => element('li', { class: turn.role },
      element('p', { class: 'who' }, turn.role === 'user' ? 'You' : model.name,
        turn.role === 'user' && !running ? element('button', { type: 'button', onclick: () => edit(place) }, 'Edit') : undefined,
        turn.role === 'assistant' && !turn.open ? element('a', { href: address('origins', { text: turn.content }) }, 'Where from') : undefined),
      element('p', { class: 'what' }, turn.content + (turn.open ? ' …' : '')))));
    retry.disabled = Boolean(running) || !turns.some((turn) => turn.role === 'user');
    stop.disabled = !running;
    send.disabled = clear.disabled = Boolean(running);
  }
  function edit(place) {
    field.value = turns[place].content;
    turns = turns.slice(0, place);
    draw();
    field.focus();
  }
  // What a model that doesn't converse writes on from: the whole text, or its end where that doesn't fit into the context.
  async function end(asked) {
    const text = asked.map((one) => one.content).join('');
    const { tokens } = await post('/view/tokens', { text }, running.signal);
    if (tokens.length < model.context_length) return text;
    trouble.append(element('p', { class: 'quiet' }, 'The context is full: the model no longer reads the beginning.'));
    return tokens.slice(-Math.ceil(model.context_length / 2)).map((token) => token.id);
  }
  async function answer() {
    running = new AbortController();
    trouble.replaceChildren();
    const turn = { role: 'assistant', content: '', open: true };
    const asked = turns.map(({ role, content }) => ({ role, content }));
    turns.push(turn);
    draw();
    say('the model is writing');
    const said = list.lastElementChild.querySelector('.what');
    try {
      const body = model.chat
        ? { messages: [...(system.value ? [{ role: 'system', content: system.value }] : []), ...asked] }
        : { prompt: await end(asked), max_tokens: Math.min(200, model.context_length) };
      const path = model.chat ? '/v1/chat/completions' : '/v1/completions';
      let left = 0;
      for await (const event of events(path, { ...body, ...sampling.read() }, running.signal)) {
        left = event.hornbook?.left_out_messages ?? left;
        turn.content += event.choices[0]?.delta?.content ?? event.choices[0]?.text ?? '';
        said.textContent = turn.content;
      }
      if (left) trouble.append(element('p', { class: 'quiet' }, `The context is full: the model no longer reads the first ${left} messages.`));
    } catch (error) {
      fail(trouble, error);
    }
    turn.open = false;
    if (!turn.content) turns.pop();
    running = undefined;
    say('');
    draw();
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!field.value.trim() || running) return;
    turns.push({ role: 'user', content: field.value });
    field.value = '';
    remember('chat', { system: system.value, ...sampling.address() });
    answer();
  });
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
  });
  stop.addEventListener('click', () => running?.abort());
  retry.addEventListener('click', () => {
    if (turns.at(-1).role === 'assistant') turns.pop();
    answer();
  });
  clear.addEventListener('click', () => { turns = []; trouble.replaceChildren(); draw(); field.focus(); });
  save.addEventListener('click', () => {
    const data = JSON.stringify([...(system.value ? [{ role: 'system', content: system.value }] : []), ...turns.map(({ role, content }) => ({ role, content }))], null, 2);
    const link = element('a', { href: URL.createObjectURL(new Blob([data], { type: 'application/json' })), download: 'conversation.json' });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  load.addEventListener('change', async () => {
    trouble.replaceChildren();
    try {
      const read = JSON.parse(await load.files[0].text());
      if (!Array.isArray(read) || !read.every((one) => ['system', 'user', 'assistant'].includes(one?.role) && typeof one.content === 'string')) throw new Error('this file holds no conversation: a list of {"role", "content"}');
      system.value = read.find((one) => one.role === 'system')?.content ?? '';
      turns = read.filter((one) => one.role !== 'system').map(({ role, content }) => ({ role, content }));
      draw();
    } catch (error) { fail(trouble, error); }
    load.value = '';
  });
  draw();
  return () => running?.abort();
}
