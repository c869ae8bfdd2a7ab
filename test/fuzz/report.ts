import type { Fuzz } from './fuzz.ts';

/** What a run did: by opcode how many commands succeeded and how many did not; nothing may be dead. */
export function report(title: string, seed: number, fuzz: Fuzz, ms: number): string {
  const { host } = fuzz;
  const { good, bad } = fuzz.totals;
  const named = [...host.outcomes].filter(([, o]) => o.good > 0 || o.bad > 200);
  const rare = host.outcomes.size - named.length;
  const lines = named
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([key, o]) => `${key} ${o.good} ok ${o.bad} not`);
  const deeds = [...fuzz.deeds].map(([deed, times]) => `${times} ${deed}`).join(', ');
  return [
    `fuzz ${title}: seed ${seed}, ${host.sent} commands in ${(ms / 1000).toFixed(1)} s (${Math.round((host.sent / ms) * 1000)}/s), ` +
      `${Math.round((100 * good) / (good + bad))} % succeeded; ${deeds}; ${fuzz.store.failures} storage failures`,
    `  ${lines.join('; ')}; ${rare} other opcodes, all refused`,
  ].join('\n');
}
