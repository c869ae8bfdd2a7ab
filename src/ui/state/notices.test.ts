import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Notices } from './notices.svelte.ts';

describe('notices', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const codes = (notices: Notices) => notices.list.map((n) => n.code);

  it('drops notes first, then warnings, errors last, each time the oldest', () => {
    const notices = new Notices();
    notices.error('e1', '');
    notices.add({ level: 'warning', code: 'w1', text: '' });
    notices.info('i1', '');
    notices.info('i2', '');
    notices.error('e2', '');
    notices.info('i3', '');
    expect(codes(notices)).toEqual(['e1', 'w1', 'i2', 'e2', 'i3']);
    for (const code of ['e3', 'e4']) notices.error(code, '');
    expect(codes(notices)).toEqual(['e1', 'w1', 'e2', 'e3', 'e4']);
    notices.error('e5', '');
    notices.error('e6', '');
    expect(codes(notices)).toEqual(['e2', 'e3', 'e4', 'e5', 'e6']);
    notices.info('i4', '');
    expect(codes(notices)).toEqual(['e2', 'e3', 'e4', 'e5', 'e6']);
  });

  it('makes one of all refused commands: the latest text and how many', () => {
    const notices = new Notices();
    notices.error('worker', 'important');
    for (let n = 1; n <= 100; n++) notices.info('refused', `command ${n}`);
    expect(notices.list).toMatchObject([
      { code: 'worker', times: 1 },
      { code: 'refused', text: 'command 100', times: 100 },
    ]);
  });

  it('keeps a note for eight seconds after its last repeat', () => {
    const notices = new Notices();
    notices.info('refused', 'one');
    vi.advanceTimersByTime(7000);
    notices.info('refused', 'two');
    vi.advanceTimersByTime(7000);
    expect(codes(notices)).toEqual(['refused']);
    vi.advanceTimersByTime(1000);
    expect(codes(notices)).toEqual([]);
  });
});
