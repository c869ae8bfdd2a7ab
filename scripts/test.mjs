// `npm test`: everything that has to hold, in the order of its price. Prints what passed and failed, and
// as its last line "N passed, N failed". `npm test -- unit e2e` runs only the stages named.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { ensureInstalled, root, run } from './ensure-installed.mjs';

ensureInstalled();
const { ensureChromium } = await import('./chromium.mjs');

const reports = join(root, '.cache', 'reports');
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });

const CAUSES = 'test/causes.guest.test.ts';

/** On two cores vitest would use one. A guest takes a core, and with its tests a gigabyte: four of them are enough. */
const workers = Math.max(1, Math.min(availableParallelism(), 4));

const vitest = (project, report = project, ...args) => ({
  command: [
    'npx',
    'vitest',
    'run',
    '--project',
    project,
    `--maxWorkers=${workers}`,
    ...args,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${join(reports, `${report}.json`)}`,
  ],
  count: () => {
    const { numPassedTests, numFailedTests, numFailedTestSuites, numTotalTests, testResults } = readReport(
      `${report}.json`,
    );
    // A file that does not load has no failed test, but is a failure.
    return {
      passed: numPassedTests,
      failed: numFailedTests || (numFailedTestSuites > 0 || numTotalTests === 0 ? 1 : 0),
      names: testResults.flatMap(({ name: file, status, assertionResults }) => {
        const tests = assertionResults.filter((test) => test.status === 'failed');
        if (tests.length === 0 && status === 'failed') return [relative(root, file)];
        return tests.map((test) => `${relative(root, file)}: ${test.fullName}`);
      }),
    };
  },
});

const stages = {
  format: { command: ['npx', 'prettier', '--check', '--log-level=warn', '.'] },
  lint: { command: ['npx', 'eslint', '.'] },
  check: { command: ['npm', 'run', '--silent', 'check'] },
  guest: { command: ['node', 'guest/verify.mjs'] },
  unit: vitest('unit'),
  build: { command: ['npx', 'vite', 'build', '--logLevel=warn'] },
  boot: vitest('guest', 'guest', `--exclude=${CAUSES}`),
  // It wants 99 % of sectors right, of which beside another guest on two cores one or two in a hundred stay unexplained.
  causes: vitest('guest', 'causes', CAUSES),
  e2e: {
    before: ensureChromium,
    command: ['npx', 'playwright', 'test', '--config', 'e2e/playwright.config.ts'],
    env: { PLAYWRIGHT_JSON_OUTPUT_NAME: join(reports, 'e2e.json') },
    count: () => {
      const { stats, suites } = readReport('e2e.json');
      return {
        passed: stats.expected + stats.flaky,
        failed: stats.unexpected || (stats.expected === 0 ? 1 : 0),
        names: failedSpecs(suites),
      };
    },
  },
};

function readReport(name) {
  return JSON.parse(readFileSync(join(reports, name), 'utf8'));
}

function failedSpecs(suites) {
  return suites.flatMap(({ specs = [], suites: inner = [] }) => [
    ...specs.filter((spec) => !spec.ok).map((spec) => `e2e/${spec.file}: ${spec.title}`),
    ...failedSpecs(inner),
  ]);
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in stages));
if (unknown) {
  console.error(`There is no stage ${unknown}; the stages are ${Object.keys(stages).join(', ')}.`);
  process.exit(2);
}

let passed = 0;
let failed = 0;
const lines = [];
for (const [name, stage] of Object.entries(stages)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n── ${name} ──`);
  const started = Date.now();
  stage.before?.();
  const [command, ...args] = stage.command;
  const status = run(command, args, { env: { ...process.env, ...stage.env } });
  let count = { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1 };
  if (stage.count) {
    try {
      count = stage.count();
      if (status !== 0 && count.failed === 0) count.failed = 1;
    } catch (error) {
      console.error(`The report of ${name} cannot be read (${error.message}).`);
      count = { passed: 0, failed: 1 };
    }
  }
  passed += count.passed;
  failed += count.failed;
  lines.push(
    `${count.failed ? '✗' : '✓'} ${name.padEnd(7)} ${count.passed} passed, ${count.failed} failed, ${Math.round((Date.now() - started) / 1000)} s`,
    ...(count.names ?? []).map((test) => `    ✗ ${test}`),
  );
}
console.log(`\n${lines.join('\n')}\n`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
