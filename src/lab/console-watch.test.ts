import { describe, expect, it } from 'vitest';
import { ConsoleWatch, type Trouble } from './console-watch.ts';

function watch(text: string): { troubles: Trouble[]; stages: string[] } {
  const troubles: Trouble[] = [];
  const stages: string[] = [];
  const console = new ConsoleWatch();
  console.ontrouble = (trouble) => troubles.push(trouble);
  console.onstage = (stage) => stages.push(stage);
  // One byte at a time: lines arrive cut anywhere.
  for (const byte of new TextEncoder().encode(text)) console.receive(Uint8Array.of(byte));
  return { troubles, stages };
}

describe('ConsoleWatch', () => {
  it('follows the boot', () => {
    const { stages } = watch(
      'SeaBIOS\r\n[    0.000000] Linux version 5.10\r\n[    2.1] Run /init as init process\r\n[    2.2] x\r\n',
    );
    expect(stages).toEqual(['kernel', 'init', 'init']);
  });

  it('sees trouble at the start of a line and behind a prompt, each kind once', () => {
    const { troubles } = watch(
      '[    5.0] nvme nvme0: I/O 12 QID 1 timeout, aborting\r\n' +
        '[    6.0] nvme nvme0: I/O 13 QID 1 timeout, aborting\r\n' +
        '\u001b[1mroot@ocssd:~#\u001b[0m [    7.25] Kernel panic - not syncing: Attempted to kill init!\r\n',
    );
    expect(troubles.map(({ notice, fatal }) => [notice.code, fatal])).toEqual([
      ['nvme-timeout', false],
      ['panic', true],
    ]);
    expect(troubles[1]?.notice.text).toContain('Attempted to kill init!');
  });

  it('takes no notice of what carries no time stamp, and keeps lines bounded', () => {
    const { troubles } = watch(
      `Kernel panic - not syncing\n${'x'.repeat(100_000)}[    1.0] Kernel panic - not syncing\n`,
    );
    expect(troubles).toEqual([]);
  });
});
