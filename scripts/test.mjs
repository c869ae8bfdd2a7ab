// `npm test`: everything that has to hold, in the order of its price. Prints what passed and failed, and
// as its last line "N passed, N failed". `npm test -- unit e2e` runs only the stages named.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { ensureInstalled, root, run } from './ensure-installed.mjs';

ensureInstalled();
const { ensureChromium } = await import('./chromium.mjs');

const reports = join(root, '.cache', 'reports');
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });

/** On two cores vitest would use one. A guest takes a core, and with its tests a gigabyte: four of them are enough. */
const workers = Math.max(1, Math.min(availableParallelism(), 4));

const vitest = (project) => ({
  command: [
    'npx',
    'vitest',
    'run',
    '--project',
    project,
    `--maxWorkers=${workers}`,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${join(reports, `${project}.json`)}`,
  ],
  count: () => {
    const { numPassedTests, numFailedTests, numFailedTestSuites, numTotalTests, testResults } = readReport(
      `${project}.json`,
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
  // Each of these takes one core.
  format: { command: ['npx', 'prettier', '--check', '--log-level=warn', '.'], beside: true },
  lint: { command: ['npx', 'eslint', '.'], beside: true },
  check: { command: ['npm', 'run', '--silent', 'check'], beside: true },
  guest: { command: ['node', 'guest/verify.mjs'], beside: true },
  unit: vitest('unit'),
  build: { command: ['npx', 'vite', 'build', '--logLevel=warn'] },
  boot: vitest('guest'),
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

const isWanted = (name) => wanted.length === 0 || wanted.includes(name);

/** Runs a command beside others; what it says is shown when it has ended. Resolves to its status. */
function runBeside(name, [command, ...args]) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, shell: process.platform === 'win32' });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += piece));
    const end = (status) => {
      console.log(`\n── ${name} ──\n${output.trimEnd()}`);
      resolve(status);
    };
    child.on('error', (error) => {
      output += `${command} could not be started (${error.message}); is it installed?`;
      end(1);
    });
    child.on('close', (status) => end(status ?? 1));
  });
}

/** Those that take one core each, as many at once as there are cores. Their results by name. */
async function allBeside() {
  const results = new Map();
  const waiting = Object.entries(stages).filter(([name, { beside }]) => beside && isWanted(name));
  if (waiting.length > 0) console.log(`\n── ${waiting.map(([name]) => name).join(', ')} … ──`);
  const next = async () => {
    for (let stage; (stage = waiting.shift());) {
      const [name, { command }] = stage;
      const started = Date.now();
      results.set(name, { status: await runBeside(name, command), ms: Date.now() - started });
    }
  };
  await Promise.all(Array.from({ length: workers }, next));
  return results;
}

function runAlone(name, { before, command: [command, ...args], env }) {
  console.log(`\n── ${name} ──`);
  const started = Date.now();
  before?.();
  const status = run(command, args, { env: { ...process.env, ...env } });
  return { status, ms: Date.now() - started };
}

/** What passed and failed: what the stage counts, else the stage itself. */
function countOf(name, { count }, status) {
  if (!count) return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1 };
  try {
    const counted = count();
    return status !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted;
  } catch (error) {
    console.error(`The report of ${name} cannot be read (${error.message}).`);
    return { passed: 0, failed: 1 };
  }
}

const beside = await allBeside();
let passed = 0;
let failed = 0;
const lines = [];
for (const [name, stage] of Object.entries(stages)) {
  if (!isWanted(name)) continue;
  const { status, ms } = beside.get(name) ?? runAlone(name, stage);
  const count = countOf(name, stage, status);
  passed += count.passed;
  failed += count.failed;
  lines.push(
    `${count.failed ? '✗' : '✓'} ${name.padEnd(7)} ${count.passed} passed, ${count.failed} failed, ${Math.round(ms / 1000)} s`,
    ...(count.names ?? []).map((test) => `    ✗ ${test}`),
  );
}
console.log(`\n${lines.join('\n')}\n`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
