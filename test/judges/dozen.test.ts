/** The dozen against the fakes; v86.guest.test.ts runs it through the machine. */
import { describe, expect, it } from 'vitest';
import { makeRig, plainDisk } from '../driver/rig.ts';
import { settle } from '../fakes/fake-store.ts';
import { dozen, DOZEN_BLOCKS } from './dozen.ts';

describe.each(['sync', 'soon'] as const)('the dozen against the fakes, %s', (store) => {
  it.each(dozen)('$name', async ({ run }) => {
    const rig = await makeRig({ namespaces: [plainDisk(DOZEN_BLOCKS)], store });
    const idle = async () => {
      rig.clock.run();
      await settle();
    };
    await run({ driver: rig.driver, interrupt: rig.interrupt, idle });
    expect(rig.driver.unexpected).toEqual([]);
  });
});

it('is a dozen', () => {
  expect(new Set(dozen.map(({ name }) => name)).size).toBe(12);
});
