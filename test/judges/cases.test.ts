/** The list of cases and the tests agree: each case has a test or a reason, and no test is unlisted. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cases } from './cases.ts';

const directory = fileURLToPath(new URL('.', import.meta.url));
/** Names in `judge('…')`, by file. */
const tests = new Map(
  readdirSync(directory)
    .filter((file) => file.endsWith('.test.ts') && file !== 'cases.test.ts')
    .map((file) => {
      const text = readFileSync(`${directory}/${file}`, 'utf8');
      const named = [...text.matchAll(/^\s*judge\(\s*'([^']+)'/gm)].map(([, name]) => name as string);
      return [file, named] as const;
    }),
);

describe('the judges', () => {
  it('name each case once', () => {
    const names = cases.map(({ name }) => name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });

  it('have a test for each case, in the file that the list says', () => {
    const missing = cases.filter((one) => 'at' in one && !tests.get(one.at)?.includes(one.name));
    expect(missing).toEqual([]);
  });

  it('have no test that is not listed, or twice', () => {
    const listed = new Map(cases.map((one) => [one.name, 'at' in one ? one.at : 'left out']));
    for (const [file, names] of tests) {
      for (const name of names) expect(listed.get(name), `${name} in ${file}`).toBe(file);
      expect(new Set(names).size, file).toBe(names.length);
    }
  });

  it('have a reason for each case that is left out', () => {
    for (const one of cases) if ('leftOut' in one) expect(one.leftOut, one.name).toMatch(/\w+ \w+/);
  });

  it('are counted', () => {
    const left = cases.filter((one) => 'leftOut' in one);
    const suites = [...new Set(cases.map(({ name }) => name.split('/')[0] as string))].map((suite) => {
      const own = cases.filter(({ name }) => name.startsWith(`${suite}/`));
      return `${suite} ${own.filter((one) => 'at' in one).length}`;
    });
    console.log(
      `judges: ${cases.length - left.length} cases, ${left.length} left out (${suites.join(', ')})\n` +
        left.map((one) => `  left out: ${one.name}: ${one.leftOut}`).join('\n'),
    );
    expect(cases.length - left.length).toBeGreaterThan(100);
  });
});
