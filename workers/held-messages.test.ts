import { expect, it } from 'vitest';
import { holdMessages } from './held-messages.ts';

it('keeps messages in their order until there is somebody to take them, and then no more', () => {
  const target = new EventTarget();
  const send = (data: string) => target.dispatchEvent(new MessageEvent('message', { data }));
  const passOn = holdMessages(target);
  send('first');
  send('second');
  const taken: unknown[] = [];
  target.addEventListener('message', (event) => taken.push((event as MessageEvent).data));
  expect(taken).toEqual([]);
  passOn();
  expect(taken).toEqual(['first', 'second']);
  send('third');
  passOn();
  expect(taken).toEqual(['first', 'second', 'third']);
});
